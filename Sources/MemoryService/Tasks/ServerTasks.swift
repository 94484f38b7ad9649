public import AgentMemory
import Logging

/// The tasks of the server: what works in the background for clients. Every change of a task is
/// here, and is decided in the store: of an end and a cancellation at the same time the first one
/// counts.
///
/// A caller sees the tasks that belong to what it may reach, and those that it has started.
public struct ServerTasks: Sendable {
    private let documents: any DocumentStore
    private let timeLimit: Duration
    private let watchInterval: Duration
    private let now: @Sendable () -> Timestamp

    private static let pageSize = 1000
    /// How long a task that is late is left to the worker that has it, in seconds.
    private static let grace: Int64 = 120

    /// - Parameters:
    ///   - documents: keeps the tasks.
    ///   - timeLimit: for a task from its start, with the time that it waits for a language model;
    ///     erasures have none. Default: 1 hour.
    ///   - watchInterval: how often the state of a task is read while its work runs, so that a
    ///     cancellation ends it. Default: 1 second.
    ///   - now: the clock of dates.
    public init(
        documents: any DocumentStore, timeLimit: Duration = .seconds(3600), watchInterval: Duration = .seconds(1),
        now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) {
        self.documents = documents
        self.timeLimit = timeLimit
        self.watchInterval = watchInterval
        self.now = now
    }

    // MARK: For clients

    /// - Throws: ``MemoryError`` with code `notFound`.
    public func task(id: String, for caller: Caller) async throws -> ServerTask {
        try caller.require(.read)
        return try ServerTask(try await stored(id, caller).document)
    }

    /// The tasks by their ids, which the server makes in the order of time.
    public func tasks(page: PageRequest, for caller: Caller) async throws -> Page<ServerTask> {
        try caller.require(.read)
        // Who started a task is in the task only, and may be outside of the owner's scope.
        return try await AccessScope.everything.limiting {
            if caller.reachesEverything {
                return try await documents.documents(.task, of: "", within: .everything, page: page).map {
                    try ServerTask($0.document)
                }
            }
            var visible: [ServerTask] = []
            var offset: Int? = 0
            while let from = offset {
                let part = try await documents.documents(
                    .task, of: "", within: .everything, page: try PageRequest(limit: Self.pageSize, offset: from))
                visible += try part.items.filter { try isVisible($0.document, to: caller) }
                    .map { try ServerTask($0.document) }
                offset = part.items.isEmpty ? nil : part.nextOffset
            }
            return Page(of: visible, request: page)
        }
    }

    /// Ends a task: its work stops where it waits, what is done stays. It counts as failed, because
    /// clients of the reference know no other end of that kind.
    ///
    /// - Throws: ``MemoryError``: `notFound`; `conflict` for a task that is over, and for an
    ///   erasure, which is of no use by half.
    public func cancel(id: String, for caller: Caller) async throws -> ServerTask {
        try caller.require(.write)
        guard try ServerTask(try await stored(id, caller).document).type != Erasures.taskType else {
            throw MemoryError(.conflict, "an erasure cannot be cancelled")
        }
        guard let task = try await change(id, { $0.fail("cancelled") }) else {
            throw MemoryError(.conflict, "the task is over")
        }
        return task
    }

    // MARK: For the work

    /// The task with its revision; `nil` if there is none.
    func revised(_ id: String) async throws -> RevisedDocument? {
        try await AccessScope.everything.limiting { try await documents.document(ServerTask.key(id)) }
    }

    /// Stores a task that is new, or that takes the place of one that is over.
    ///
    /// - Parameters:
    ///   - task: as it is to be stored.
    ///   - namespace: whose it is; with `userID`.
    ///   - stored: the one that is over.
    /// - Throws: ``MemoryError`` with code `conflict` if another one was stored meanwhile.
    func add(
        _ task: ServerTask, namespace: String?, userID: String?, inPlaceOf stored: RevisedDocument? = nil
    ) async throws {
        let document = task.document(namespace: namespace, userID: userID)
        guard try await write(document, expecting: stored.map { .revision($0.revision) } ?? .absent) != nil else {
            throw MemoryError(.conflict, "the task was started at the same time")
        }
    }

    /// Hands in the work of a task that was added. If it cannot be handed in, the task has failed.
    func failing(_ id: String, _ handIn: () async throws -> Void) async throws {
        do {
            try await handIn()
        } catch {
            // One that cannot be noted either ends when its time is over.
            _ = try? await change(id) { $0.fail("its work could not be queued") }
            throw error
        }
    }

