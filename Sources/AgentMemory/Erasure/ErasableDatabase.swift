/// A backend that can remove every trace of a scope from its store, its history included.
///
/// Other backends remove the records that they find by a filter.
public protocol ErasableDatabase: MemoryVectorDatabase {
    /// Removes a bounded part of what a scope contains: records with all that is derived from them,
    /// the notes of their deletion, and the events that show a state within the scope. It makes no
    /// events. With a session in the scope, all events of a memory that ever was in the session go.
    ///
    /// Sequences of events stay as they are, and are not given again.
    ///
    /// - Parameters:
    ///   - scope: what is removed.
    ///   - position: ``ErasureStep/next`` of an earlier call, also of one in another process; `nil`
    ///     for the first one.
    func erase(_ scope: ErasureScope, from position: String?) async throws -> ErasureStep

    /// Writes an event of the kind `erased`, if writes make events.
    ///
    /// - Parameter id: stands for the scope; it must not tell what that was.
    func noteErasure(_ id: String) async throws
}

/// What one call of ``ErasableDatabase/erase(_:from:)`` has done.
public struct ErasureStep: Sendable, Equatable {
    /// How many records were removed.
    public let memories: Int
    /// How many events were removed.
    public let events: Int
    /// Where the next call goes on, in a form that only the backend interprets; `nil` if nothing is
    /// left.
    public let next: String?

    public init(memories: Int = 0, events: Int = 0, next: String?) {
        self.memories = memories
        self.events = events
        self.next = next
    }
}
