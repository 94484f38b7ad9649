/// Bounds of a single connection: sizes in bytes, and how long the server waits for a client.
public struct ConnectionLimits: Sendable {
    /// Bytes of a request's line and header fields; default 80 KiB. A longer line gets 414, longer
    /// fields get 431.
    public var headBytes = 80 << 10
    /// Bytes of a request's body; default 32 MiB. More gets 413 as soon as it is known.
    public var bodyBytes = 32 << 20
    /// The time from the first byte of a request to the end of its head; default 10 s, then 408.
    public var headTimeout: Duration = .seconds(10)
    /// The time in which a body must make progress (``slowestBodyRate``); default 30 s, then 408.
    public var bodyTimeout: Duration = .seconds(30)
    /// The time for which a connection without a request stays open; default 75 s.
    public var idleTimeout: Duration = .seconds(75)
    /// The time after which a client that does not read its response is disconnected; default 30 s.
    public var writeTimeout: Duration = .seconds(30)
    /// How answers name the limits, as the operator can set them.
    public var names = Names()

    /// Default: as they are called here.
    public struct Names: Sendable {
        public var headBytes = "headBytes"
        public var bodyBytes = "bodyBytes"
        public var headTimeout = "headTimeout"
        public var bodyTimeout = "bodyTimeout"

        public init() {}
    }

    /// The least number of bytes per second that a body must reach in each span of ``bodyTimeout``:
    /// a client that sends single bytes now and then occupies a connection like one that sends
    /// none.
    static let slowestBodyRate = 100
    /// How long the rest of a body may take once the server is shutting down.
    static let shutdownGrace: Duration = .seconds(1)
    /// How long the server waits for a client to close, after the last response of a connection.
    /// Closing at once with unread bytes would reset the connection, and the client would lose the
    /// response.
    static let closingTime: Duration = .seconds(2)
    /// The largest unread rest of a body with which the connection is kept; else it is closed.
    static let worthDraining = 256 << 10
    /// How long a connection has been idle before it is closed to make room for another.
    static let idleBeforeMakingRoom: Duration = .seconds(1)

    public init() {}
}
