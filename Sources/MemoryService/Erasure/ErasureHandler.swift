public import AgentMemory

/// The payload of a job that works on an erasure. It does not tell what is erased.
public struct ErasureJob: JobPayload, Equatable {
    public static let kind = "erasure"

    let taskID: String

    init(taskID: String) {
        self.taskID = taskID
    }

    public var json: JSONObject { ["task_id": .string(taskID)] }

    public init(_ json: JSONObject, enqueuedAt: Timestamp) throws(MemoryError) {
        guard let id = json["task_id"]?.stringValue else {
            throw MemoryError(.invalidInput, "the payload of the job names no task")
        }
        taskID = id
    }

    func newJob(after delay: Duration) -> NewJob { NewJob(kind: Self.kind, payload: json, delay: delay) }
}

/// Goes on with erasures that their requests have not ended.
public struct ErasureHandler: JobHandler {
    public let retries: RetryPolicy
    private let erasures: Erasures
    private let jobs: JobSubmitter

    /// How long it waits for jobs that are running, or for another worker on the erasure.
    private static let pause = Duration.seconds(1)

    public init(_ erasures: Erasures, jobs: JobSubmitter, retries: RetryPolicy = RetryPolicy()) {
        self.erasures = erasures
        self.jobs = jobs
        self.retries = retries
    }

    public func run(_ job: ErasureJob, isLastAttempt: Bool) async throws {
        do {
            if try await !erasures.proceed(job.taskID) { try await jobs.enqueue([job.newJob(after: Self.pause)]) }
        } catch let error as MemoryError where isLastAttempt || error.isFinal {
            try await erasures.fail(job.taskID, error.message)
            throw error
        }
    }
}
