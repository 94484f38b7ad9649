public import AgentMemory
import PostgresDriver

extension PostgresMemoryDatabase {
    public func update(_ updates: [RecordUpdate], within scope: AccessScope) async throws -> Int {
        // Texts are embedded before the transaction: no lock is held during the embedding.
        var vectors = TextVectors()
        while true {
            let known = vectors
            let outcome = try await call { deadline in
                try await self.database.retryingConflicts {
                    try await self.applyUpdates(updates, within: scope, vectors: known, deadline)
                }
            }
            switch outcome {
            case .changed(let count): return count
            case .needsVectors(let texts): try await vectors.embed(texts, by: embedder)
            }
        }
    }

    private enum UpdateOutcome: Sendable {
        case changed(Int)
        /// Nothing was written: these texts are new and have no vector yet.
        case needsVectors([String])
    }

    private func applyUpdates(
        _ updates: [RecordUpdate], within scope: AccessScope, vectors: TextVectors, _ deadline: ContinuousClock.Instant
    ) async throws -> UpdateOutcome {
        let locked =
            clusterLocks(of: updates.map(\.id))
            ?? [
                PostgresStatement(
                    "SELECT \(RecordSQL.selection) FROM memories m WHERE m.id = ANY ($1) ORDER BY m.id FOR UPDATE",
                    [.textArray(updates.map(\.id))])
            ]
        return try await database.withTransaction(
            [HistorySQL.origin(history)] + locked, deadline: deadline
        ) { connection, opened in
            var stored: [ExactString: MemoryRecord] = [:]
            for result in opened.dropFirst() {
                stored.merge(try result.recordsByID().filter { scope.contains($0.value) }) { $1 }
            }
            let fold = UpdateFold(updates, stored: stored)
            try fold.checkRules()
            let missing = fold.textsToEmbed(besides: vectors)
            guard missing.isEmpty else {
                try await connection.query(PostgresStatement("ROLLBACK"), deadline: deadline)
                return .needsVectors(missing)
            }
            let place = vectorPlace
            var statements = fold.changes.inOrder(ofID: \.after.id).map { change in
                let encoding = change.newText.flatMap { vectors.encoding(of: $0) }
                return RecordSQL.update(
                    change.after, rewritten: encoding.map { ($0, analyzer.words(in: change.after.text)) },
                    vectorsAt: place)
            }
            statements.append(PostgresStatement("COMMIT"))
            _ = try await connection.pipeline(
                statements, deadline: deadline, perStatement: database.configuration.timeout)
            noteStored(fold.changes.count { $0.newText != nil }, at: place)
            return .changed(fold.changes.count)
        }
    }
}
