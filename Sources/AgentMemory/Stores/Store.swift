/// The life cycle of a store: prepared, maintained while in use, checked for its health, and
/// closed.
///
/// ``MemoryVectorDatabase``, ``WorkingMemoryStore`` and ``JobQueue`` refine it.
public protocol Store: Sendable {
    /// The name for logs, such as `redis`.
    var name: String { get }

    /// Connects and creates what is missing; safe to call from several processes at once, and
    /// again.
    ///
    /// - Throws: ``MemoryError``: `misconfigured` if the settings do not fit what the store
    ///   contains, or if the store cannot do the work (start-up stops, and the message says what is
    ///   missing); `storeUnavailable` or `timedOut` if the store may still come up (the server
    ///   responds with 503 until it does).
    func prepare() async throws

    /// Maintains the store until the task is cancelled. Also retries ``prepare()`` until it has
    /// succeeded.
    ///
    /// The default waits until it is cancelled, for a store that needs no maintenance.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` if the store became available late and
    ///   does not fit the settings.
    func run() async throws

    /// Closes what the store opened for itself; no other call follows.
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
    /// `nil` if all is well; otherwise the cause, in one sentence without secrets.
    public let reason: String?
    /// The product that responded, such as `PostgreSQL 18.4, pgvector 0.8.5`; `nil` if none did.
    public let version: String?
    /// A setting that works but should be changed, in one sentence without secrets; it does not
    /// make the part unavailable.
    public let warning: String?

    public init(_ component: String, reason: String? = nil, version: String? = nil, warning: String? = nil) {
        self.component = component
        self.reason = reason
        self.version = version
        self.warning = warning
    }

    public var isOK: Bool { reason == nil }
}
