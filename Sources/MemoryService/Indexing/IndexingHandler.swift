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
                if job.steps.contains(.tagging) { try await tagging?.run(job.ids, for: caller) }
                while let id = left.first {
                    try await extract(id, job, caller)
                    if job.steps.contains(.deduplication) { try await deduplication?.run(id, for: caller) }
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

    private func extract(_ id: String, _ job: IndexingJob, _ caller: Caller) async throws {
        guard job.steps.contains(.extraction), let extraction else { return }
        do {
            try await extraction.run(id, handedInAt: job.handedInAt ?? .now(), for: caller)
        } catch let error as MemoryError where error.code == .languageModelFailed && job.ids.count > 1 {
            // One memory may be at fault: it has its own job from here on.
            try await jobs.enqueue([job.with(ids: [id]).newJob])
        }
    }
}
