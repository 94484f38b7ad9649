public import AgentMemory
import Synchronization

/// The calls of a process that dies after a number of them: what was called before has taken
/// effect, and every later call fails.
public final class DyingProcess: Sendable {
    private let losesAnswer: Bool
    private let left: Mutex<Int>

    /// - Parameters:
    ///   - calls: the number of calls that succeed.
    ///   - losesAnswer: whether the next call takes effect too, and only its answer is lost.
    public init(after calls: Int, losesAnswer: Bool = false) {
        self.losesAnswer = losesAnswer
        left = Mutex(calls)
    }

    /// Whether a call has failed.
    public var isDead: Bool { left.withLock { $0 < 0 } }

    func call<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
        let left = left.withLock { left in
            left -= 1
            return left
        }
        if left >= 0 { return try await body() }
        if left == -1, losesAnswer { _ = try await body() }
        throw MemoryError(.storeUnavailable, "the process has died")
    }
}

/// A language model, asked by a process that dies.
public struct DyingModel: LanguageModel {
    private let wrapped: any LanguageModel
    private let process: DyingProcess

    public init(_ wrapped: any LanguageModel, in process: DyingProcess) {
        self.wrapped = wrapped
        self.process = process
    }

    public var model: String { wrapped.model }
    public var usage: [LanguageUsage] { wrapped.usage }

    public func answer(_ request: LanguageRequest) async throws -> LanguageAnswer {
        try await process.call { try await wrapped.answer(request) }
    }

    public func unavailability() async -> String? { await wrapped.unavailability() }
}

/// A queue of jobs, used by a process that dies.
public struct DyingQueue: JobQueue {
    private let queue: any JobQueue
    private let process: DyingProcess

    public let name = "dying"

    public init(_ queue: any JobQueue, in process: DyingProcess) {
        self.queue = queue
        self.process = process
    }

    public func prepare() async throws {}
    public func close() async {}
    public func health() async -> [ComponentHealth] { [] }

    public func enqueue(_ jobs: [NewJob]) async throws -> [String] {
        try await process.call { try await queue.enqueue(jobs) }
    }

    public func lease(kinds: [String], limit: Int, for duration: Duration) async throws -> [LeasedJob] {
        try await process.call { try await queue.lease(kinds: kinds, limit: limit, for: duration) }
    }

    public func extend(_ job: LeasedJob, for duration: Duration) async throws -> Bool {
        try await process.call { try await queue.extend(job, for: duration) }
    }

    public func complete(_ job: LeasedJob) async throws -> Bool {
        try await process.call { try await queue.complete(job) }
    }

    public func retry(_ job: LeasedJob, after delay: Duration, reason: String) async throws -> Bool {
        try await process.call { try await queue.retry(job, after: delay, reason: reason) }
    }

    public func bury(_ job: LeasedJob, reason: String) async throws -> Bool {
        try await process.call { try await queue.bury(job, reason: reason) }
    }

    public func counts() async throws -> JobCounts {
        try await process.call { try await queue.counts() }
    }

    public func list(_ state: JobState, page: PageRequest) async throws -> Page<JobSummary> {
        try await process.call { try await queue.list(state, page: page) }
    }

    public func requeue(_ ids: [String]?) async throws -> Int {
        try await process.call { try await queue.requeue(ids) }
    }

    public func time() async throws -> Timestamp { try await process.call { try await queue.time() } }

    public func revise(
        _ decision: @Sendable (QueuedJob) -> JobRevision
    ) async throws -> (revised: Int, leased: [String]) {
        try await process.call { try await queue.revise(decision) }
    }

    public func noteDeleted(_ ids: [String]) async throws {
        try await process.call { try await queue.noteDeleted(ids) }
    }

    public func deleted(_ ids: [String], since date: Timestamp) async throws -> [String] {
        try await process.call { try await queue.deleted(ids, since: date) }
    }

    public func removeNotes(of ids: [String]) async throws {
        try await process.call { try await queue.removeNotes(of: ids) }
    }
}