    /// Stores a task over the state that it was made from.
    ///
    /// - Returns: the new revision; `nil` if the stored one has changed since.
    func replace(_ stored: RevisedDocument, by task: ServerTask) async throws -> Int? {
        try await write(
            task.document(namespace: stored.document.namespace, userID: stored.document.userID),
            expecting: .revision(stored.revision))
    }

    private func write(_ document: Document, expecting expectation: DocumentExpectation) async throws -> Int? {
        try await AccessScope.everything.limiting {
            try await documents.write(document, expecting: expectation, keptFor: ServerTask.keptSeconds)
        }
    }

    /// Changes a task, and dates the change.
    ///
    /// - Parameter isOver: tells tasks that stay as they are.
    /// - Returns: the task as it is stored now; `nil` if it is over or was removed.
    @discardableResult
    func change(
        _ id: String, unless isOver: (ServerTask) -> Bool = \.status.isOver, _ change: (inout ServerTask) -> Void
    ) async throws -> ServerTask? {
        while let stored = try await revised(id) {
            var task = try ServerTask(stored.document)
            if isOver(task) { return nil }
            change(&task)
            if task.status == .running { task.startedAt = task.startedAt ?? now() }
            if task.status.isOver { task.completedAt = now() }
            if try await replace(stored, by: task) != nil { return task }
        }
        return nil
    }

    /// Runs the work of a task and notes its result.
    ///
    /// The work is cancelled, wherever it waits, when the task is cancelled or removed, and when
    /// its time is over: then the task has failed. Work that fails leaves the task as it is, for
    /// the next attempt.
    ///
    /// - Parameters:
    ///   - id: of the task. Without one the work runs by itself.
    ///   - work: returns what its success or failure does to the task.
    func perform(_ id: String?, _ work: @escaping @Sendable () async throws -> ServerTask.Change) async throws {
        guard let id else {
            _ = try await work()
            return
        }
        guard let task = try await change(id, { $0.status = .running }) else { return }
        let end = end(of: task)
        let result = try await withThrowingTaskGroup(of: ServerTask.Change?.self) { group in
            group.addTask { try await work() }
            group.addTask { try await watch(id, until: end) }
            let first = try await group.next()
            group.cancelAll()
            return first.flatMap(\.self)
        }
        if let result { try await change(id) { result(&$0) } }
    }

    /// Waits for the end of a task's time, or of the task.
    private func watch(_ id: String, until end: Timestamp) async throws -> ServerTask.Change? {
        while now() < end {
            try await Task.sleep(for: watchInterval)
            do {
                guard let stored = try await revised(id), try !ServerTask(stored.document).status.isOver else {
                    return nil
                }
            } catch is MemoryError {
                // The store does not respond now; the work finds out about it by itself.
            }
        }
        return late
    }

    private var late: ServerTask.Change {
        let seconds = timeLimit.components.seconds
        return { $0.fail("the task was not done within \(seconds) seconds; what was done stays") }
    }

    /// Ends tasks whose time was over long ago: their jobs were lost.
    ///
    /// - Parameter logger: gets the tasks that cannot be read.
    func endLateTasks(logger: Logger) async throws {
        try await AccessScope.everything.limiting {
            var offset: Int? = 0
            while let from = offset {
                let page = try await documents.documents(
                    .task, of: "", within: .everything, page: try PageRequest(limit: Self.pageSize, offset: from))
                for (_, task) in page.items.readable(ServerTask.init, logger: logger) {
                    guard !task.status.isOver, task.type != Erasures.taskType, isLate(task) else { continue }
                    try await change(task.id, unless: { $0.status.isOver || !isLate($0) }, late)
                }
                offset = page.items.isEmpty ? nil : page.nextOffset
            }
        }
    }

    private func isLate(_ task: ServerTask) -> Bool {
        end(of: task).advanced(bySeconds: Self.grace) < now()
    }

    private func end(of task: ServerTask) -> Timestamp {
        (task.startedAt ?? task.createdAt).advanced(bySeconds: timeLimit.components.seconds)
    }

    // MARK: Who sees what

    private func stored(_ id: String, _ caller: Caller) async throws -> RevisedDocument {
        guard ServerTask.key(id).isPossible, let stored = try await revised(id),
            try isVisible(stored.document, to: caller)
        else { throw MemoryError(.notFound, "Task \(id) not found") }
        return stored
    }

    private func isVisible(_ document: Document, to caller: Caller) throws -> Bool {
        if caller.reaches(namespace: document.namespace, userID: document.userID) { return true }
        return try ServerTask(document).isStarted(by: caller)
    }
}
