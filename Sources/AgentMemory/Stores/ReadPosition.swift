import Synchronization

/// A store of which copies exist that follow its writes with some delay, and may answer reads.
public protocol ReplicatedStore: Sendable {
    /// Whether a copy is configured.
    var hasReplica: Bool { get }

    /// Whether the text is one that ``position()`` could have returned.
    func isPosition(_ text: String) -> Bool

    /// How far the writes have come: a copy that has reached it shows every write that was answered
    /// before the call. Opaque for callers.
    ///
    /// - Throws: ``MemoryError``.
    func position() async throws -> String
}

/// What one request may read from a copy of the store.
public final class ReadPosition: Sendable {
    /// The position of the request that the current task works for; `nil` reads from the store
    /// itself.
    @TaskLocal public static var current: ReadPosition?

    private struct State {
        var required: String?
        var hasWritten = false
    }

    private let state: Mutex<State>

    /// - Parameter required: the position that a copy must have reached; `nil` excludes copies.
    public init(required: String?) {
        state = Mutex(State(required: required))
    }

    /// The position that a copy must have reached; `nil` if none may answer, as after a write of
    /// the request itself.
    public var required: String? { state.withLock { $0.hasWritten ? nil : $0.required } }

    public var hasWritten: Bool { state.withLock(\.hasWritten) }

    public func noteWrite() { state.withLock { $0.hasWritten = true } }

    /// Excludes copies, for a request whose reads decide what it writes.
    public func excludeCopies() { state.withLock { $0.required = nil } }
}
