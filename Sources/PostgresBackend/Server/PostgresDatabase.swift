import AgentMemory
public import Logging
import PostgresDriver
import Synchronization

/// A PostgreSQL database with the tables of this server: one pool of connections and one schema for
/// all its stores.
///
/// Make one, and pass it to each store that works in it. Its connections close with the last of
/// these stores.
public final class PostgresDatabase: Sendable {
    /// The address and login of the database.
    public struct Configuration: Sendable {
        /// Anything that libpq takes: a URL or `key=value` pairs.
        public var databaseURL: String
        /// The address for changes of the schema, which need a session of their own, if
        /// ``databaseURL`` leads to a pooler that pools by transaction. Default `nil`:
        /// ``databaseURL``.
        public var migrationURL: String?
        /// The address of a standby, or of several, that may answer reads. Default `nil`: none.
        public var readURL: String?
        /// The schema of the tables; created if it is missing. Default `agent_memory`.
        public var schema: String
        /// The largest number of connections, at least 1. Default 10.
        public var poolSize: Int
        /// The time limit of one call; if a call is many statements, such as a create of thousands
        /// of records, of each of them. Default 10 seconds.
        public var timeout: Duration
        /// How long an unused connection is kept, if there is more than one. Default 20 seconds.
        public var idleLimit: Duration = .seconds(20)
        /// The time without calls after which the server's own upkeep looks at the database only
        /// once an hour; zero means never. Default 5 minutes.
        public var quietLimit: Duration = .seconds(300)
        /// Whether migrations are applied when the server starts; otherwise a database without some
        /// of them is refused.
        public var autoMigrate: Bool
        /// Whether the database itself limits each transaction to ``AccessScope/current``, by
        /// row-level security. Default `false`: then a database in which it is enabled is refused.
        public var rowSecurity = false
        /// How the tables of memories lie in a Citus cluster whose coordinator this is. Default
        /// `nil`: the database is not distributed, and one that is distributed is refused.
        public var layout: ClusterLayout?

        public init(
            databaseURL: String, schema: String = "agent_memory", poolSize: Int = 10, timeout: Duration = .seconds(10),
            autoMigrate: Bool = true
        ) {
            self.databaseURL = databaseURL
            self.schema = schema
            self.poolSize = max(1, poolSize)
            self.timeout = timeout
            self.autoMigrate = autoMigrate
        }
    }

    let configuration: Configuration
    let logger: Logger
    let pool: PostgresPool
    /// The connections of snapshots, which last long: calls must not wait for them.
    let snapshots: PostgresPool
    /// The connections of ``session``, if they are not those of ``pool``.
    private let migrationPool: PostgresPool?
    let session: SchemaConnection
    /// Answers reads in place of ``pool``, if there is one.
    let replica: ReadReplica?
    /// The preparation of the tables.
    let preparation = Preparation()
    let quietTime: QuietTime
    private let users = Mutex(0)

    /// A database that is not connected yet.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` for an unusable URL or schema name.
    public init(configuration: Configuration, logger: Logger) throws {
        self.configuration = configuration
        self.logger = logger
        quietTime = QuietTime(after: configuration.quietLimit)
        let schema = try SchemaName(configuration.schema)
        let connections = configuration.pool(schema: schema)
        let pool = try mappingConfiguration { () throws(PostgresError) in try PostgresPool(connections) }
        self.pool = pool
        snapshots = try mappingConfiguration { () throws(PostgresError) in
            try PostgresPool(configuration.snapshotPool(schema: schema))
        }
        migrationPool = try mappingConfiguration { () throws(PostgresError) in
            guard let connections = configuration.migrationPool else { return nil }
            return try PostgresPool(connections)
        }
        session = SchemaConnection(
            pool: migrationPool ?? pool, schema: schema, layout: configuration.layout, logger: logger)
        let readPool = try mappingConfiguration { () throws(PostgresError) in
            guard let connections = configuration.readPool(schema: schema) else { return nil as PostgresPool? }
            return try PostgresPool(connections)
        }
        replica = readPool.map { ReadReplica(pool: $0, timeout: configuration.timeout, logger: logger) }
    }

    /// A store starts to use the database.
    func join() {
        users.withLock { $0 += 1 }
    }

    /// A store that has joined is closed.
    func leave() {
        let isLast = users.withLock { users in
            users -= 1
            return users == 0
        }
        if isLast {
            pool.close()
            snapshots.close()
            migrationPool?.close()
            replica?.close()
        }
    }

    var deadline: ContinuousClock.Instant { .now + configuration.timeout }

    /// Creates the tables, or checks that they are those of this binary.
    ///
    /// - Parameter evenIfDone: whether to check again after it has succeeded.
    func prepare(evenIfDone: Bool) async throws {
        try await preparation.perform(evenIfDone: evenIfDone) { try await prepareNow() }
    }

