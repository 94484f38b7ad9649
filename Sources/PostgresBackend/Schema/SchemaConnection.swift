import AgentMemory
import Logging
import PostgresDriver

/// A connection for changes of the schema: without a statement timeout, one process at a time.
struct SchemaConnection: Sendable {
    /// Work that only one process does at a time. Each kind has its own lock, because building an
    /// index may take long, and work that needs only the tables, or another index, must not wait
    /// for it.
    struct Work: Sendable {
        let name: String

        static let migrations = Work(name: "agent-memory")
        /// Finding or creating the place of a model's vectors.
        static let vectorSpaces = Work(name: "agent-memory-vector-spaces")
        /// The indexes of memories that no migration builds.
        static let memoryIndexes = Work(name: "agent-memory-memory-indexes")
        /// The part of one table of vectors that depends on settings.
        static func vectorIndex(of table: String) -> Work { Work(name: "agent-memory-vector-index-\(table)") }
    }

    let schema: SchemaName
    /// How the tables are distributed.
    let distribution: Distribution
    private let pool: PostgresPool
    private let logger: Logger

    /// The oldest releases that work, and the oldest one that is not known to damage its index.
    static let minimumServer = 140_000
    static let minimumExtension = [0, 8, 0]
    static let advisedExtension = [0, 8, 4]

    /// - Parameters:
    ///   - pool: lends the connections.
    ///   - layout: that of the tables in a cluster.
    init(pool: PostgresPool, schema: SchemaName, layout: ClusterLayout? = nil, logger: Logger) {
        self.schema = schema
        distribution = Distribution(layout: layout, schema: schema, logger: logger)
        self.pool = pool
        self.logger = logger
    }

    /// The schema of the tables, then the one of the extension, which may differ.
    static func searchPath(_ schema: SchemaName, isLocal: Bool = false) -> PostgresStatement {
        PostgresStatement(
            """
            SELECT set_config('search_path', concat_ws(', ', $1::text, \
            (SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace \
            WHERE e.extname = 'vector')), \(isLocal))
            """, [.text(schema.quoted)])
    }

    /// Schema changes may take as long as they need; only a build of an index is long.
    static func deadline() -> ContinuousClock.Instant { .now + .seconds(24 * 3600) }

    func withConnection<Value: Sendable>(
        _ body: (PostgresConnection) async throws -> Value
    ) async throws -> Value {
        let deadline = ContinuousClock.now + .seconds(30)
        do {
            return try await withSession(deadline: deadline, body)
        } catch let error as PostgresError where error.code == .unsupportedPooler {
            throw MemoryError(
                .misconfigured, "changes of the schema need a session of their own: \(error.message)",
                setting: .migrationURL)
        }
    }

    private func withSession<Value: Sendable>(
        deadline: ContinuousClock.Instant, _ body: (PostgresConnection) async throws -> Value
    ) async throws -> Value {
        try await pool.withPrivateConnection(deadline: deadline) { connection in
            let settings =
                [
                    PostgresStatement(
                        """
                        SELECT set_config('statement_timeout', '0', false), \
                        set_config('idle_in_transaction_session_timeout', '0', false)
                        """),
                    Self.searchPath(schema), RowSecurity.session,
                ] + distribution.sessionSettings
            _ = try await connection.pipeline(settings, deadline: deadline)
            try await checkServer(on: connection)
            return try await body(connection)
        }
    }

    /// Lends a connection as ``withConnection(_:)`` does, while no other process does the same work
    /// in this schema.
    func withLock<Value: Sendable>(
        _ work: Work, _ body: (PostgresConnection) async throws -> Value
    ) async throws -> Value {
        try await withConnection { connection in
            // Waiting inside the server would hold a snapshot, for which CREATE INDEX CONCURRENTLY
            // waits; so the lock is polled.
            let attempt = PostgresStatement(
                "SELECT pg_try_advisory_lock(hashtextextended($1 || ' ' || $2, 0))",
                [.text(work.name), .text(schema.name)])
            while try await !connection.query(attempt, deadline: .now + .seconds(30)).singleRow().bool(0) {
                try await Task.sleep(for: .milliseconds(50))
            }
            // The lock is released with the connection.
            return try await body(connection)
        }
    }

    /// Creates the schema and the extension if they are missing, and sets the search path to both;
    /// the caller holds the lock of the migrations.
    ///
    /// Checks first: a statement such as CREATE SCHEMA IF NOT EXISTS needs the right to create even
    /// if the schema exists.
    func prepareExtension(on connection: PostgresConnection) async throws {
        let deadline = Self.deadline()
        do {
            if try await !schemaExists(on: connection) {
                try await connection.script("CREATE SCHEMA \(schema.quoted)", deadline: deadline)
            }
            if try await extensionVersion(on: connection) == nil { try await makeExtension(on: connection, deadline) }
        } catch let error as PostgresError where error.code == .server {
            throw explain(error)
        }
        try await connection.query(Self.searchPath(schema), deadline: deadline)
        try await checkExtension(on: connection)
    }

