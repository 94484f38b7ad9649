public import AgentMemory

/// Erases everything of a user, a namespace or a session, for good.
///
/// An erasure is a task (``ServerTask``), and a job of the queue works on it: it goes on where a
/// server that died has stopped. What is erased stands in the task only until it is done, never in
/// the payload of the job.
public struct Erasures: Sendable {
    static let taskType = "erasure"

    private let memories: CheckedDatabase
    private let sessions: any WorkingMemoryStore
    private let queue: any JobQueue
    private let documents: any DocumentStore
    private let tasks: ServerTasks
    private let marks: ErasureMarks
    private let now: @Sendable () -> Timestamp

    /// How long a request works on its erasure before it leaves the rest to the job.
    private static let requestTimeLimit = Duration.seconds(2)
    /// When the job of a request begins, which may still work on the erasure until then.
    private static let jobDelay = Duration.seconds(4)
    private static let sessionsPerStep = 100
    private static let memoriesPerStep = 500

    /// - Parameters:
    ///   - memories: the backend of long-term memory.
    ///   - sessions: the store of sessions.
    ///   - queue: has the jobs, and the notes of deletions for backends that keep none.
    ///   - documents: has the tasks, and what is derived from memories and sessions.
    ///   - now: the clock of dates.
    public init(
        memories: any MemoryVectorDatabase, sessions: any WorkingMemoryStore, queue: any JobQueue,
        documents: any DocumentStore, now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) {
        self.memories = CheckedDatabase(memories)
        self.sessions = sessions
        self.queue = queue
        self.documents = documents
        tasks = ServerTasks(documents: documents, now: now)
        marks = ErasureMarks(documents: documents, notes: queue)
        self.now = now
    }

    /// Erases what the scope contains; a small part within the call, a large one in the background.
    ///
    /// What was there when it began no longer exists when the task is done. A write to the scope
    /// meanwhile is erased too or stays; a write after the end is new.
    ///
    /// - Returns: the task, with the receipt as far as it goes.
    /// - Throws: ``MemoryError`` with code `forbidden` without the right to administer, or if the
    ///   scope goes beyond the caller's limits.
    public func start(_ scope: ErasureScope, for caller: Caller) async throws -> ServerTask {
        try caller.require(.administer)
        guard scope.isWithin(caller.scope) else {
            throw MemoryError(.forbidden, "this caller may not erase beyond its namespaces and users")
        }
        return try await AccessScope.everything.limiting {
            let hash = try await marks.mark(scope)
            let begin = try await queue.time()
            var work: JSONObject = [
                "scope": .object(scope.json), "begin": .int(Int(begin.microseconds)), "step": "sessions",
                "operation": .string(WriteOrigin.current?.operation ?? ULID.make()),
            ]
            // An event must not name who was erased.
            if scope.parts.allSatisfy({ $0.value != caller.subject }) { work["caller"] = .string(caller.subject) }
            let task = ServerTask(
                id: ULID.make(at: now()), type: Self.taskType, createdAt: now(), starter: caller,
                details: ["scope": .string(hash), "erased": .object(ErasureCounts().json)], work: work)
            try await queue.enqueue([ErasureJob(taskID: task.id).newJob(after: Self.jobDelay)])
            try await tasks.add(task, namespace: nil, userID: nil)
            let end = ContinuousClock.now + Self.requestTimeLimit
            _ = try await proceed(task.id) { ContinuousClock.now < end }
            guard let stored = try await tasks.revised(task.id) else { return task }
            return try ServerTask(stored.document)
        }
    }

    /// Works on an erasure until it is done, step by step.
    ///
    /// - Parameter goesOn: asked after each step.
    /// - Returns: whether nothing is left to do; `false` also if another worker is at it, or if
    ///   jobs of the scope are still running.
    func proceed(_ taskID: String, while goesOn: () -> Bool = { true }) async throws -> Bool {
        try await AccessScope.everything.limiting {
            guard var stored = try await tasks.revised(taskID), var run = try ErasureRun(stored) else { return true }
            while true {
                let isWaiting = try await step(&run)
                guard let revision = try await tasks.replace(stored, by: run.task) else { return false }
                stored = RevisedDocument(stored.document, revision: revision)
                if run.task.status.isOver { return true }
                if isWaiting || !goesOn() { return false }
                try Task.checkCancellation()
            }
        }
    }

    /// Notes that an erasure failed for good; it goes on if its job is requeued.
    func fail(_ taskID: String, _ failure: String) async throws {
        try await tasks.change(taskID, unless: { $0.status == .success }) { $0.fail(failure) }
    }

    // MARK: The steps

    /// - Returns: whether it must wait before the next step.
    private func step(_ run: inout ErasureRun) async throws -> Bool {
        run.task.status = .running
        run.task.failure = nil
        run.task.startedAt = run.task.startedAt ?? now()
        switch run.step {
        case .sessions:
            // First, so that no job begins to work on what a session had.
            let removed = try await sessions.erase(run.scope, limit: Self.sessionsPerStep)
            run.counts.sessions += removed
            if removed == 0 { run.step = .jobs }
        case .jobs:
            return try await eraseJobs(&run)
        case .memories:
            let (removed, next) = try await eraseMemories(run.scope, from: run.position)
            run.counts.memories += removed.memories
            run.counts.events += removed.events
            run.position = next
            if next == nil { run.step = .documents }
        case .documents:
            var erased = ErasedDocuments(run.scope, in: documents)
            try await erased.erase()
            run.counts.documents += erased.documentCount
            run.counts.tasks += erased.taskCount
            run.step = .note
        case .note:
            if let erasable = memories.database as? any ErasableDatabase {
                try await WriteOrigin.$current.withValue(run.origin) { try await erasable.noteErasure(run.eventID) }
            }
            run.finish(at: now())
        }
        return false
    }

    /// Jobs that a worker holds may have read what is erased: the erasure waits until those that
    /// began before this step are over.
    private func eraseJobs(_ run: inout ErasureRun) async throws -> Bool {
        let (scope, begin) = (run.scope, run.begin)
        let (revised, leased) = try await queue.revise { scope.revision(of: $0, handedInBy: begin) }
        run.counts.jobs += revised
        run.waitsFor = run.waitsFor.map { earlier in earlier.filter { leased.contains($0) } } ?? leased
        guard run.waitsFor?.isEmpty == true else { return true }
        run.step = .memories
        return false
    }

    /// A part of the memories, with their events.
    private func eraseMemories(
        _ scope: ErasureScope, from position: String?
    ) async throws -> (removed: ErasureStep, next: String?) {
        if let erasable = memories.database as? any ErasableDatabase {
            let step = try await erasable.erase(scope, from: position)
            return (step, step.next)
        }
        let found = try await memories.list(
            ListQuery(filter: try scope.filter(), page: try PageRequest(limit: Self.memoriesPerStep)))
        let ids = found.items.map(\.id)
        // The same ones again: they cannot be removed.
        let mark = ids.first.map { Fingerprint.of([$0, String(found.total)]) }
        guard let mark, mark != position else {
            guard ids.isEmpty else {
                throw MemoryError(.internalError, "the backend \(memories.name) does not remove what it lists")
            }
            return (ErasureStep(next: nil), nil)
        }
        let removed = try await memories.delete(ids)
        return (ErasureStep(memories: removed, next: mark), mark)
    }
}
