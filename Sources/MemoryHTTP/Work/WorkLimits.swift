/// Bounds of what all requests together have in work, and where large ones are worked on.
public struct WorkLimits: Sendable {
    /// Bytes of large bodies and answers that are worked on at the same time, and as many of
    /// answers that clients are still taking; default 64 MiB. What comes on top waits. Parsed JSON
    /// takes a multiple of its bytes, about six.
    public var bytes = 64 << 20
    /// How answers name ``bytes``, as the operator can set it.
    public var bytesName = "bytes"
    /// How long a request waits for its share before it gets 503; default 5 s.
    public var patience: Duration = .seconds(5)
    /// Threads for requests with large bodies or answers; default 2.
    public var threads = 2

    /// Bytes of a body or an answer from which it is large.
    static let large = 64 << 10

    public init() {}
}

/// The budget and the threads of ``WorkLimits``, for one server.
public struct LargeWork: Sendable {
    let limits: WorkLimits
    /// For what is worked on.
    let budget: WorkBudget
    /// For answers that are complete and that clients have not taken yet. Of its own, for clients
    /// that do not read to hold up nobody's small answers.
    let outgoing: WorkBudget
    let threads: WorkThreads
    let sizes = AnswerSizes()

    /// Starts the threads.
    public init(limits: WorkLimits = WorkLimits()) {
        self.limits = limits
        budget = WorkBudget(bytes: limits.bytes)
        outgoing = WorkBudget(bytes: limits.bytes)
        threads = WorkThreads(count: limits.threads)
    }

    /// Ends the threads. Requests that still run end where they are resumed.
    public func shutdown() async {
        await threads.shutdown()
    }
}
