public import AgentMemory
import Logging
import PostgresDriver
import Synchronization

/// A standby of the database that answers reads; the primary does where it cannot.
final class ReadReplica: Sendable {
    private struct State {
        /// Until then it is not asked, because it could not be reached.
        var rest: ContinuousClock.Instant?
        var failure: String?
    }

    /// How long it is left alone after it could not be reached.
    private static let rest: Duration = .seconds(5)

    private let pool: PostgresPool
    private let timeout: Duration
    private let logger: Logger
    private let state = Mutex(State())

    /// - Parameter timeout: that of a call; the replica gets a quarter of it, so that the primary
    ///   has time left.
    init(pool: PostgresPool, timeout: Duration, logger: Logger) {
        self.pool = pool
        self.timeout = timeout
        self.logger = logger
    }

    func close() { pool.close() }

    /// Sends the statements of a read in one round trip.
    ///
    /// - Parameters:
    ///   - limit: what the transaction may reach, if row security is on.
    ///   - position: what must have been replayed, as ``PostgresMemoryDatabase/position()`` returns
    ///     it.
    ///   - date: a record that has expired by then must not be there: the primary removes it first.
    /// - Returns: `nil` if the primary must be asked.
    /// - Throws: `CancellationError`.
    func read(
        _ statements: [PostgresStatement], limit: PostgresStatement?, position: String, unexpiredAt date: Timestamp,
        deadline: ContinuousClock.Instant
    ) async throws -> [PostgresResult]? {
        guard state.withLock({ $0.rest.map { $0 <= .now } ?? true }) else { return nil }
        let check = PostgresStatement(
            """
            SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END \
            >= replace($1::text, '-', '/')::pg_lsn AND coalesce((SELECT min(expires_at) FROM memories) > $2, true)
            """, [.text(position), .timestamp(microseconds: date.microseconds)])
        let before = [limit, check].compactMap(\.self)
        do {
            let results = try await pool.pipeline(
                before + statements, retry: .repeatable, deadline: min(deadline, .now + timeout / 4))
            recover()
            guard try results[before.count - 1].singleRow().bool(0) else { return nil }
            return Array(results.dropFirst(before.count))
        } catch let error as PostgresError {
            // Anything else, such as a conflict with what is replayed, concerns these statements.
            if error.code != .server { fail(error) }
            return nil
        }
    }

    /// How it is, for `GET /v1/ready`; it never makes a server unready.
    func health() async -> ComponentHealth {
        let version = PostgresStatement("SELECT current_setting('server_version')")
        do {
            let row = try await pool.query(version, retry: .repeatable, deadline: .now + timeout / 4).singleRow()
            recover()
            return ComponentHealth(
                "replica", version: "PostgreSQL \(PostgresDatabase.number(ofVersion: try row.text(0)))")
        } catch {
            if let error = error as? PostgresError { fail(error) }
            return ComponentHealth(
                "replica", warning: "\(PostgresDatabase.reason(error)); the primary answers all reads")
        }
    }

    private func fail(_ error: PostgresError) {
        let isNew = state.withLock { state in
            defer { state = State(rest: .now + Self.rest, failure: error.message) }
            return state.failure == nil
        }
        if isNew {
            logger.warning("the read replica cannot be used; the primary answers", metadata: ["error": "\(error)"])
        }
    }

    private func recover() {
        let hadFailed = state.withLock { state in
            defer { state = State() }
            return state.failure != nil
        }
        if hadFailed { logger.notice("the read replica answers again") }
    }
}

extension PostgresMemoryDatabase: ReplicatedStore {
    public var hasReplica: Bool { database.replica != nil }

    public func isPosition(_ text: String) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        return parts.count == 2
            && parts.allSatisfy { (1...8).contains($0.utf8.count) && UInt32($0, radix: 16) != nil && $0.first != "+" }
    }

    public func position() async throws -> String {
        try await call { deadline in
            try await self.database.query(
                PostgresStatement("SELECT replace(pg_current_wal_insert_lsn()::text, '/', '-')"), retry: .repeatable,
                deadline: deadline
            ).singleRow().text(0)
        }
    }
}
