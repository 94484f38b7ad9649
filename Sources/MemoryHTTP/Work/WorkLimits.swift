/// Bounds of the work of all requests together, and the threads for large ones.
public struct WorkLimits: Sendable {
    /// Bytes of large bodies and responses that are processed at the same time, and again as many
    /// of responses that clients are still reading; default 64 MiB. Further requests wait. Parsed
    /// JSON takes about six times its bytes.
    public var bytes = 64 << 20
    /// How answers name ``bytes``, as the operator can set it.
    public var bytesName = "bytes"
    /// How long a request waits for its share before it gets 503; default 5 s.
    public var patience: Duration = .seconds(5)
    /// Threads for requests with large bodies or answers; default 2.
    public var threads = 2

    /// The size of a body or response from which it counts as large.
    static let large = 64 << 10

    public init() {}
}

/// The budget and the threads of ``WorkLimits``, for one server.
public struct LargeWork: Sendable {
    let limits: WorkLimits
    /// For requests in process.
    let budget: WorkBudget
    /// For complete responses that clients have not read yet. Separate, so that clients that do not
    /// read cannot delay small responses of others.
    let outgoing: WorkBudget
    let threads: WorkThreads
    let sizes = AnswerSizes()
    let refusals = RefusalCount()

    /// Starts the threads.
    public init(limits: WorkLimits = WorkLimits()) {
        self.limits = limits
        budget = WorkBudget(bytes: limits.bytes)
        outgoing = WorkBudget(bytes: limits.bytes)
        threads = WorkThreads(count: limits.threads)
    }

    /// Ends the threads. Requests that are still running end when they are resumed.
    public func shutdown() async {
        await threads.shutdown()
    }
}
