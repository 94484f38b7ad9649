public import AgentMemory
public import Logging

/// A pass of periodic forgetting.
public struct ForgettingJob: JobPayload, Equatable {
    public static let kind = "forgetting"

    public var json: JSONObject { [:] }

    public init() {}

    public init(_ json: JSONObject, enqueuedAt: Timestamp) {}
}

/// Forgets by one policy. If there are two jobs of this kind, one that sees the other ends.
public struct ForgettingHandler: JobHandler {
    public let retries: RetryPolicy
    private let memory: LongTermMemory
    private let queue: any JobQueue
    private let policy: ForgettingPolicy?
    private let logger: Logger

    /// Without a policy nothing is forgotten: another server has handed in the pass.
    public init(
        memory: LongTermMemory, queue: any JobQueue, policy: ForgettingPolicy?,
        retries: RetryPolicy = RetryPolicy(), logger: Logger
    ) {
        self.memory = memory
        self.queue = queue
        self.policy = policy
        self.retries = retries
        self.logger = logger
    }

    public func run(_ job: ForgettingJob, isLastAttempt: Bool) async throws {
        guard let policy, try await queue.hasForgettingJobs(besides: 1) == false else { return }
        let caller = Caller(subject: ForgettingJob.kind, rights: .all)
        let outcome = try await memory.forget(policy, in: .everything, batch: 500, isDryRun: false, for: caller)
        logger.info(
            "forgot memories",
            metadata: [
                "scanned": "\(outcome.scanned)", "forgotten": "\(outcome.forgotten.count)",
                "operation": "\(outcome.operation ?? "-")",
            ])
    }
}

extension PeriodicWork.Entry {
    /// Forgets at intervals, one pass at a time.
    public static func forgetting(every seconds: Int, queue: any JobQueue, turns: Turns) -> PeriodicWork.Entry {
        PeriodicWork.Entry("forgetting") {
            guard try await turns.take("periodic:forgetting", every: seconds),
                try await !queue.hasForgettingJobs(besides: 0)
            else { return }
            try await queue.enqueue([ForgettingJob().newJob])
        }
    }
}

extension JobQueue {
    /// Whether there are more jobs of forgetting than this number that wait or run.
    fileprivate func hasForgettingJobs(besides known: Int) async throws -> Bool {
        var found = 0
        for state in [JobState.waiting, .leased] {
            var offset: Int? = 0
            while let from = offset {
                let page = try await list(state, page: PageRequest(limit: 1000, offset: from))
                found += page.items.count { $0.kind == ForgettingJob.kind }
                if found > known { return true }
                offset = page.items.isEmpty ? nil : page.nextOffset
            }
        }
        return false
    }
}
