public import AgentMemory
import PostgresDriver

extension PostgresWorkingMemoryStore {
    /// Expired sessions that the store has not removed yet are among them.
    public func erase(_ scope: ErasureScope, limit: Int) async throws -> Int {
        try await database.call { deadline in
            try await self.database.retryingConflicts {
                try await self.database.query(
                    ErasureSQL.sessions(of: scope, limit: limit), retry: .onlyIfNotExecuted, deadline: deadline
                ).affectedRows
            }
        }
    }
}
