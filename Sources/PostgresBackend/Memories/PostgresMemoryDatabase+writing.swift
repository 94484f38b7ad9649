public import AgentMemory
import PostgresDriver

extension PostgresMemoryDatabase {
    public func add(_ records: [MemoryRecord], within scope: AccessScope) async throws -> [String] {
        let given = RecordBatch(records)
        let rows = try await rows(of: given.records)
        guard scope.isEverything else {
            try await call { deadline in
                try await self.database.retryingConflicts {
                    try await self.database.withTransaction(
                        [HistorySQL.origin(self.history, replaces: true)], deadline: deadline
                    ) { connection, _ in
                        try await self.write(rows, within: scope, on: connection, deadline)
                    }
                }
            }
            return given.givenIDs
        }
        try await call { deadline in
            let place = self.vectorPlace
            defer { self.noteStored(rows.count, at: place) }
            let upserts = self.upserts(rows, vectorsAt: place)
            let batch = [HistorySQL.origin(self.history, replaces: true)] + upserts.statements
            let limit = upserts.limit
            // One pipeline is one transaction, in which each record has the time of a call. Running
            // it twice has the same effect as once.
            try await self.database.retryingConflicts {
                do {
                    _ = try await self.database.pipeline(
                        batch, retry: .onlyIfNotExecuted, deadline: deadline, perStatement: limit)
                } catch let lost as PostgresError
                    where [.connectionLost, .server].contains(lost.code) && lost.endsSession
                {
                    do {
                        _ = try await self.database.pipeline(
                            batch, retry: .onlyIfNotExecuted, deadline: max(deadline, .now + limit), perStatement: limit
                        )
                    } catch let error as PostgresError {
                        // Whatever the result of the second attempt, the first may have succeeded.
                        throw MemoryError(error, mayHaveBeenDone: true)
                    }
                }
            }
        }
        return given.givenIDs
    }

    /// Writes the rows and commits.
    ///
    /// - Throws: ``AccessScope/conflict``, with nothing written, if one of them would replace a
    ///   record outside of the scope.
    private func write(
        _ rows: [Row], within scope: AccessScope, on connection: PostgresConnection,
        _ deadline: ContinuousClock.Instant
    ) async throws {
        let place = vectorPlace
        defer { noteStored(rows.count, at: place) }
        let upserts = upserts(rows, vectorsAt: place, within: scope)
        let (statements, limit) = (upserts.statements, upserts.limit)
        guard !scope.isEverything else {
            _ = try await connection.pipeline(
                statements + [PostgresStatement("COMMIT")], deadline: deadline, perStatement: limit)
            return
        }
        let results = try await connection.pipeline(statements, deadline: deadline, perStatement: limit)
        let written = results.dropFirst().prefix(upserts.chunks).reduce(0) { $0 + $1.affectedRows }
        guard written == rows.count else { throw AccessScope.conflict }
        try await connection.query(PostgresStatement("COMMIT"), deadline: max(deadline, .now + limit))
    }

    public func addDistinct(_ records: [MemoryRecord], within scope: AccessScope) async throws -> [String] {
        let given = RecordBatch(records)
        let rows = try await rows(of: given.records)
        let hashes = given.memoryHashes
        let opening = [
            DeletionSQL.lock(memoryHashes: hashes),
            PostgresStatement("SELECT id FROM memories WHERE id = ANY ($1)", [.textArray(given.records.map(\.id))]),
            PostgresStatement(
                "SELECT id, memory_hash FROM memories WHERE memory_hash = ANY ($1)", [.textArray(hashes)]),
            HistorySQL.origin(history, replaces: true),
        ]
        return try await call { deadline in
            try await self.database.retryingConflicts {
                try await self.database.withTransaction(opening, deadline: deadline) { connection, opened in
                    // Checked after the locks were taken: a writer of one of these texts comes
                    // before or after all of this.
                    let kept = given.withoutDuplicates(
                        storedIDs: Set(try opened[1].rows.map { ExactString(try $0.text(0)) }),
                        holders: try opened[2].rows.map { (id: try $0.text(0), memoryHash: try $0.text(1)) })
                    let ids = Set(kept.map { ExactString($0.id) })
                    try await self.write(
                        rows.filter { ids.contains(ExactString($0.record.id)) }, within: scope, on: connection,
                        deadline)
                    return kept.map(\.id)
                }
            }
        }
    }

    public func promote(_ records: [MemoryRecord], handedInAt: Timestamp) async throws -> [PromotionOutcome] {
        var known: [ExactString: Row] = [:]
        var overtaken: Set<ExactString> = []
        var hidden: Set<ExactString> = []
        while true {
            // No lock is held during the embedding.
            let (rows, taken) = (known, hidden)
            let attempt = try await call { deadline in
                try await self.database.retryingConflicts {
                    try await self.promote(records, handedInAt, rows, taken, deadline)
                }
            }
            switch attempt {
            case .done(let outcomes): return outcomes
            case .needsRows(let missing):
                for row in try await self.rows(of: missing) { known[ExactString(row.record.id)] = row }
            case .overtaken(let ids):
                // With row security an id stays out of sight if it belongs to others.
                hidden.formUnion(overtaken.intersection(ids))
                overtaken.formUnion(ids)
                try Task.checkCancellation()
            }
        }
    }

