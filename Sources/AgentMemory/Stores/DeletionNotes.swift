/// Notes of which long-term memories were deleted, kept beside the jobs, so that a job that was
/// handed in before does not bring them back. They serve backends that keep no such notes
/// themselves (``AtomicMemoryDatabase``).
public protocol DeletionNotes: Sendable {
    /// Notes that the ids are deleted now, by the clock of the store.
    func noteDeleted(_ ids: [String]) async throws

    /// Those of the ids that were noted at `date` or later, as far as the notes are kept.
    func deleted(_ ids: [String], since date: Timestamp) async throws -> [String]
}

/// How long deletions are remembered by stores that note them.
public enum DeletionNote {
    /// 7 days, in seconds: far longer than a job is tried. A job that is taken out of the
    /// dead-letter list later than that may store again what was deleted.
    public static let keptSeconds = 604_800
}
