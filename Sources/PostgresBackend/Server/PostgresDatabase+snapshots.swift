import AgentMemory
import PostgresDriver

extension PostgresDatabase {
    /// A transaction that sees the database as it was when it began.
    struct Snapshot: Sendable {
        fileprivate let database: PostgresDatabase
        let connection: PostgresConnection

        /// The transaction of this task.
        @TaskLocal fileprivate static var current: Snapshot?
    }

    /// How long one statement of a snapshot may take at least: a page of few among many rows.
    private static let pageTime: Duration = .seconds(120)
    /// How long a snapshot may wait for who reads it.
    private static let idleTime: Duration = .seconds(600)

    /// The time limit of a statement of a snapshot.
    var pageDeadline: ContinuousClock.Instant { .now + max(Self.pageTime, configuration.timeout) }

    /// Runs `body` with a snapshot: that of this task if there is one.
    ///
    /// It is one read-only transaction, so that a pooler gives it one session, and it is limited to
    /// the scope of the task.
    func withSnapshot<Value: Sendable>(_ body: @Sendable (Snapshot) async throws -> Value) async throws -> Value {
        if let open = Snapshot.current, open.database === self { return try await body(open) }
        return try await mappingErrors {
            try await snapshots.withConnection(deadline: deadline) { connection in
                _ = try await connection.pipeline(opening, deadline: deadline)
                do {
                    let snapshot = Snapshot(database: self, connection: connection)
                    let value = try await Snapshot.$current.withValue(snapshot) { try await body(snapshot) }
                    try await connection.query(PostgresStatement("COMMIT"), deadline: deadline)
                    return value
                } catch {
                    _ = try? await connection.query(PostgresStatement("ROLLBACK"), deadline: deadline)
                    throw error
                }
            }
        }
    }

    private var opening: [PostgresStatement] {
        let page = Int(max(Self.pageTime, configuration.timeout) / .milliseconds(1))
        let idle = Int(Self.idleTime / .milliseconds(1))
        return [
            PostgresStatement("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"), limit,
            PostgresStatement(
                """
                SELECT set_config('statement_timeout', '\(page)', true), \
                set_config('idle_in_transaction_session_timeout', '\(idle)', true)
                """),
        ].compactMap(\.self)
    }
}
