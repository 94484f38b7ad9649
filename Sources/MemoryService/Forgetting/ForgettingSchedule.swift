public import AgentMemory
public import Logging
public import ServiceLifecycle

/// A pass of periodic forgetting.
public struct ForgettingJob: JobPayload, Equatable {
    public static let kind = "forgetting"

    public var json: JSONObject { [:] }

    public init() {}

    public init(_ json: JSONObject, enqueuedAt: Timestamp) {}
}

/// Forgets by one policy, and hands in the next pass.
///
/// A store has one job of this kind, which waits for its time, whatever the number of servers. If
/// two servers that start at once make two of them, those that see another one end.
public struct ForgettingHandler: JobHandler {
    public let retries: RetryPolicy
    private let memory: LongTermMemory
    private let queue: any JobQueue
    private let policy: ForgettingPolicy?
    private let pause: Duration
    private let logger: Logger

    /// A handler that waits for `pause` between two passes. Without a policy it ends the passes
    /// that another server has handed in.
    public init(
        memory: LongTermMemory, queue: any JobQueue, policy: ForgettingPolicy?, pause: Duration,
        retries: RetryPolicy = RetryPolicy(), logger: Logger
    ) {
        self.memory = memory
        self.queue = queue
        self.policy = policy
        self.pause = pause
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
        try await queue.enqueue([NewJob(kind: ForgettingJob.kind, payload: job.json, delay: pause)])
    }
}

/// Hands in the first pass of periodic forgetting, and again if the job was lost.
public struct ForgettingSchedule: Service {
    private let queue: any JobQueue
    private let logger: Logger

    public init(queue: any JobQueue, logger: Logger) {
        self.queue = queue
        self.logger = logger
    }

    public func run() async throws {
        try await cancelWhenGracefulShutdown {
            while true {
                do {
                    try await ensureJob()
                } catch let error as MemoryError {
                    logger.warning("cannot plan the next forgetting", metadata: ["error": "\(error)"])
                }
                do {
                    try await Task.sleep(for: .seconds(60))
                } catch {
                    return
                }
            }
        }
    }

    /// Hands in a job if the queue has none.
    func ensureJob() async throws {
        guard try await !queue.hasForgettingJobs(besides: 0) else { return }
        try await queue.enqueue([ForgettingJob().newJob])
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
