/// The life of a store: it is prepared, maintained while it is used, asked for its state, and
/// closed.
///
/// ``MemoryVectorDatabase``, ``WorkingMemoryStore`` and ``JobQueue`` add what they keep.
public protocol Store: Sendable {
    /// The name for logs, such as `redis`.
    var name: String { get }

    /// Connects and creates what is missing; safe to call from several processes at once, and
    /// again.
    ///
    /// - Throws: ``MemoryError``: `misconfigured` if the settings cannot go with what the store
    ///   holds, or if the store cannot do the work (start-up stops, and the message says what is
    ///   missing); `storeUnavailable` or `timedOut` if the store may still come up (the server
    ///   responds with 503 until it does).
    func prepare() async throws

    /// Maintains the store until the task is cancelled. Also tries ``prepare()`` again while that
    /// has not succeeded.
    ///
    /// The default waits until it is cancelled, for a store that needs no maintenance.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` if the store came up late and cannot go
    ///   with the settings.
    func run() async throws

    /// Ends what the store opened for itself; no other call follows.
    func close() async

    /// The state of the store now; never throws, never waits longer than the deadline of a call.
    func health() async -> [ComponentHealth]
}

extension Store {
    public func run() async throws {
        let (stream, continuation) = AsyncStream<Never>.makeStream()
        await withTaskCancellationHandler {
            for await _ in stream {}
        } onCancel: {
            continuation.finish()
        }
    }
}

/// The state of one part of the system, as `GET /v1/ready` shows it.
public struct ComponentHealth: Sendable, Equatable {
    /// Such as `store`, `index` or `embedder`.
    public let component: String
    /// `nil` when all is well; otherwise why not, in one sentence without secrets.
    public let reason: String?
    /// What answers, such as `PostgreSQL 18.4, pgvector 0.8.5`; `nil` when nothing answered.
    public let version: String?
    /// What works but should be changed, in one sentence without secrets; it does not make the part
    /// unavailable.
    public let warning: String?

    public init(_ component: String, reason: String? = nil, version: String? = nil, warning: String? = nil) {
        self.component = component
        self.reason = reason
        self.version = version
        self.warning = warning
    }

    public var isOK: Bool { reason == nil }
}
