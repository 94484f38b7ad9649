import Synchronization

/// Asks a store, within the round trips of a read, whether it has a record that has expired
/// (chapter X).
public final class ExpiryQuestion: Sendable {
    /// The question of the read that the task does; a store answers it with the first thing that it
    /// reads.
    @TaskLocal public static var current: ExpiryQuestion?

    /// A record whose ``MemoryRecord/expiresAt`` is then or earlier has expired.
    public let date: Timestamp
    private let answer = Mutex<Bool?>(nil)

    public init(date: Timestamp) {
        self.date = date
    }

    public var isAnswered: Bool { answer.withLock { $0 != nil } }

    /// Whether there is such a record; `false` if the read asked no store.
    public var hasExpired: Bool { answer.withLock { $0 ?? false } }

    /// Records what a store has found; `true` stays.
    public func answer(_ found: Bool) {
        answer.withLock { $0 = found || $0 ?? false }
    }
}
