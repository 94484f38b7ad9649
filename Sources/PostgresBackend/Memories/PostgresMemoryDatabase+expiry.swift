public import AgentMemory
import PostgresDriver

extension PostgresMemoryDatabase: ExpiringDatabase {
    private static let batchSize = 1000

    public func hasExpired(at date: Timestamp) async throws -> Bool {
        try await call { deadline in
            try await self.database.query(
                PostgresStatement(
                    "SELECT EXISTS (SELECT FROM memories WHERE expires_at <= $1)",
                    [.timestamp(microseconds: date.microseconds)]), retry: .repeatable, deadline: deadline
            ).singleRow().bool(0)
        }
    }

    public func removeExpired(at date: Timestamp) async throws {
        let origin = WriteOrigin.$current.withValue(.expiry) { HistorySQL.origin(history) }
        var removed = Self.batchSize
        while removed == Self.batchSize {
            removed = try await call { deadline in
                try await self.database.retryingConflicts {
                    try await self.database.pipeline(
                        [origin, Self.removal(at: date, limit: Self.batchSize)], retry: .repeatable,
                        deadline: deadline
                    )[1].affectedRows
                }
            }
        }
    }

    /// Waits for writers of the same records: one may just be giving a record more time.
    static func removal(at date: Timestamp, limit: Int) -> PostgresStatement {
        PostgresStatement(
            """
            WITH doomed AS (SELECT number FROM memories WHERE expires_at <= $1 ORDER BY id LIMIT $2 FOR UPDATE) \
            DELETE FROM memories WHERE number IN (SELECT number FROM doomed)
            """, [.timestamp(microseconds: date.microseconds), .int8(Int64(limit))])
    }
}