    private enum PromotionAttempt: Sendable {
        case done([PromotionOutcome])
        /// Nothing was written: these are to be stored and have no vector yet.
        case needsRows([MemoryRecord])
        /// Nothing was written: these ids were stored meanwhile, or by others whose records are
        /// out of sight.
        case overtaken(Set<ExactString>)
    }

    private func promote(
        _ records: [MemoryRecord], _ handedInAt: Timestamp, _ known: [ExactString: Row],
        _ hidden: Set<ExactString>, _ deadline: ContinuousClock.Instant
    ) async throws -> PromotionAttempt {
        let ids = records.map(\.id)
        let opening = [
            DeletionSQL.lock(ids: ids),
            PostgresStatement(
                "SELECT \(RecordSQL.selection) FROM memories m WHERE m.id = ANY ($1)", [.textArray(ids)]),
            DeletionSQL.deleted(ids, since: handedInAt), HistorySQL.origin(history),
        ]
        return try await database.withTransaction(opening, deadline: deadline) { connection, opened in
            let stored = try opened[1].recordsByID()
            let deleted = Set(try opened[2].rows.map { ExactString(try $0.text(0)) })
            let outcomes = records.map { record -> PromotionOutcome in
                let id = ExactString(record.id)
                if let there = stored[id] { return there.sharesOwner(with: record) ? .present : .taken }
                if hidden.contains(id) { return .taken }
                return deleted.contains(id) ? .deleted : .stored
            }
            let wanted = zip(records, outcomes).filter { $0.1 == .stored }.map(\.0)
            let missing = wanted.filter { known[ExactString($0.id)] == nil }
            guard missing.isEmpty else {
                try await connection.query(PostgresStatement("ROLLBACK"), deadline: deadline)
                return .needsRows(missing)
            }
            let rows = wanted.compactMap { known[ExactString($0.id)] }.inOrder(ofID: \.record.id)
            let place = vectorPlace
            defer { noteStored(rows.count, at: place) }
            let inserts = rows.map { RecordSQL.upsert([$0], vectorsAt: place, replaces: false) }
            let limit = database.configuration.timeout
            let results = try await connection.pipeline(inserts, deadline: deadline, perStatement: limit)
            let deadline = max(deadline, .now + limit)
            // A create takes no lock of ids; it may have come in between.
            let refused = zip(rows, results).filter { $0.1.affectedRows != 1 }.map { ExactString($0.0.record.id) }
            guard refused.isEmpty else {
                try await connection.query(PostgresStatement("ROLLBACK"), deadline: deadline)
                return .overtaken(Set(refused))
            }
            try await connection.query(PostgresStatement("COMMIT"), deadline: deadline)
            return .done(outcomes)
        }
    }

    /// A record with the values of the table's other columns.
    struct Row: Sendable {
        let record: MemoryRecord
        let encoding: TextEncoding
        let words: [String]
    }

    /// In the order in which all writers take records.
    func rows(of records: [MemoryRecord]) async throws -> [Row] {
        async let embedded = embedder.checkedEncodings(of: records.map(\.text))
        // Meanwhile, because the texts may be with a service.
        let words = records.map { analyzer.words(in: $0.text) }
        let encodings = try await embedded
        return records.indices.map { Row(record: records[$0], encoding: encodings[$0], words: words[$0]) }
            .inOrder(ofID: \.record.id)
    }

    /// The statements that store rows.
    private struct Upserts {
        /// The limit of time for each statement, one for each of ``RecordSQL/chunks(of:)``, and
        /// upkeep.
        let statements: [PostgresStatement]
        let chunks: Int
        /// Of each statement: the time of a call for each of its records.
        let limit: Duration
    }

    private func upserts(
        _ rows: [Row], vectorsAt place: VectorPlace, within scope: AccessScope = .everything
    ) -> Upserts {
        let chunks = RecordSQL.chunks(of: rows)
        let limit = database.configuration.timeout * (chunks.first?.count ?? 1)
        var statements = [database.configuration.statementLimit(limit)]
        statements += chunks.map { RecordSQL.upsert($0, vectorsAt: place, within: scope) }
        if rows.count > 16 { statements.append(Self.totalsFold) }
        return Upserts(statements: statements, chunks: chunks.count, limit: limit)
    }

    public func delete(_ ids: [String], within scope: AccessScope) async throws -> Int {
        guard layout == nil else { return try await deleteInCluster(ids, within: scope) }
        let statements =
            scope.isEverything
            ? [DeletionSQL.lock(ids: ids), DeletionSQL.remove(ids), DeletionSQL.note(ids)]
            : [DeletionSQL.lock(ids: ids), DeletionSQL.remove(ids, within: scope)]
        return try await call { deadline in
            try await self.database.retryingConflicts {
                try await self.database.pipeline(
                    [HistorySQL.origin(self.history)] + statements, retry: .onlyIfNotExecuted, deadline: deadline
                )[2].affectedRows
            }
        }
    }
}
