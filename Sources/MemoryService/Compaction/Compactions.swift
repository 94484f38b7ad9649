public import AgentMemory

/// Compactions of long-term memory: small ones within their requests, large ones as tasks.
public struct Compactions: Sendable {
    /// What has become of a request for a compaction.
    public enum Answer: Sendable, Equatable {
        case done(CompactionOutcome)
        /// It goes on in the background.
        case started(ServerTask)
    }

    static let taskType = "compaction"

    private let memory: LongTermMemory
    private let documents: any DocumentStore
    private let jobs: JobSubmitter
    private let largestRequest: Int
    private let now: @Sendable () -> Timestamp

    /// - Parameters:
    ///   - memory: has the memories.
    ///   - documents: keeps the tasks.
    ///   - jobs: gets the large compactions.
    ///   - largestRequest: how many memories a request reads at most; default: 5,000.
    ///   - now: the clock of dates.
    public init(
        memory: LongTermMemory, documents: any DocumentStore, jobs: JobSubmitter, largestRequest: Int = 5000,
        now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) {
        self.memory = memory
        self.documents = documents
        self.jobs = jobs
        self.largestRequest = largestRequest
        self.now = now
    }

    /// Compacts the memories of the filter, as ``LongTermMemory/compact(_:for:while:)`` does.
    ///
    /// - Parameter filter: has conditions of equality on namespace, user and session only.
    /// - Throws: ``MemoryError`` with code `unsupported` if the backend keeps no history.
    public func compact(_ filter: MemoryFilter, for caller: Caller) async throws -> Answer {
        try caller.require(.write)
        try memory.memories.scoped(to: caller).requireHistory()
        guard try await memory.count(filter, for: caller) > largestRequest else {
            return .done(try await memory.compact(filter, for: caller))
        }
        let id = ULID.make(at: now())
        let job = CompactionJob(taskID: id, filter: filter, caller: caller)
        var work = job.json
        work["task_id"] = JSONValue?.none
        let task = ServerTask(
            id: id, type: Self.taskType, createdAt: now(), starter: caller, details: ["result": .null], work: [:])
        let owner = Document(
            ServerTask.key(id), namespace: filter.tags[.namespace]?.all.first, userID: filter.tags[.userID]?.all.first,
            body: [:])
        try await AccessScope.everything.limiting {
            _ = try await documents.write(
                task.document(owner), expecting: .absent, keptFor: ServerTask.keptSeconds)
        }
        try await jobs.enqueue([job.newJob])
        return .started(task)
    }

    /// Compacts as a job says, and notes the result in the task. A task that is over, or was
    /// removed, ends the work.
    func run(_ job: CompactionJob) async throws {
        let tasks = ServerTasks(documents: documents, now: now)
        guard try await note(job.taskID, { $0.status = .running }) else { return }
        let outcome = try await WriteOrigin.$current.withValue(
            WriteOrigin(operation: job.taskID, caller: job.caller.subject)
        ) {
            try await memory.compact(job.filter, for: job.caller.deriving) { try await !tasks.isOver(job.taskID) }
        }
        // Those of an earlier attempt, whose server was killed, are among them.
        let merged = max(outcome.merged, try await removals(by: job.taskID, for: job.caller.deriving))
        let operation = merged > outcome.merged ? job.taskID : outcome.operation
        _ = try await note(job.taskID) { task in
            task.status = .success
            task.details["result"] = [
                "merged": .int(merged), "remaining": .int(outcome.remaining),
                "operation": operation.map { .string($0) } ?? .null,
            ]
        }
    }

    /// How many memories an operation has removed, as far as its events are kept.
    private func removals(by operation: String, for caller: Caller) async throws -> Int {
        let memories = memory.memories.scoped(to: caller)
        var removals = 0
        var last = 0
        while case let events = try await memories.events(ofOperation: operation, after: last, limit: 1000),
            let end = events.last?.sequence
        {
            removals += events.count(where: \.isRemoval)
            last = end
        }
        return removals
    }

    func fail(_ taskID: String, _ failure: String) async throws {
        _ = try await note(taskID) { task in
            task.status = .failed
            task.failure = failure
        }
    }

    /// - Returns: `false` if the task is over or was removed; then it stays as it is.
    private func note(_ taskID: String, _ change: @Sendable (inout ServerTask) -> Void) async throws -> Bool {
        try await AccessScope.everything.limiting {
            while true {
                guard let stored = try await documents.document(ServerTask.key(taskID)) else { return false }
                var task = try ServerTask(stored.document)
                if task.status.isOver { return false }
                change(&task)
                task.startedAt = task.startedAt ?? now()
                if task.status.isOver { task.completedAt = now() }
                let revision = try await documents.write(
                    task.document(stored.document), expecting: .revision(stored.revision),
                    keptFor: ServerTask.keptSeconds)
                if revision != nil { return true }
            }
        }
    }
}

/// The payload of a job that compacts.
public struct CompactionJob: JobPayload, Equatable {
    public static let kind = "compaction"

    private static let fields: [TagField] = [.namespace, .userID, .sessionID]

    let taskID: String
    let filter: MemoryFilter
    let caller: Caller

    init(taskID: String, filter: MemoryFilter, caller: Caller) {
        self.taskID = taskID
        self.filter = filter
        self.caller = caller
    }

    public var json: JSONObject {
        var payload: JSONObject = ["task_id": .string(taskID)]
        for field in Self.fields {
            if let value = filter.tags[field]?.all.first { payload[field.rawValue] = .string(value) }
        }
        if caller != .unrestricted { payload["caller"] = .object(caller.json) }
        return payload
    }

    public init(_ json: JSONObject, enqueuedAt: Timestamp) throws(MemoryError) {
        guard let id = json["task_id"]?.stringValue else {
            throw MemoryError(.invalidInput, "the payload of the job names no task")
        }
        taskID = id
        var tags: [TagField: TagCondition] = [:]
        for field in Self.fields {
            if let value = json[field.rawValue]?.stringValue { tags[field] = try TagCondition(field: field, eq: value) }
        }
        filter = MemoryFilter(tags: tags)
        caller = try Caller(job: json)
    }
}

/// Compacts in the background.
public struct CompactionHandler: JobHandler {
    public let retries: RetryPolicy
    private let compactions: Compactions

    public init(_ compactions: Compactions, retries: RetryPolicy = RetryPolicy()) {
        self.compactions = compactions
        self.retries = retries
    }

    public func run(_ job: CompactionJob, isLastAttempt: Bool) async throws {
        do {
            try await compactions.run(job)
        } catch let error as MemoryError where isLastAttempt || error.isFinal {
            try await compactions.fail(job.taskID, error.message)
            throw error
        }
    }
}
