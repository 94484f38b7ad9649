import AgentMemory
import PostgresDriver

/// What the work of a task may reach, told to the server in the transaction that it holds for.
extension PostgresDatabase {
    /// The statement that a transaction begins with, if row security is on; without a scope there
    /// is none, and the transaction reaches nothing.
    var limit: PostgresStatement? {
        guard configuration.rowSecurity else { return nil }
        return AccessScope.current.map { RowSecurity.limit(to: $0) }
    }

    /// Whether an error of rights means that a row is outside of the caller's scope.
    func isOutsideScope(_ error: PostgresError) -> Bool {
        configuration.rowSecurity && error.sqlState == "42501" && AccessScope.current?.isEverything == false
    }

    /// Runs ``PostgresPool/pipeline(_:retry:deadline:perStatement:)`` within the scope of the task,
    /// in the same round trip.
    ///
    /// - Parameter isRead: whether nothing is written, so that the statements need no transaction.
    func pipeline(
        _ statements: [PostgresStatement], retry: PostgresPool.Retry, deadline: ContinuousClock.Instant,
        perStatement: Duration? = nil, isRead: Bool = false
    ) async throws -> [PostgresResult] {
        if retry == .onlyIfNotExecuted { ReadPosition.current?.noteWrite() }
        if let whole = clusterTransaction(of: statements, isRead: isRead) {
            let results = try await pool.pipeline(whole, retry: retry, deadline: deadline, perStatement: perStatement)
            return Array(results.dropFirst().dropLast())
        }
        guard let limit else {
            return try await pool.pipeline(statements, retry: retry, deadline: deadline, perStatement: perStatement)
        }
        var limited = statements
        // A transaction's properties must be said before its first query.
        let position = statements.first?.sql.hasPrefix("BEGIN") == true ? 1 : 0
        limited.insert(limit, at: position)
        var results = try await pool.pipeline(limited, retry: retry, deadline: deadline, perStatement: perStatement)
        results.remove(at: position)
        return results
    }

    /// ``pipeline(_:retry:deadline:perStatement:)`` of one statement.
    func query(
        _ statement: PostgresStatement, retry: PostgresPool.Retry, deadline: ContinuousClock.Instant
    ) async throws -> PostgresResult {
        try await pipeline([statement], retry: retry, deadline: deadline)[0]
    }

    /// Runs the server's own work, which reaches every row.
    func reachingEverything<Value>(
        isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Value
    ) async rethrows -> Value {
        try await AccessScope.everything.limiting(isolation: isolation, body)
    }
}
