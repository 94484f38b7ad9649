public import AgentMemory
public import Logging
public import ServiceLifecycle

/// The payload of a job that renews a view.
public struct SummaryViewJob: JobPayload, Equatable {
    public static let kind = "summary_view"

    let viewID: String
    /// `nil` for a continuous view.
    let taskID: String?
    let isForced: Bool
    let waits: Int
    let caller: Caller

    init(viewID: String, taskID: String?, isForced: Bool, waits: Int, caller: Caller) {
        self.viewID = viewID
        self.taskID = taskID
        self.isForced = isForced
        self.waits = waits
        self.caller = caller
    }

    public var json: JSONObject {
        var payload: JSONObject = [
            "view_id": .string(viewID), "force": .bool(isForced), "waits": .int(waits),
        ]
        if let taskID { payload["task_id"] = .string(taskID) }
        if caller != .unrestricted { payload["caller"] = .object(caller.json) }
        return payload
    }

    public init(_ json: JSONObject, enqueuedAt: Timestamp) throws(MemoryError) {
        guard let viewID = json["view_id"]?.stringValue else {
            throw MemoryError(.invalidInput, "the payload of the job names no summary view")
        }
        self.viewID = viewID
        taskID = json["task_id"]?.stringValue
        isForced = json["force"]?.boolValue ?? false
        waits = json["waits"]?.intValue ?? 0
        caller = try Caller(job: json)
    }

    /// The same job, to be run once the model may answer again. What was renewed is not renewed
    /// once more.
    func waiting() -> NewJob {
        let job = SummaryViewJob(
            viewID: viewID, taskID: taskID, isForced: false, waits: min(waits + 1, 100), caller: caller)
        return NewJob(kind: Self.kind, payload: job.json, delay: ModelWait.delay(after: waits))
    }
}

/// Renews views in the background. A job whose model cannot be asked now waits; its task goes on.
public struct SummaryViewHandler: JobHandler {
    public let retries: RetryPolicy
    private let views: SummaryViews
    private let jobs: JobSubmitter
    private let logger: Logger
    private let now: @Sendable () -> Timestamp

    /// - Parameter now: the clock of tasks.
    public init(
        _ views: SummaryViews, jobs: JobSubmitter, retries: RetryPolicy = RetryPolicy(), logger: Logger,
        now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) {
        self.views = views
        self.jobs = jobs
        self.retries = retries
        self.logger = logger
        self.now = now
    }

    public func run(_ job: SummaryViewJob, isLastAttempt: Bool) async throws {
        try await job.caller.scope.limiting {
            try await views.note(job.taskID) { task in
                task.status = .running
                task.startedAt = task.startedAt ?? now()
            }
            do {
                let failures = try await views.renew(job)
                try await end(job, failure: Self.message(failures))
            } catch let pause as ModelQuestions.Pause {
                logger.info("a summary view waits for the language model", metadata: ["reason": "\(pause.reason)"])
                try await jobs.enqueue([job.waiting()])
            } catch let error as MemoryError where isLastAttempt || error.isFinal {
                try await end(job, failure: error.message)
                throw error
            }
        }
    }

    private func end(_ job: SummaryViewJob, failure: String?) async throws {
        try await views.note(job.taskID) { task in
            task.status = failure == nil ? .success : .failed
            task.completedAt = now()
            task.failure = failure
        }
    }

    private static func message(_ failures: [String]?) -> String? {
        guard let failures else { return "the summary view was deleted" }
        guard let first = failures.first else { return nil }
        return "\(failures.count) summaries were not renewed and stay as they were: \(first)"
    }
}

/// Queues the runs of continuous views.
public struct SummaryViewScheduler: Service {
    private let views: SummaryViews
    private let interval: Duration
    private let logger: Logger

    /// - Parameter interval: between two runs of a view; whole seconds.
    public init(_ views: SummaryViews, every interval: Duration, logger: Logger) {
        self.views = views
        self.interval = interval
        self.logger = logger
    }

    public func run() async throws {
        let seconds = max(1, Int(interval.components.seconds))
        try? await cancelWhenGracefulShutdown {
            while true {
                do {
                    try await views.startDue(every: seconds)
                } catch let error as MemoryError {
                    logger.warning("continuous summary views were not started", metadata: ["error": "\(error)"])
                }
                try await Task.sleep(for: .seconds(min(30, max(1, seconds / 4))))
            }
        }
    }
}
