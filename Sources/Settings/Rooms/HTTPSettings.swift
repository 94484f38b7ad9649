/// Limits of connections, requests and answers.
public struct HTTPSettings: SettingsRoom {
    public static let title = "HTTP"

    public let bodyLimit = Setting<Int>.int(
        "MAX_BODY_BYTES", in: 1024...(1 << 30), unit: .bytes, default: 32 << 20,
        "A larger body gets 413, before it is read.")
    public let headLimit = Setting<Int>.int(
        "HTTP_MAX_HEAD_BYTES", in: 1024...(1 << 20), unit: .bytes, default: 80 << 10,
        "A longer URL gets 414, longer header fields get 431.")
    public let maximumConnections = Setting<Int>.int(
        "HTTP_MAX_CONNECTIONS", in: 1...1_000_000, default: Machine.connections,
        inWords: "half of `ulimit -n`, at most 4096", "At the limit, idle connections are closed and new ones wait.")
    public let headTimeout = Setting<Duration>.seconds(
        "HTTP_HEAD_TIMEOUT_SECONDS", in: 0.1...3600, default: 10, "A head that takes longer gets 408.")
    public let bodyTimeout = Setting<Duration>.seconds(
        "HTTP_BODY_TIMEOUT_SECONDS", in: 0.1...3600, default: 30,
        "A body with less than 100 bytes per second in this time gets 408.")
    public let idleTimeout = Setting<Duration>.seconds(
        "HTTP_IDLE_TIMEOUT_SECONDS", in: 0.1...86_400, default: 75, "A connection without a request is closed.")
    public let writeTimeout = Setting<Duration>.seconds(
        "HTTP_WRITE_TIMEOUT_SECONDS", in: 0.1...3600, default: 30,
        "The connection of a client that does not read its response is closed.")
    public let maximumRequests = Setting<Int>.int(
        "HTTP_MAX_REQUESTS", in: 1...1_000_000, default: 1024,
        "Requests whose body is complete and that are processed at the same time. More get 503 with `Retry-After`.")
    public let requestTimeout = Setting<Duration>.seconds(
        "HTTP_REQUEST_TIMEOUT_SECONDS", in: 0.1...86_400, default: 300,
        "How long a request may take once its body is complete; then it gets 503 and is cancelled.")
    public let workBytes = Setting<Int>.int(
        "HTTP_WORK_BYTES", in: (1 << 20)...(1 << 40), unit: .bytes, default: 64 << 20,
        "Bodies and responses of 64 KiB and more that are processed at the same time; responses that clients are still reading have a second budget of this size."
    )
    public let workWait = Setting<Duration>.seconds(
        "HTTP_WORK_WAIT_SECONDS", in: 0...600, default: 5,
        "How long a large request waits for its share, before it gets 503 with `Retry-After`.")
    public let workThreads = Setting<Int>.int(
        "HTTP_WORK_THREADS", in: 1...64, default: Machine.cores(atMost: 4), inWords: "the cores, at most 4",
        "Threads that large requests run on.")
}
