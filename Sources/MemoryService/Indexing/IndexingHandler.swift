import AgentMemory
public import Logging

/// Does what a language model does with memories once they are stored. A job whose model cannot be
/// asked now waits, however long that takes.
public struct IndexingHandler: JobHandler {
    public let retries: RetryPolicy
    private let tagging: Tagging?
    private let extraction: RecordExtraction?
    private let deduplication: Deduplication?
    private let jobs: JobSubmitter
    private let logger: Logger

    /// How long a job waits after the model's service has refused the key, the model or the prompt.
    private static let refusalDelay = Duration.seconds(300)

    /// - Parameters:
    ///   - tagging: finds topics and entities; default: none.
    ///   - extraction: extracts memories from single ones; default: none.
    ///   - deduplication: unites memories of the same meaning; default: none.
    ///   - jobs: gets jobs that must wait.
    ///   - retries: for stores that fail, and answers that cannot be used.
    ///   - logger: gets the reasons of waiting.
    public init(
        tagging: Tagging? = nil, extraction: RecordExtraction? = nil, deduplication: Deduplication? = nil,
        jobs: JobSubmitter, retries: RetryPolicy = RetryPolicy(), logger: Logger
    ) {
        self.tagging = tagging
        self.extraction = extraction
        self.deduplication = deduplication
        self.jobs = jobs
        self.retries = retries
        self.logger = logger
    }

    public func run(_ job: IndexingJob, isLastAttempt: Bool) async throws {
        var left = job.ids[...]
        do {
            try await job.caller.scope.limiting {
                let caller = job.caller.deriving
                try await isolating(.tagging, job.ids, of: job) { try await tagging?.run(job.ids, for: caller) }
                while let id = left.first {
                    try await isolating(.extraction, [id], of: job) {
                        try await extraction?.run(id, handedInAt: job.handedInAt ?? .now(), for: caller)
                    }
                    try await isolating(.deduplication, [id], of: job) {
                        try await deduplication?.run(id, for: caller)
                    }
                    left.removeFirst()
                }
            }
        } catch let pause as ModelQuestions.Pause {
            logger.info("stored memories wait for the language model", metadata: ["reason": "\(pause.reason)"])
            try await jobs.enqueue([job.waiting(with: left)])
        } catch let error as MemoryError where error.code == .languageModelRefused {
            // Until a setting changes, and without filling the dead-letter list meanwhile.
            logger.warning(
                "work on stored memories was refused and is tried again", metadata: ["error": "\(error)"])
            try await jobs.enqueue([job.with(ids: left).newJob(after: Self.refusalDelay)])
        }
    }

    /// Does a step of the job for some of its memories. If the model has no answer to them, this
    /// step of each of them has a job of its own from here on, so that nothing else waits.
    private func isolating(
        _ step: Indexing.Steps, _ ids: [String], of job: IndexingJob, _ work: () async throws -> Void
    ) async throws {
        guard job.steps.contains(step) else { return }
        do {
            try await work()
        } catch let error as MemoryError where error.concernsPrompt {
            if job.steps == step, job.ids.count == 1 { throw error }
            try await jobs.enqueue(ids.map { job.with(ids: [$0], steps: step).newJob })
        }
    }
}
