public import AgentMemory
import PostgresDriver

extension PostgresMemoryDatabase: RecordHistory {
    public var makesEvents: Bool { history != .off }

    public func events(of id: String, within scope: AccessScope, page: PageRequest) async throws -> Page<MemoryEvent> {
        try await call { deadline in
            try await self.database.events(of: id, within: scope, page: page, deadline)
        }
    }

    public func events(after sequence: Int, limit: Int, within scope: AccessScope) async throws -> [MemoryEvent] {
        try await call { deadline in
            try await self.database.events(after: sequence, limit: limit, within: scope, deadline)
        }
    }

    public func events(
        ofOperation operation: String, after sequence: Int, limit: Int, within scope: AccessScope
    ) async throws -> [MemoryEvent] {
        try await call { deadline in
            try await self.database.events(
                ofOperation: operation, after: sequence, limit: limit, within: scope, deadline)
        }
    }

    public func latestEvents(of ids: [String]) async throws -> [ExactString: Int] {
        try await call { deadline in try await self.database.latestEvents(of: ids, deadline) }
    }

    public func rewrite(_ rewrites: [RecordRewrite], within scope: AccessScope) async throws -> [String] {
        let rows = try await rows(of: rewrites.compactMap(\.record))
        let ids = rewrites.map(\.id)
        let removed = rewrites.filter { $0.record == nil }.map(\.id)
        let opening = [
            DeletionSQL.lock(ids: ids),
            PostgresStatement(
                "SELECT \(RecordSQL.selection) FROM memories m WHERE m.id = ANY ($1) ORDER BY m.id FOR UPDATE",
                [.textArray(ids)]),
            // After the locks: a change of one of the records is over, and its event is there.
            HistorySQL.latest(of: ids), HistorySQL.origin(history, replaces: true),
        ]
        return try await call { deadline in
            try await self.database.retryingConflicts {
                try await self.database.withTransaction(opening, deadline: deadline) { connection, opened in
                    let stored = try opened[1].recordsByID()
                    let latest = try opened[2].latestEvents()
                    var refused = rewrites.filter { rewrite in
                        let id = ExactString(rewrite.id)
                        return (latest[id] ?? 0) != rewrite.latestEvent
                            || stored[id].map { !scope.contains($0) } ?? false
                    }.map(\.id)
                    if refused.isEmpty {
                        let limit = self.database.configuration.timeout
                        let place = self.vectorPlace
                        defer { self.noteStored(rows.count, at: place) }
                        let statements = rows.map { row in
                            // An id that was free must still be.
                            RecordSQL.upsert(
                                [row], vectorsAt: place, replaces: stored[ExactString(row.record.id)] != nil)
                        }
                        let results = try await connection.pipeline(
                            statements + (removed.isEmpty ? [] : [DeletionSQL.remove(removed, within: scope)]),
                            deadline: deadline, perStatement: limit)
                        refused = zip(rows, results).filter { $0.1.affectedRows != 1 }.map(\.0.record.id)
                    }
                    try await connection.query(
                        PostgresStatement(refused.isEmpty ? "COMMIT" : "ROLLBACK"),
                        deadline: max(deadline, .now + self.database.configuration.timeout))
                    return refused
                }
            }
        }
    }

    /// Removes events that are older than they are kept.
    func sweepEvents() async throws {
        try await database.sweepEvents(history)
    }
}
