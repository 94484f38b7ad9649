public import AgentMemory

/// Processes the jobs of one kind. A new kind needs a payload, a handler, and its place in the
/// executable's list for the ``BackgroundWorker``.
///
/// A job may run again after it was done (its worker died before it could report it), also in
/// another process: running one twice must do no harm.
public protocol JobHandler: Sendable {
    associatedtype Payload: JobPayload

    /// How often and when a failed job is retried.
    var retries: RetryPolicy { get }

    /// - Parameter isLastAttempt: whether the job goes to the dead-letter list if this attempt
    ///   fails.
    /// - Throws: ``MemoryError`` to fail: `invalidInput`, `invalidCombination`, `forbidden` and
    ///   `unsupported` at once and permanently, others are retried; ``JobGivenUp``.
    func run(_ payload: Payload, isLastAttempt: Bool) async throws
}

extension JobHandler {
    /// The kind of its jobs.
    public var kind: String { Payload.kind }

    /// Runs a job of its kind.
    public func run(_ job: LeasedJob, isLastAttempt: Bool) async throws {
        try await run(try Payload(job.payload, enqueuedAt: job.enqueuedAt), isLastAttempt: isLastAttempt)
    }
}

/// A job ends in the dead-letter list at once, because its handler has counted its attempts by
/// itself.
struct JobGivenUp: Error {
    let reason: String
}

extension MemoryError {
    /// Whether the same job would fail in the same way again.
    var isFinal: Bool {
        switch code {
        case .invalidInput, .invalidCombination, .forbidden, .unsupported: true
        case .notFound, .conflict, .preconditionFailed, .storeUnavailable, .timedOut, .embeddingFailed,
            .embeddingRefused, .languageModelFailed, .languageModelRefused, .languageModelRefusedPrompt,
            .languageModelUnusable, .misconfigured, .internalError:
            false
        }
    }
}
