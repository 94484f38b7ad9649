import AgentMemory

/// A record of an import that is stored already.
struct ExistingRecord: Error {
    let id: String
}

extension LongTermMemory {
    /// Whether the backend stores vectors that come with records (``KnownVectors``).
    var takesVectors: Bool { memories.scoped(to: .unrestricted).takesVectors }

    /// Stores a batch of an import, whole or not at all.
    ///
    /// - Parameters:
    ///   - records: of different ids, all within the caller's limits.
    ///   - existing: what is done with those that are stored already.
    ///   - isDryRun: whether nothing is written.
    /// - Throws: ``ExistingRecord`` if one is stored and to be refused; ``AccessScope/conflict`` if
    ///   an id belongs to others.
    func store(
        _ records: [MemoryRecord], _ existing: ImportOptions.Existing, isDryRun: Bool, for caller: Caller
    ) async throws -> ImportOutcome.Counts {
        let memories = memories.scoped(to: caller)
        guard !isDryRun, !memories.decidesInStore else {
            return try await store(records, existing, isDryRun: isDryRun, memories)
        }
        return try await inTurn(records.map { .id(ExactString($0.id)) }) {
            try await store(records, existing, isDryRun: false, memories)
        }
    }

    private func store(
        _ records: [MemoryRecord], _ existing: ImportOptions.Existing, isDryRun: Bool, _ memories: ScopedMemories
    ) async throws -> ImportOutcome.Counts {
        let stored = Set(try await memories.stored(.id, records.map(\.id)).map { ExactString($0.id) })
        let new = records.filter { !stored.contains(ExactString($0.id)) }
        if existing == .refuse, let first = records.first(where: { stored.contains(ExactString($0.id)) }) {
            throw ExistingRecord(id: first.id)
        }
        var counts = ImportOutcome.Counts()
        counts.added = new.count
        switch existing {
        case .replace: counts.replaced = stored.count
        case .skip, .refuse: counts.skipped = stored.count
        }
        guard !isDryRun else { return counts }
        let written = existing == .replace ? records : new
        guard !written.isEmpty else { return counts }
        guard existing != .replace, memories.reachesEverything else {
            try await MemoryError.tellingOutcome(.again) { _ = try await memories.add(written) }
            return counts
        }
        // Replaces nothing, also if another writer was faster. No deletion counts as later.
        let outcomes = try await MemoryError.tellingOutcome(.again) {
            try await memories.promote(written, handedInAt: .latest)
        }
        guard let outcomes else {
            try await MemoryError.tellingOutcome(.again) { _ = try await memories.add(written) }
            return counts
        }
        for (record, outcome) in zip(written, outcomes) where outcome != .stored {
            guard existing == .skip else { throw ExistingRecord(id: record.id) }
            counts.added -= 1
            counts.skipped += 1
        }
        return counts
    }
}