    private func prepareNow() async throws {
        try await mappingPreparation(hasSucceeded: preparation.hasSucceeded) {
            let migrator = Migrator(session: session, logger: logger)
            try await session.withLock(.migrations) { connection in
                if configuration.autoMigrate {
                    _ = try await migrator.up(on: connection)
                } else {
                    try await session.checkExtension(on: connection)
                    try await migrator.checkUpToDate(on: connection)
                    try await session.distribution.check(on: connection)
                }
                try await session.checkRights(on: connection)
                try await settleRowSecurity(on: connection)
            }
            // Existing connections may lack the schema of the extension in their search path.
            pool.reset()
            try await checkMigrationAddress()
        }
    }

    /// Checks that calls find the tables that changes of the schema have made, if the two take
    /// different ways.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured`.
    private func checkMigrationAddress() async throws {
        guard migrationPool != nil else { return }
        let found = try await pool.query(
            PostgresStatement("SELECT to_regclass($1) IS NOT NULL", [.text("\(session.schema.quoted).memories")]),
            retry: .repeatable, deadline: deadline
        ).singleRow().bool(0)
        guard found else {
            throw MemoryError(
                .misconfigured, "the address for changes of the schema leads to another database than that for calls",
                setting: .migrationURL)
        }
    }

    /// Enables row-level security where it is wanted and missing.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` if the database does not fit the
    ///   setting.
    func settleRowSecurity(on connection: PostgresConnection) async throws {
        let security = RowSecurity(schema: session.schema, logger: logger)
        if configuration.rowSecurity {
            try await security.enable(on: connection)
        } else {
            try await security.checkDisabled(on: connection)
        }
    }

    // MARK: The frame of every call

    /// Runs `body` within the configured timeout, once the tables exist, and maps its errors. If
    /// they turn out to be missing, because the store restarted empty, they are created and `body`
    /// runs once more.
    ///
    /// - Parameters:
    ///   - preparation: what must be done first; that of the tables, or one that depends on it.
    ///   - prepare: does it.
    func call<Value: Sendable>(
        after preparation: Preparation, prepare: @escaping @Sendable () async throws -> Void,
        _ body: (ContinuousClock.Instant) async throws -> Value
    ) async throws -> Value {
        let deadline = deadline
        if !OwnLook.isRunning { quietTime.noteCall() }
        return try await mappingErrors {
            if !preparation.isDone { try await preparation.wait(until: deadline, prepare) }
            do {
                return try await body(deadline)
            } catch let error as PostgresError where isOutsideScope(error) {
                throw AccessScope.conflict
            } catch let error as PostgresError where error.isMissingSchema {
                logger.warning("the tables are missing; creating them", metadata: ["error": "\(error)"])
                preparation.invalidate()
                try await preparation.wait(until: deadline, prepare)
                return try await body(deadline)
            }
        }
    }

    /// Runs a call as ``call(after:prepare:_:)`` does, for work that needs only the tables.
    func call<Value: Sendable>(_ body: (ContinuousClock.Instant) async throws -> Value) async throws -> Value {
        try await call(after: preparation, prepare: { try await self.prepareNow() }, body)
    }

    /// Repeats work that had no effect: the server rolled it back to resolve a deadlock or a
    /// conflict, or because it refuses writes, or it was never received because the connection was
    /// an old one.
    func retryingConflicts<Value: Sendable>(_ work: () async throws -> Value) async throws -> Value {
        for _ in 1...3 {
            do {
                return try await work()
            } catch let error as PostgresError where error.isTransactionConflict {
                continue
            } catch let error as PostgresError where error.code == .connectionLost && error.provablyNotExecuted {
                pool.reset()
            } catch let error as PostgresError where error.isReadOnlyServer {
                // The pool has closed its connections to that server.
                continue
            }
        }
        return try await work()
    }

    /// Lends a connection with a transaction that `opening` has started; `body` ends it.
    ///
    /// - Parameter opening: reads and locks only, in one round trip, so that it can be repeated.
    func withTransaction<Value>(
        _ opening: [PostgresStatement], deadline: ContinuousClock.Instant,
        isolation: isolated (any Actor)? = #isolation,
        _ body: (PostgresConnection, [PostgresResult]) async throws -> sending Value
    ) async throws -> sending Value {
        ReadPosition.current?.noteWrite()
        let before = [PostgresStatement("BEGIN"), limit].compactMap(\.self)
        return try await pool.withConnection(deadline: deadline) { connection in
            let opened: [PostgresResult]
            do {
                opened = try await connection.pipeline(before + opening, deadline: deadline)
            } catch let error as PostgresError where error.code == .connectionLost {
                // Nothing was written yet.
                throw PostgresError(
                    error.code, error.message, sqlState: error.sqlState, underlying: error.underlying,
                    provablyNotExecuted: true)
            }
            do {
                return try await body(connection, Array(opened.dropFirst(before.count)))
            } catch {
                // The pool closes a connection that is left in a transaction; this one can be kept.
                _ = try? await connection.query(PostgresStatement("ROLLBACK"), deadline: deadline)
                throw error
            }
        }
    }
}
