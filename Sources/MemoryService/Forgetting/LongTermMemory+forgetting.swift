public import AgentMemory

extension LongTermMemory {
    /// Forgets the memories that a policy does not keep, of all that match the filter and that the
    /// caller may see.
    ///
    /// The pass reads pages of memories and keeps an id and a number of each that it may forget. It
    /// removes in batches. A memory that was changed or accessed since it was read stays.
    ///
    /// - Parameters:
    ///   - policy: which memories are kept.
    ///   - filter: limits the memories.
    ///   - batch: how many memories are removed at once, 1 to 500.
    ///   - isDryRun: finds out what would be forgotten, and writes nothing.
    ///   - caller: sees and writes only what it may.
    ///   - beforeBatch: called before each batch, if there are several.
    public func forget(
        _ policy: ForgettingPolicy, in filter: MemoryFilter, batch: Int, isDryRun: Bool, for caller: Caller,
        beforeBatch: () async throws -> Void = {}
    ) async throws -> ForgettingOutcome {
        if !isDryRun { try caller.require(.write) }
        let memories = memories.scoped(to: caller)
        let now = now()
        let (scanned, doomed) = try await doomed(by: policy, in: filter, at: now, memories)
        guard !isDryRun, !doomed.isEmpty else {
            return ForgettingOutcome(scanned: scanned, forgotten: doomed.map { ($0.id, $0.reason) }, operation: nil)
        }
        let operation = WriteOrigin.current?.operation ?? ULID.make()
        let batches = ForgettingPolicy.Reason.allCases.flatMap { reason in
            let ofReason = doomed.filter { $0.reason == reason }
            return stride(from: 0, to: ofReason.count, by: batch).map { start in
                (reason, ofReason[start..<min(start + batch, ofReason.count)])
            }
        }
        var forgotten: [(id: String, reason: ForgettingPolicy.Reason)] = []
        for (reason, slice) in batches {
            if batches.count > 1 { try await beforeBatch() }
            let origin = WriteOrigin(
                operation: operation, caller: caller.subject, kind: .forgotten, reason: reason.rawValue)
            forgotten += try await WriteOrigin.$current.withValue(origin) {
                try await MemoryError.tellingOutcome(.again) {
                    try await remove(slice, by: policy, at: now, memories, caller).map { ($0, reason) }
                }
            }
        }
        return ForgettingOutcome(
            scanned: scanned, forgotten: forgotten,
            operation: memories.makesEvents && !forgotten.isEmpty ? operation : nil)
    }

    private struct Doomed {
        let id: String
        let reason: ForgettingPolicy.Reason
        /// When the memory was accessed, as it was read.
        let lastAccessed: Timestamp
    }

    private func doomed(
        by policy: ForgettingPolicy, in filter: MemoryFilter, at now: Timestamp, _ memories: ScopedMemories
    ) async throws -> (scanned: Int, doomed: [Doomed]) {
        var scanned = 0
        var doomed: [Doomed] = []
        var ranked: [(recency: Double, doomed: Doomed)] = []
        try await memories.forEachPage(of: filter) { records in
            scanned += records.count
            for record in records where !policy.protects(record) {
                if let reason = policy.exceededLimit(record, now: now) {
                    doomed.append(Doomed(id: record.id, reason: reason, lastAccessed: record.lastAccessed))
                } else if policy.budget != nil {
                    let recency = RecencyWeights.standard.recencyOf(
                        lastAccessed: record.lastAccessed, createdAt: record.createdAt, now: now)
                    ranked.append(
                        (recency, Doomed(id: record.id, reason: .budget, lastAccessed: record.lastAccessed)))
                }
            }
        }
        if let budget = policy.budget, ranked.count > budget {
            ranked.sort { a, b in
                a.recency != b.recency ? a.recency < b.recency : ExactString(a.doomed.id) > ExactString(b.doomed.id)
            }
            doomed += ranked.dropLast(budget).map(\.doomed)
        }
        return (scanned, doomed)
    }

    /// - Returns: the ids that were removed.
    private func remove(
        _ doomed: ArraySlice<Doomed>, by policy: ForgettingPolicy, at now: Timestamp, _ memories: ScopedMemories,
        _ caller: Caller
    ) async throws -> [String] {
        let latest = memories.keepsHistory ? try await memories.latestEvents(of: doomed.map(\.id)) : [:]
        var current: [ExactString: MemoryRecord] = [:]
        for record in try await memories.stored(.id, doomed.map(\.id)) { current[ExactString(record.id)] = record }
        var ids = doomed.filter { doomed in
            guard let record = current[ExactString(doomed.id)], !policy.protects(record) else { return false }
            guard doomed.reason == .budget else { return policy.exceededLimit(record, now: now) != nil }
            return record.lastAccessed == doomed.lastAccessed
        }.map(\.id)
        guard memories.keepsHistory else {
            _ = try await delete(ids: ids, for: caller)
            return ids
        }
        while !ids.isEmpty {
            let refused = Set(
                try await memories.rewrite(
                    ids.map { RecordRewrite(id: $0, record: nil, latestEvent: latest[ExactString($0)] ?? 0) }
                ).map(ExactString.init))
            if refused.isEmpty { return ids }
            ids.removeAll { refused.contains(ExactString($0)) }
        }
        return []
    }
}