    /// One at a time in the whole database: IF NOT EXISTS does not see what other sessions are
    /// about to create.
    private func makeExtension(on connection: PostgresConnection, _ deadline: ContinuousClock.Instant) async throws {
        try await connection.withTransaction(deadline: deadline) {
            _ = try await connection.query(
                PostgresStatement("SELECT pg_advisory_xact_lock(hashtextextended('agent-memory', 0))"),
                deadline: deadline)
            guard try await extensionVersion(on: connection) == nil else { return }
            try await connection.script("CREATE EXTENSION vector WITH SCHEMA public", deadline: deadline)
            logger.info("created the extension vector")
        }
    }

    private func schemaExists(on connection: PostgresConnection) async throws -> Bool {
        try await connection.query(
            PostgresStatement("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", [.text(schema.name)]),
            deadline: .now + .seconds(30)
        ).singleRow().bool(0)
    }

    private func checkServer(on connection: PostgresConnection) async throws {
        let row = try await connection.query(
            PostgresStatement(
                """
                SELECT current_setting('server_version_num')::bigint, current_setting('server_version'), \
                current_setting('server_encoding')
                """),
            deadline: .now + .seconds(30)
        ).singleRow()
        guard try row.int(0) >= Self.minimumServer else {
            throw MemoryError(.misconfigured, "PostgreSQL 14 or newer is needed; this is \(try row.text(1))")
        }
        guard try row.text(2) == "UTF8" else {
            throw MemoryError(
                .misconfigured,
                "the database must have the encoding UTF8 to store every text; it has \(try row.text(2))"
            )
        }
    }

    /// Checks that the extension and the schema exist, are new enough, and may be used.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured`; ``PostgresError`` that names missing
    ///   rights.
    func checkExtension(on connection: PostgresConnection) async throws {
        guard let version = try await extensionVersion(on: connection) else {
            throw MemoryError(
                .misconfigured,
                "the extension vector (pgvector) is missing in the database: run CREATE EXTENSION vector")
        }
        guard try await schemaExists(on: connection) else {
            throw MemoryError(
                .misconfigured,
                "the schema \(schema.name) is missing in the database: run `agent-memory migrate up`, or let the server create it",
                setting: .autoMigrate
            )
        }
        let closed = try await connection.query(
            SchemaRights.missingOnSchemas(schema), deadline: .now + .seconds(30)
        ).rows.map { try $0.text(0) }
        if !closed.isEmpty { throw SchemaRights.refusal(closed) }
        let numbers = version.split(separator: ".").map { Int($0) ?? 0 }
        if numbers.lexicographicallyPrecedes(Self.minimumExtension) {
            throw MemoryError(
                .misconfigured,
                """
                pgvector 0.8.0 or newer is needed; the database has \(version) \
                (ALTER EXTENSION vector UPDATE, once it is installed)
                """
            )
        }
        if numbers.lexicographicallyPrecedes(Self.advisedExtension) {
            logger.warning(
                "pgvector before 0.8.4 can damage its index while it vacuums: update it",
                metadata: ["version": "\(version)"])
        }
    }

    private func extensionVersion(on connection: PostgresConnection) async throws -> String? {
        let result = try await connection.query(
            PostgresStatement("SELECT extversion FROM pg_extension WHERE extname = 'vector'"),
            deadline: .now + .seconds(30))
        return result.count == 0 ? nil : try result[0].text(0)
    }

    /// Checks that the user may read and write the tables.
    ///
    /// - Throws: ``PostgresError`` that names what is missing.
    func checkRights(on connection: PostgresConnection) async throws {
        let missing = try await connection.query(
            SchemaRights.missingOnTables(schema), deadline: .now + .seconds(30)
        ).rows.map { try $0.text(0) }
        if !missing.isEmpty { throw SchemaRights.refusal(missing) }
    }

    private func explain(_ error: PostgresError) -> any Error {
        switch error.sqlState {
        case "42501":
            error.advising(
                """
                let an administrator run CREATE SCHEMA \(schema.name) and CREATE EXTENSION vector, or grant CREATE on the \
                database
                """)
        case "0A000", "58P01":
            MemoryError(
                .misconfigured, "pgvector is not installed on the PostgreSQL server (0.8.0 or newer is needed)",
                underlying: error.description)
        default: error
        }
    }
}

/// Maps errors as ``mappingErrors(isolation:_:)`` does, for preparations. At a start, a refused
/// login or a missing right means that the settings are wrong; later, that the store has changed.
///
/// - Throws: ``MemoryError`` with code `misconfigured` in these cases.
func mappingPreparation<Value>(
    hasSucceeded: Bool, isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> sending Value
) async throws -> sending Value {
    do {
        return try await body()
    } catch let error as PostgresError {
        let mapped = MemoryError(error)
        guard !hasSucceeded, error.code == .loginRefused || error.sqlState == "42501" else { throw mapped }
        throw MemoryError(.misconfigured, mapped.message, underlying: mapped.underlying)
    }
}

/// Maps errors as ``mappingErrors(isolation:_:)`` does, for work that does not wait.
func mappingConfiguration<Value>(_ body: () throws(PostgresError) -> Value) throws(MemoryError) -> Value {
    do {
        return try body()
    } catch {
        throw MemoryError(error)
    }
}
