public import AgentMemory
import PostgresDriver

extension PostgresMemoryDatabase: ErasableDatabase {
    /// The position of a step that has not come to the events; later ones are their numbers.
    private static let records = "records"
    private static let recordsPerStep = 500
    private static let eventsPerStep = 5000

    public func erase(_ scope: ErasureScope, from position: String?) async throws -> ErasureStep {
        guard layout == nil else {
            let memories = try await eraseInCluster(scope, limit: Self.recordsPerStep)
            return ErasureStep(memories: memories, events: 0, next: memories > 0 ? Self.records : nil)
        }
        if let position, position != Self.records {
            let row = try await erasing(
                ErasureSQL.events(of: scope, after: Int(position) ?? 0, limit: Self.eventsPerStep))
            let removed = try row.int(1)
            // The triggers of the removals have noted a hash of the user.
            if row.isNull(0) { try await call { _ in try await self.forgetOwnerChanges() } }
            return ErasureStep(events: removed, next: row.isNull(0) ? nil : String(try row.int(0)))
        }
        let row = try await erasing(ErasureSQL.records(of: scope, limit: Self.recordsPerStep))
        let memories = try row.int(0)
        return ErasureStep(memories: memories, events: try row.int(1), next: memories > 0 ? Self.records : "0")
    }

    /// Runs a statement whose removals make no events.
    private func erasing(_ statement: PostgresStatement) async throws -> PostgresRow {
        try await call { deadline in
            try await self.database.retryingConflicts {
                try await self.database.pipeline(
                    [HistorySQL.origin(.off), statement], retry: .onlyIfNotExecuted, deadline: deadline
                )[1].singleRow()
            }
        }
    }

    public func noteErasure(_ id: String) async throws {
        guard makesEvents else { return }
        let note = ErasureSQL.note(id, by: WriteOrigin.current)
        try await call { deadline in
            try await self.database.retryingConflicts {
                _ = try await self.database.pipeline(
                    [ErasureSQL.hold, note], retry: .onlyIfNotExecuted, deadline: deadline)
            }
        }
    }
}
