public import AgentMemory

extension HistoryKeepingDatabase {
    public func add(_ records: [MemoryRecord], within scope: AccessScope) async throws -> [String] {
        let batch = RecordBatch(records)
        return try await write(batch.records.map(\.id)) { found in
            try found.check(batch.records, within: scope)
            return self.writing(batch.records, over: found, answering: batch.givenIDs)
        }
    }

    public func addDistinct(_ records: [MemoryRecord], within scope: AccessScope) async throws -> [String] {
        let batch = RecordBatch(records)
        return try await write(batch.records.map(\.id), hashes: batch.memoryHashes) { found in
            try found.check(batch.records, within: scope)
            let holders = try await self.stored(.memoryHash, batch.memoryHashes)
            let kept = batch.withoutDuplicates(
                storedIDs: Set(found.records.keys), holders: holders.map { (id: $0.id, memoryHash: $0.memoryHash) })
            return self.writing(kept, over: found, answering: kept.map(\.id))
        }
    }

    public func promote(_ records: [MemoryRecord], handedInAt: Timestamp) async throws -> [PromotionOutcome] {
        try await write(records.map(\.id)) { found in
            let deleted = Set(
                try await self.deletions.deleted(records.map(\.id), since: handedInAt).map(ExactString.init))
            let outcomes = records.map { record -> PromotionOutcome in
                if let stored = found.records[ExactString(record.id)] {
                    return stored.sharesOwner(with: record) ? .present : .taken
                }
                return deleted.contains(ExactString(record.id)) ? .deleted : .stored
            }
            let new = zip(records, outcomes).filter { $0.1 == .stored }.map(\.0)
            return self.writing(new, over: found, answering: outcomes)
        }
    }

    public func update(_ updates: [RecordUpdate], within scope: AccessScope) async throws -> Int {
        // Statistics of accesses make no event, and nothing is decided by them.
        guard !scope.isEverything || updates.contains(where: { !$0.changes.fields.isEmpty }) else {
            return try await database.update(updates)
        }
        return try await write(updates.map(\.id)) { found in
            let fold = UpdateFold(updates) { id in
                found.records[ExactString(id)].flatMap { scope.contains($0) ? $0 : nil }
            }
            try fold.checkRules()
            let changed = Set(fold.changes.map { ExactString($0.id) })
            guard !changed.isEmpty else { return .answer(0) }
            let applied = updates.filter { changed.contains(ExactString($0.id)) }
            return .write(
                fold.changes.map { (id: $0.id, after: $0.after) }, kind: .changed
            ) { try await self.database.update(applied) }
        }
    }

    public func delete(_ ids: [String], within scope: AccessScope) async throws -> Int {
        try await write(ids) { found in
            let ids = ids.exactlyDistinct()
            let removed = ids.filter { id in found.records[ExactString(id)].map { scope.contains($0) } ?? false }
            // A caller with limits must not keep others' promotions from being stored.
            let noted = scope.isEverything ? ids : removed
            guard !noted.isEmpty else { return .answer(0) }
            return .write(removed.map { (id: $0, after: nil) }, kind: .deleted) {
                // Noted first: a crash in between leaves a record that cannot be promoted, not one
                // that is stored again.
                try await self.deletions.noteDeleted(noted)
                return removed.isEmpty ? 0 : try await self.database.delete(removed)
            }
        }
    }

    private func writing<Value>(
        _ records: [MemoryRecord], over found: Found, answering value: Value
    ) -> Plan<Value> {
        guard !records.isEmpty else { return .answer(value) }
        return .write(records.map { (id: $0.id, after: $0) }, kind: .replaced) {
            _ = try await self.database.add(records)
            return value
        }
    }
}

// MARK: Rewriting

extension HistoryKeepingDatabase: RecordHistory {
    public var makesEvents: Bool { events.makesEvents }

    public func events(of id: String, within scope: AccessScope, page: PageRequest) async throws -> Page<MemoryEvent> {
        try await awaitWrites(.keys([Key.id(ExactString(id)).text]))
        return try await events.events(of: id, within: scope, page: page)
    }

    public func events(after sequence: Int, limit: Int, within scope: AccessScope) async throws -> [MemoryEvent] {
        // What is open gets larger numbers.
        try await events.events(after: sequence, limit: limit, within: scope)
    }

    public func events(
        ofOperation operation: String, after sequence: Int, limit: Int, within scope: AccessScope
    ) async throws -> [MemoryEvent] {
        try await awaitWrites(.operation(operation))
        return try await events.events(ofOperation: operation, after: sequence, limit: limit, within: scope)
    }

    public func latestEvents(of ids: [String]) async throws -> [ExactString: Int] {
        guard !ids.isEmpty else { return [:] }
        return try await AccessScope.everything.limiting { try await events.latestEvents(of: ids) }
    }

    public func rewrite(_ rewrites: [RecordRewrite], within scope: AccessScope) async throws -> [String] {
        try await write(rewrites.map(\.id)) { found in
            let refused = rewrites.filter { rewrite in
                let id = ExactString(rewrite.id)
                return (found.latest[id] ?? 0) != rewrite.latestEvent
                    || found.records[id].map { !scope.contains($0) } ?? false
            }
            guard refused.isEmpty else { return .answer(refused.map(\.id)) }
            let written = rewrites.compactMap(\.record)
            let doomed = rewrites.filter { $0.record == nil }.map(\.id)
            let removed = doomed.filter { found.records[ExactString($0)] != nil }
            let noted = scope.isEverything ? doomed : removed
            guard !written.isEmpty || !noted.isEmpty else { return .answer([]) }
            return .write(
                written.map { (id: $0.id, after: $0) } + removed.map { (id: $0, after: nil) }, kind: .replaced
            ) {
                if !written.isEmpty { _ = try await self.database.add(written) }
                if !noted.isEmpty { try await self.deletions.noteDeleted(noted) }
                if !removed.isEmpty { _ = try await self.database.delete(removed) }
                return []
            }
        }
    }
}
