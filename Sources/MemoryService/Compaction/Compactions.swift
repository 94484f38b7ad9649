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
    /// The task of periodic compaction: there is one at a time.
    static let periodicTask = "periodic-compaction"

    private let memory: LongTermMemory
    private let operations: OpenOperations
    private let tasks: ServerTasks
    private let jobs: JobSubmitter
    private let largestRequest: Int
    private let now: @Sendable () -> Timestamp

    /// - Parameters:
    ///   - memory: has the memories.
    ///   - operations: keeps compactions within requests while they are at work.
    ///   - tasks: keeps the tasks.
    ///   - jobs: gets the large compactions.
    ///   - largestRequest: how many memories a request reads at most; default: 5,000.
    ///   - now: the clock of dates.
    public init(
        memory: LongTermMemory, operations: OpenOperations, tasks: ServerTasks, jobs: JobSubmitter,
        largestRequest: Int = 5000,
        now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) {
        self.memory = memory
        self.operations = operations
        self.tasks = tasks
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
            return .done(try await operations.compact(filter, for: caller))
        }
        return .started(try await start(filter, id: ULID.make(at: now()), inPlaceOf: nil, for: caller))
    }

    private func start(
        _ filter: MemoryFilter, id: String, inPlaceOf stored: RevisedDocument?, for caller: Caller
    ) async throws -> ServerTask {
        let task = ServerTask(
            id: id, type: Self.taskType, createdAt: now(), starter: caller, details: ["result": .null])
        try await tasks.add(
            task, namespace: filter.tags[.namespace]?.all.first, userID: filter.tags[.userID]?.all.first,
            inPlaceOf: stored)
        try await tasks.failing(id) {
            try await jobs.enqueue([CompactionJob(taskID: id, filter: filter, caller: caller).newJob])
        }
        return task
    }

    /// What compacts all memories at intervals, one compaction at a time.
    public func periodic(every seconds: Int, turns: Turns) -> PeriodicWork.Entry {
        PeriodicWork.Entry("compaction") {
            guard try await turns.take("periodic:compaction", every: seconds) else { return }
            try memory.memories.scoped(to: .unrestricted).requireHistory()
            let stored = try await tasks.revised(Self.periodicTask)
            if let stored, try !ServerTask(stored.document).status.isOver { return }
            _ = try await start(
                .everything, id: Self.periodicTask, inPlaceOf: stored,
                for: Caller(subject: Self.periodicTask, rights: .all))
        }
    }

    /// Compacts as a job says, and notes the result in the task. A task that is over, or was
    /// removed, ends the work.
    func run(_ job: CompactionJob) async throws {
        try await tasks.perform(job.taskID) {
            // Each pass is an operation of its own; that of a request can be undone by its task's
            // id.
            let operation = job.taskID == Self.periodicTask ? ULID.make(at: now()) : job.taskID
            let outcome = try await WriteOrigin.$current.withValue(
                WriteOrigin(operation: operation, caller: job.caller.subject)
            ) {
                try await memory.compact(job.filter, for: job.caller.deriving) { try Task.checkCancellation() }
            }
            // Those of an earlier attempt, whose server was killed, are among them.
            let merged = max(outcome.merged, try await removals(by: operation, for: job.caller.deriving))
            let ended = merged > outcome.merged ? operation : outcome.operation
            return { task in
                task.status = .success
                task.details["result"] = [
                    "merged": .int(merged), "remaining": .int(outcome.remaining),
                    "operation": ended.map { .string($0) } ?? .null,
                ]
            }
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
        try await tasks.change(taskID) { $0.fail(failure) }
    }
}

/// The payload of a job that compacts.
public struct CompactionJob: JobPayload, Equatable {
    public static let kind = "compaction"

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
        for (name, value) in filter.ownerJSON.members { payload[name] = value }
        if caller != .unrestricted { payload["caller"] = .object(caller.json) }
        return payload
    }

    public init(_ json: JSONObject, enqueuedAt: Timestamp) throws(MemoryError) {
        guard let id = json["task_id"]?.stringValue else {
            throw MemoryError(.invalidInput, "the payload of the job names no task")
        }
        taskID = id
        filter = try MemoryFilter(ownerJSON: json)
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
