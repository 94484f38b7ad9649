public import AgentMemory

/// Does the jobs of one kind.
///
/// A job may be run again after it was done (its worker died before it could say so), and in another process: running one twice
/// must do no harm.
public protocol JobHandler: Sendable {
    /// The kind of jobs it does.
    var kind: String { get }

    /// - Parameter isLastAttempt: whether the job goes to the dead-letter list if this attempt fails.
    /// - Throws: ``MemoryError`` to fail: `invalidInput`, `invalidCombination` and `unsupported` at once and for good, anything else is
    ///   tried again.
    func run(_ job: LeasedJob, isLastAttempt: Bool) async throws
}
