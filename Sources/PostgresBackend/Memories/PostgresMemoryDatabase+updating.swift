public import AgentMemory
import PostgresDriver

extension PostgresMemoryDatabase {
    public func update(_ updates: [RecordUpdate]) async throws -> Int {
        guard !updates.isEmpty else { return 0 }
        // Vectors come before the transaction: no lock is held while the embedding service thinks.
        var vectors: [ExactString: [Float]] = [:]
        while true {
            let known = vectors
            let outcome = try await call { deadline in
                try await self.database.retryingConflicts {
                    try await self.applyUpdates(updates, vectors: known, deadline)
                }
            }
            switch outcome {
            case .changed(let count): return count
            case .needsVectors(let texts):
                for (text, vector) in zip(texts, try await embedder.checkedEmbeddings(of: texts)) {
                    vectors[ExactString(text)] = vector
                }
            }
        }
    }

    private enum UpdateOutcome: Sendable {
        case changed(Int)
        /// Nothing was written: these texts replace others and have no vector yet.
        case needsVectors([String])
    }

    private func applyUpdates(
        _ updates: [RecordUpdate], vectors: [ExactString: [Float]], _ deadline: ContinuousClock.Instant
    ) async throws -> UpdateOutcome {
        let locked = PostgresStatement(
            "SELECT \(RecordSQL.selection) FROM memories m WHERE m.id = ANY ($1) ORDER BY m.id FOR UPDATE",
            [.textArray(updates.map(\.id))])
        return try await database.withTransaction([locked], deadline: deadline) { connection, opened in
            var current: [ExactString: MemoryRecord] = [:]
            for row in opened[0].rows {
                let record = try RecordSQL.decode(row)
                current[ExactString(record.id)] = record
            }
            let plan = Self.changes(updates, to: current)
            let missing = plan.newTexts.filter { vectors[ExactString($0)] == nil }
            guard missing.isEmpty else {
                try await connection.query(PostgresStatement("ROLLBACK"), deadline: deadline)
                return .needsVectors(missing)
            }
            var statements = plan.changed.sorted { $0.id.utf8.lexicographicallyPrecedes($1.id.utf8) }.map { record in
                let text = ExactString(record.text)
                let rewritten =
                    current[ExactString(record.id)].map { ExactString($0.text) } == text ? nil : vectors[text]
                return RecordSQL.update(
                    record, rewritten: rewritten.map { ($0, analyzer.words(in: record.text)) }, vectorsIn: space.table)
            }
            statements.append(PostgresStatement("COMMIT"))
            _ = try await connection.pipeline(
                statements, deadline: deadline, perStatement: database.configuration.timeout)
            return .changed(plan.changed.count)
        }
    }

    /// What the updates make of the records that exist: those that change, once each, and the texts that need a vector.
    static func changes(
        _ updates: [RecordUpdate], to current: [ExactString: MemoryRecord]
    ) -> (changed: [MemoryRecord], newTexts: [String]) {
        var changed: [ExactString: MemoryRecord] = [:]
        for update in updates {
            let id = ExactString(update.id)
            guard var record = changed[id] ?? current[id] else { continue }
            if let access = update.changes.access, !access.isDue(lastAccessed: record.lastAccessed) { continue }
            record.apply(update.changes)
            changed[id] = record
        }
        var newTexts: Set<ExactString> = []
        for (id, record) in changed where current[id].map({ ExactString($0.text) }) != ExactString(record.text) {
            newTexts.insert(ExactString(record.text))
        }
        return (Array(changed.values), newTexts.map(\.value))
    }
}
