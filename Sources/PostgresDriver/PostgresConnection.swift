/// A connection that the caller has exclusively until it returns it to the pool.
///
/// One call at a time. A call whose task is cancelled, or whose deadline passes, is stopped on the
/// server too; the connection then ends, and the pool makes another when it needs one.
public struct PostgresConnection: Sendable {
    let session: ConnectionThread

    /// Sends the statements together and returns one result for each. Outside of a transaction they
    /// form one: if one fails, none takes effect.
    ///
    /// - Parameters:
    ///   - perStatement: the least time that each finished statement leaves for the next one, for
    ///     work of any amount; `nil` for one deadline over all of them.
    /// - Throws: ``PostgresError``; `CancellationError`.
    public func pipeline(
        _ statements: [PostgresStatement], deadline: ContinuousClock.Instant, perStatement: Duration? = nil
    ) async throws -> [PostgresResult] {
        guard !statements.isEmpty else { return [] }
        return try await session.perform(
            .pipeline(statements.map { EncodedStatement($0) }),
            deadline: Deadline(instant: deadline, perStatement: perStatement))
    }

    /// ``pipeline(_:deadline:perStatement:)`` of one statement.
    @discardableResult
    public func query(
        _ statement: PostgresStatement, deadline: ContinuousClock.Instant
    ) async throws -> PostgresResult {
        try await pipeline([statement], deadline: deadline)[0]
    }

    /// Runs a text of one or several statements without parameters and drops their results. Several
    /// are one transaction; a statement that cannot run in one, such as `CREATE INDEX
    /// CONCURRENTLY`, must be alone.
    ///
    /// - Throws: ``PostgresError``, with code `unsupportedPooler` outside of a transaction if
    ///   sessions are shared; `CancellationError`.
    public func script(_ sql: String, deadline: ContinuousClock.Instant) async throws {
        _ = try await session.perform(.script(sql), deadline: Deadline(instant: deadline))
    }

    /// Whether the connection works, and a transaction that a statement began is not over.
    var isInTransaction: Bool { session.isAlive && !session.isUsable }

    /// BEGIN, the body, COMMIT; ROLLBACK if the body throws.
    public func withTransaction<Value>(
        deadline: ContinuousClock.Instant, isolation: isolated (any Actor)? = #isolation,
        _ body: () async throws -> sending Value
    ) async throws -> sending Value {
        try await query(PostgresStatement("BEGIN"), deadline: deadline)
        do {
            let value = try await body()
            try await query(PostgresStatement("COMMIT"), deadline: deadline)
            return value
        } catch {
            // A closed connection has rolled back by itself; one that cannot roll back is not used
            // again.
            if session.isAlive {
                _ = try? await query(PostgresStatement("ROLLBACK"), deadline: .now + .seconds(5))
            }
            throw error
        }
    }
}
