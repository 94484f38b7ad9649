public import AgentMemory

/// The tasks of the server: what works in the background for clients.
///
/// A caller sees the tasks that belong to what it may reach, and those that it has started.
public struct ServerTasks: Sendable {
    private let documents: any DocumentStore
    private let now: @Sendable () -> Timestamp

    private static let pageSize = 1000

    /// - Parameters:
    ///   - documents: keeps the tasks.
    ///   - now: the clock of dates.
    public init(documents: any DocumentStore, now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }) {
        self.documents = documents
        self.now = now
    }

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

    /// Ends a task: what is done stays, the rest is not done. It counts as failed, because clients
    /// of the reference know no other end of that kind.
    ///
    /// - Throws: ``MemoryError``: `notFound`; `conflict` for a task that is over, and for an
    ///   erasure, which is of no use by half.
    public func cancel(id: String, for caller: Caller) async throws -> ServerTask {
        try caller.require(.write)
        while true {
            let stored = try await stored(id, caller)
            var task = try ServerTask(stored.document)
            guard !task.status.isOver else { throw MemoryError(.conflict, "the task is over") }
            guard task.type != Erasures.taskType else {
                throw MemoryError(.conflict, "an erasure cannot be cancelled")
            }
            task.status = .failed
            task.failure = "cancelled"
            task.completedAt = now()
            let document = task.document(stored.document)
            let revision = try await AccessScope.everything.limiting {
                try await documents.write(
                    document, expecting: .revision(stored.revision), keptFor: ServerTask.keptSeconds)
            }
            if revision != nil { return task }
        }
    }

    /// Whether a task is over, or was removed.
    func isOver(_ id: String) async throws -> Bool {
        try await AccessScope.everything.limiting {
            guard let stored = try await documents.document(ServerTask.key(id)) else { return true }
            return try ServerTask(stored.document).status.isOver
        }
    }

    private func stored(_ id: String, _ caller: Caller) async throws -> RevisedDocument {
        let key = ServerTask.key(id)
        let stored = try await AccessScope.everything.limiting {
            key.isPossible ? try await documents.document(key) : nil
        }
        guard let stored, try isVisible(stored.document, to: caller) else {
            throw MemoryError(.notFound, "Task \(id) not found")
        }
        return stored
    }

    private func isVisible(_ document: Document, to caller: Caller) throws -> Bool {
        if caller.reaches(namespace: document.namespace, userID: document.userID) { return true }
        return try ServerTask(document).isStarted(by: caller)
    }
}
