public import AgentMemory
import PostgresDriver

extension PostgresMemoryDatabase: ExpiringDatabase {
    private static let batchSize = 1000

    public func hasExpired(at date: Timestamp) async throws -> Bool {
        try await call { deadline in
            try await self.database.query(Self.expired(at: date), retry: .repeatable, deadline: deadline)
                .singleRow().bool(0)
        }
    }

    public var answersExpiryWithReads: Bool { true }

    /// Asks the index for its first date. With EXISTS the planner expects a record soon, and reads
    /// the whole table when there is none.
    private static func expired(at date: Timestamp) -> PostgresStatement {
        PostgresStatement(
            "SELECT coalesce((SELECT min(expires_at) FROM memories) <= $1, false)",
            [.timestamp(microseconds: date.microseconds)])
    }

    /// Sends the statements of a read in one round trip, with ``ExpiryQuestion/current`` unless
    /// that is answered: to the replica if ``ReadPosition/current`` permits it and it can answer.
    func read(
        _ statements: [PostgresStatement], deadline: ContinuousClock.Instant
    ) async throws -> [PostgresResult] {
        let question = ExpiryQuestion.current
        if let replica = database.replica, let position = ReadPosition.current?.required {
            let results = try await replica.read(
                statements, limit: database.limit, position: position, unexpiredAt: question?.date ?? .now(),
                deadline: deadline)
            if let results {
                question?.answer(false)
                return results
            }
        }
        guard let question, !question.isAnswered else {
            return try await database.pipeline(statements, retry: .repeatable, deadline: deadline, isRead: true)
        }
        let results = try await database.pipeline(
            [Self.expired(at: question.date)] + statements, retry: .repeatable, deadline: deadline, isRead: true)
        question.answer(try results[0].singleRow().bool(0))
        return Array(results.dropFirst())
    }

    /// ``read(_:deadline:)`` of one statement.
    func read(_ statement: PostgresStatement, deadline: ContinuousClock.Instant) async throws -> PostgresResult {
        try await read([statement], deadline: deadline)[0]
    }

    public func removeExpired(at date: Timestamp) async throws {
        let origin = WriteOrigin.$current.withValue(.expiry) { HistorySQL.origin(history) }
        var removed = Self.batchSize
        while removed == Self.batchSize {
            removed = try await call { deadline in
                try await self.database.retryingConflicts {
                    if self.layout == .spread {
                        return try await self.removeExpiredSpread(at: date, limit: Self.batchSize, deadline)
                    }
                    return try await self.database.pipeline(
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
