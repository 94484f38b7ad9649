public import AgentMemory
public import Logging

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

    /// How often the job of a continuous view waits: for more than an hour, and then a later one
    /// has been queued.
    private static let mostWaits = 200

    /// The same job, to be run once the model may answer again. What was renewed is not renewed
    /// once more.
    ///
    /// - Returns: `nil` if there is no use in waiting any longer.
    func waiting() -> NewJob? {
        if taskID == nil, waits >= Self.mostWaits { return nil }
        let job = SummaryViewJob(
            viewID: viewID, taskID: taskID, isForced: false, waits: min(waits + 1, Self.mostWaits), caller: caller)
        return NewJob(kind: Self.kind, payload: job.json, delay: ModelWait.delay(after: waits))
    }
}

/// Renews views in the background. A job whose model cannot be asked now waits; its task goes on.
public struct SummaryViewHandler: JobHandler {
    public let retries: RetryPolicy
    private let views: SummaryViews
    private let jobs: JobSubmitter
    private let logger: Logger

    public init(_ views: SummaryViews, jobs: JobSubmitter, retries: RetryPolicy = RetryPolicy(), logger: Logger) {
        self.views = views
        self.jobs = jobs
        self.retries = retries
        self.logger = logger
    }

    public func run(_ job: SummaryViewJob, isLastAttempt: Bool) async throws {
        try await job.caller.scope.limiting {
            do {
                try await views.tasks.perform(job.taskID) {
                    let failure = Self.message(try await views.renew(job))
                    return { task in
                        if let failure { task.fail(failure) } else { task.status = .success }
                    }
                }
            } catch let pause as ModelQuestions.Pause {
                logger.info("a summary view waits for the language model", metadata: ["reason": "\(pause.reason)"])
                if let next = job.waiting() { try await jobs.enqueue([next]) }
            } catch let error as MemoryError where isLastAttempt || error.isFinal {
                if let taskID = job.taskID { try await views.tasks.change(taskID) { $0.fail(error.message) } }
                throw error
            }
        }
    }

    private static func message(_ failures: [String]?) -> String? {
        guard let failures else { return "the summary view was deleted" }
        guard let first = failures.first else { return nil }
        return "\(failures.count) summaries were not renewed and stay as they were: \(first)"
    }
}
