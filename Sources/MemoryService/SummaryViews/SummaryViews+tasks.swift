public import AgentMemory

extension SummaryViews {
    /// Queues a run of the whole view.
    ///
    /// - Parameters:
    ///   - taskID: `nil` or empty for one of the server's. A task of this id that is not over is
    ///     returned as it is.
    ///   - isForced: also renews summaries whose memories have not changed.
    /// - Throws: ``MemoryError``: `notFound`; `unsupported` for texts that no language model may be
    ///   sent; `conflict` if the id belongs to another view's task.
    public func start(
        id: String, taskID: String?, isForced: Bool, for caller: Caller
    ) async throws -> ServerTask {
        try caller.require(.write)
        return try await caller.scope.limiting {
            let view = try await existing(id, caller).document
            guard try modelReaches(try SummaryView(view)) else { throw Self.outOfReach() }
            let taskID = taskID.flatMap { $0.isEmpty ? nil : $0 } ?? ULID.make(at: now())
            // Ids have the rules of sessions' ids.
            _ = try SessionKey(sessionID: taskID)
            // The server's own task could not start while a client's has its id.
            guard ExactString(taskID) != ExactString(Compactions.periodicTask) else {
                throw MemoryError(.conflict, "the id \(taskID) is that of a task of the server")
            }
            let stored = try await tasks.revised(taskID)
            if let stored {
                let task = try ServerTask(stored.document)
                guard reaches(stored, caller), task.details[Self.viewMember] == .string(id) else {
                    throw MemoryError(.conflict, "there is another task with the id \(taskID)")
                }
                if !task.status.isOver { return task }
            }
            let task = ServerTask(
                id: taskID, type: Self.taskType, createdAt: now(), starter: caller,
                details: [Self.viewMember: .string(id)])
            try await tasks.add(task, namespace: view.namespace, userID: view.userID, inPlaceOf: stored)
            try await tasks.failing(taskID) {
                try await jobs.enqueue([
                    SummaryViewJob(viewID: id, taskID: taskID, isForced: isForced, waits: 0, caller: caller).newJob
                ])
            }
            return task
        }
    }

    /// Renews all summaries of a view whose memories have changed, one after the other, and empties
    /// those that have no memories any more. Those of namespaces whose texts no language model may
    /// be sent stay as they are.
    ///
    /// - Returns: why some of them could not be renewed; empty if all were. `nil` if there is no
    ///   such view.
    /// - Throws: ``ModelQuestions/Pause``; ``MemoryError`` of the store.
    func renew(_ job: SummaryViewJob) async throws -> [String]? {
        guard let stored = try await documents.document(SummaryView.key(job.viewID)), reaches(stored, job.caller) else {
            return nil
        }
        let view = try SummaryView(stored.document)
        guard try modelReaches(view) else { return [] }
        // By the ids of their partitions: values that differ only in their bytes are two groups.
        var groups: [String: (values: [SummaryView.GroupField: String], records: PartitionRecords)] = [:]
        func add(_ values: [SummaryView.GroupField: String], _ record: MemoryRecord? = nil) {
            let id = SummaryPartition.id(view.id, values)
            var group = groups.removeValue(forKey: id) ?? (values, PartitionRecords())
            if let record { group.records.add(record, within: configuration, counter) }
            groups[id] = group
        }
        try await forEachRecord(of: view, in: [:], for: job.caller.deriving) { record in
            var group: [SummaryView.GroupField: String] = [:]
            for field in view.definition.groupBy {
                // A memory without the field belongs to no group.
                guard let value = field.value(of: record) else { return }
                group[field] = value
            }
            add(group, record)
        }
        for partition in try await allPartitions(of: view.id, within: job.caller.scope)
        where modelReaches(partition.group) { add(partition.group) }
        if view.definition.groupBy.isEmpty, groups.isEmpty { add([:]) }
        var failures: [String] = []
        for (_, group) in groups.sorted(by: { $0.key < $1.key }) {
            try Task.checkCancellation()
            let partition = try await renewed(
                view, group.values, group.records, isForced: job.isForced, givingUp: true)
            if let failure = partition.failure { failures.append(failure) }
        }
        return failures
    }

    // MARK: Continuous views

    /// What renews continuous views at intervals.
    public func periodic(every seconds: Int, turns: Turns) -> PeriodicWork.Entry {
        PeriodicWork.Entry("summary views") { try await startDue(every: seconds, turns: turns) }
    }

    /// Queues runs of the continuous views that are due: one for each, of all servers on the store.
    ///
    /// - Parameter interval: seconds between two runs of a view.
    func startDue(every interval: Int, turns: Turns) async throws {
        try await AccessScope.everything.limiting {
            var offset: Int? = 0
            while let from = offset {
                let page = try await documents.documents(
                    .summaryView, of: "", within: .everything,
                    page: try PageRequest(limit: Self.pageSize, offset: from))
                for (document, view) in page.items.readable(SummaryView.init, logger: logger) {
                    // A filter that cannot be read is the job's to report.
                    guard view.definition.isContinuous, (try? modelReaches(view)) != false else { continue }
                    guard
                        try await turns.take(
                            view.id, every: interval, namespace: document.namespace,
                            userID: document.userID)
                    else { continue }
                    try await jobs.enqueue([
                        SummaryViewJob(viewID: view.id, taskID: nil, isForced: false, waits: 0, caller: view.owner)
                            .newJob
                    ])
                }
                offset = page.items.isEmpty ? nil : page.nextOffset
            }
        }
    }
}
