public import AgentMemory

/// What a compaction has done.
public struct CompactionOutcome: Sendable, Equatable {
    /// How many memories were united with another one, and removed.
    public let merged: Int
    /// How many memories there are in the scope now.
    public let remaining: Int
    /// The operation that can be undone; `nil` if nothing was written.
    public let operation: String?
}

extension LongTermMemory {
    /// Unites memories with the same text and type, of the same namespace, user and session: the
    /// one that was accessed last stays, with the topics, entities and messages of all of them.
    ///
    /// All memories of the filter that the caller may see are read. A group that is changed
    /// meanwhile is left as it is. Then jobs are queued that unite memories of the same meaning, if
    /// a language model does that.
    ///
    /// - Parameters:
    ///   - filter: limits the memories.
    ///   - caller: sees and writes only what it may.
    ///   - beforeBatch: called before each batch, if there are several.
    /// - Throws: ``MemoryError`` with code `unsupported` if the backend keeps no history.
    public func compact(
        _ filter: MemoryFilter, for caller: Caller, beforeBatch: () async throws -> Void = {}
    ) async throws -> CompactionOutcome {
        try caller.require(.write)
        let memories = memories.scoped(to: caller)
        try memories.requireHistory()
        let origin = WriteOrigin(
            operation: WriteOrigin.current?.operation ?? ULID.make(), caller: caller.subject, kind: .merged,
            reason: "equal texts")
        var merged = 0
        let batches = try await groupsOfEqualTexts(filter, memories)
        for batch in batches {
            if batches.count > 1 { try await beforeBatch() }
            merged += try await WriteOrigin.$current.withValue(origin) {
                try await MemoryError.tellingOutcome(.again) { try await unite(batch, memories) }
            }
        }
        try await compareAll(filter, memories, for: caller)
        return CompactionOutcome(
            merged: merged, remaining: try await memories.count(filter),
            operation: merged > 0 && memories.makesEvents ? origin.operation : nil)
    }

    /// Queues the comparison of all memories with those near to them.
    private func compareAll(_ filter: MemoryFilter, _ memories: ScopedMemories, for caller: Caller) async throws {
        guard let indexing, indexing.deduplicates, memories.makesEvents else { return }
        var batch = Indexing.Batch()
        try await memories.forEachPage(of: filter) { records in
            for record in records where Deduplication.compares(record) { batch.add(record) }
        }
        try await MemoryError.tellingOutcome(.again) { [batch] in
            try await indexing.enqueue(batch, .deduplication, for: caller)
        }
    }

    /// The ids of each group, in batches of groups.
    private func groupsOfEqualTexts(_ filter: MemoryFilter, _ memories: ScopedMemories) async throws -> [[[String]]] {
        var first: [String: String] = [:]
        var groups: [String: [String]] = [:]
        try await memories.forEachPage(of: filter) { records in
            for record in records {
                if let other = first[record.memoryHash] {
                    groups[record.memoryHash, default: [other]].append(record.id)
                } else {
                    first[record.memoryHash] = record.id
                }
            }
        }
        var batches: [[[String]]] = []
        for group in groups.sorted(by: { $0.key < $1.key }).map(\.value) {
            if let last = batches.last, last.reduce(group.count, { $0 + $1.count }) <= 200 {
                batches[batches.count - 1].append(group)
            } else {
                batches.append([group])
            }
        }
        return batches
    }

    /// - Returns: how many memories were removed.
    private func unite(_ groups: [[String]], _ memories: ScopedMemories) async throws -> Int {
        let ids = groups.flatMap(\.self)
        let now = now()
        let latest = try await memories.latestEvents(of: ids)
        var current: [ExactString: MemoryRecord] = [:]
        for record in try await memories.stored(.id, ids) { current[ExactString(record.id)] = record }
        var unions: [[RecordRewrite]] = []
        var successors: [ExactString: String] = [:]
        for group in groups {
            let records = group.compactMap { current[ExactString($0)] }
            guard records.count > 1, let union = MemoryUnion(ofEqual: records) else { continue }
            successors.merge(union.successors) { first, _ in first }
            unions.append(
                try union.records(at: now).map { id, record in
                    RecordRewrite(id: id, record: record, latestEvent: latest[ExactString(id)] ?? 0)
                })
        }
        let origin = WriteOrigin.current?.with(successors: successors)
        while !unions.isEmpty {
            let refused = Set(
                try await WriteOrigin.$current.withValue(origin) { [unions] in
                    try await memories.rewrite(unions.flatMap(\.self))
                }.map(ExactString.init))
            if refused.isEmpty { return unions.reduce(0) { $0 + $1.count - 1 } }
            unions.removeAll { union in union.contains { refused.contains(ExactString($0.id)) } }
        }
        return 0
    }
}
