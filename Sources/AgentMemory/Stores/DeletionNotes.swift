/// Notes of deleted long-term memories, kept next to the jobs, so that a job that was handed in
/// before a deletion does not store the memory again. They serve backends that keep no such notes
/// themselves (``AtomicMemoryDatabase``).
public protocol DeletionNotes: Sendable {
    /// Notes that the ids are deleted now, by the clock of the store.
    func noteDeleted(_ ids: [String]) async throws

    /// The ids that were noted at `date` or later, as far as the notes are kept.
    func deleted(_ ids: [String], since date: Timestamp) async throws -> [String]

    /// Removes the notes of these ids, for an erasure.
    func removeNotes(of ids: [String]) async throws
}

/// How long deletions are remembered by stores that note them.
public enum DeletionNote {
    /// 7 days, in seconds: much longer than a job is retried. A job that leaves the dead-letter
    /// list later than that may store a deleted memory again.
    public static let keptSeconds = 604_800
}
