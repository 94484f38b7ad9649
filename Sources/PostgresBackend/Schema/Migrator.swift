public import AgentMemory
public import Logging
public import Migrations
import PostgresDriver

/// Updates the schema of a database to the version that this binary needs.
///
/// Each call uses one connection of its own. Processes that start at the same time take turns by an
/// advisory lock.
public struct Migrator: Sendable {
    /// One migration as the database and this binary see it.
    public struct Status: Sendable, Equatable {
        public enum State: String, Sendable {
            case applied
            case pending
            /// Applied, but the file has changed since.
            case changed
            /// Applied by a newer release; this binary does not have it.
            case unknown
        }

        public let number: Int
        public let name: String
        public let state: State
        /// When it was applied; `nil` if it was not.
        public let appliedAt: Timestamp?
    }

    private let migrations: [Migration]
    private let session: SchemaConnection
    private let logger: Logger
    private let rowSecurity: Bool?

    /// - Parameters:
    ///   - databaseURL: anything that libpq takes.
    ///   - schema: the schema of the tables.
    ///   - rowSecurity: whether ``up()`` enables row-level security or disables it; `nil` changes
    ///     nothing.
    ///   - layout: that of the tables in a Citus cluster; `nil` if there is none.
    ///   - logger: gets a line for each change.
    /// - Throws: ``MemoryError`` with code `misconfigured` for an unusable URL or schema name.
    public init(
        databaseURL: String, schema: String, rowSecurity: Bool? = nil, layout: ClusterLayout? = nil, logger: Logger
    ) throws {
        try self.init(
            databaseURL: databaseURL, schema: schema, rowSecurity: rowSecurity, layout: layout, logger: logger,
            migrations: Migration.all)
    }

    /// A migrator as ``init(databaseURL:schema:rowSecurity:layout:logger:)`` makes it, with other
    /// migrations than the binary's own.
    init(
        databaseURL: String, schema: String, rowSecurity: Bool? = nil, layout: ClusterLayout? = nil, logger: Logger,
        migrations: [Migration]
    ) throws {
        let schema = try SchemaName(schema)
        let connections = PostgresPool.Configuration(
            connection: PostgresConfiguration(connectionString: databaseURL), maximumConnections: 1)
        let pool = try mappingConfiguration { () throws(PostgresError) in try PostgresPool(connections) }
        self.init(
            session: SchemaConnection(pool: pool, schema: schema, layout: layout, logger: logger),
            rowSecurity: rowSecurity, logger: logger, migrations: migrations)
    }

    /// - Parameter session: lends the connections.
    init(
        session: SchemaConnection, rowSecurity: Bool? = nil, logger: Logger, migrations: [Migration] = Migration.all
    ) {
        self.rowSecurity = rowSecurity
        self.migrations = migrations
        self.logger = logger
        self.session = session
    }

    /// Applies the pending migrations, in order.
    ///
    /// - Returns: the names of the migrations that this call has applied.
    /// - Throws: ``MemoryError``: `misconfigured` if an applied file was changed, if the database
    ///   is newer than this binary, if the server or pgvector is too old or pgvector is missing;
    ///   `storeUnavailable` or `timedOut` if the store does not respond; otherwise `internalError`
    ///   that names the migration that failed and those applied before it.
    @discardableResult
    public func up() async throws -> [String] {
        try await mappingPreparation(hasSucceeded: false) {
            try await session.withLock(.migrations) { connection in
                let applied = try await up(on: connection)
                if let rowSecurity {
                    let security = RowSecurity(schema: session.schema, logger: logger)
                    if rowSecurity {
                        try await security.enable(on: connection)
                    } else {
                        try await security.disable(on: connection)
                    }
                }
                return applied
            }
        }
    }

    /// All migrations of the binary or the database. Changes nothing, not even in an empty
    /// database.
    public func status() async throws -> [Status] {
        try await mappingErrors {
            try await session.withConnection { connection in try await status(on: connection) }
        }
    }

    /// The migrations that ``up()`` would apply, in order. Changes nothing.
    ///
    /// - Throws: as ``up()`` for a database that it would refuse.
    public func dryRun() async throws -> [Migration] {
        try pending(try await status())
    }

    func up(on connection: PostgresConnection) async throws -> [String] {
        try await session.prepareExtension(on: connection)
        if try await !hasTable(on: connection) {
            try await connection.script(
                """
                CREATE TABLE \(table) (number bigint PRIMARY KEY, name text NOT NULL, \
                checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())
                """, deadline: SchemaConnection.deadline())
        }
        var applied: [String] = []
        for migration in try pending(try await status(on: connection)) {
            do {
                try await apply(migration, on: connection)
            } catch let error as PostgresError where error.code == .server {
                throw failure(of: migration, error, after: applied)
            }
            applied.append(migration.name)
            logger.info("applied migration", metadata: ["migration": "\(migration.name)"])
        }
        try await session.distribution.settle(on: connection)
        return applied
    }

    private func failure(of migration: Migration, _ error: PostgresError, after applied: [String]) -> any Error {
        let before = applied.isEmpty ? "none" : applied.joined(separator: ", ")
        let text = "the migration \(migration.name) failed; applied before it in this run: \(before)"
        if error.sqlState == "42501" {
            return error.advising(
                "\(text); let the owner of the schema \(session.schema.name) run `agent-memory migrate up`")
        }
        // Errors of syntax and names mention tables, not their content.
        if error.sqlState?.hasPrefix("42") == true {
            let reason = error.underlying.map { ": \($0)" } ?? ""
            return MemoryError(.internalError, text + reason, underlying: error.description)
        }
        // A store that is read-only, full or about to stop is not an error of the migration.
        let mapped = MemoryError(error)
        if mapped.code == .storeUnavailable || mapped.code == .timedOut { return mapped }
        return MemoryError(.internalError, text, underlying: error.description)
    }

    /// - Throws: ``MemoryError`` with code `misconfigured` if migrations are pending or the
    ///   database does not fit this binary.
    func checkUpToDate(on connection: PostgresConnection) async throws {
        let pending = try pending(try await status(on: connection))
        guard let first = pending.first else { return }
        throw MemoryError(
            .misconfigured,
            """
            the database lacks \(pending.count) migration(s) from \(first.name) on: run `agent-memory migrate up`, \
            or let the server apply them
            """, setting: .autoMigrate
        )
    }

    private func apply(_ migration: Migration, on connection: PostgresConnection) async throws {
        let record = PostgresStatement(
            """
            INSERT INTO \(table) (number, name, checksum) \
            VALUES ($1, $2, encode(sha256(convert_to($3, 'UTF8')), 'hex'))
            """,
            [.int8(Int64(migration.number)), .text(migration.name), .text(migration.sql)])
        let deadline = SchemaConnection.deadline()
        guard migration.isTransactional else {
            try await connection.script(migration.sql, deadline: deadline)
            try await connection.query(record, deadline: deadline)
            return
        }
        try await connection.withTransaction(deadline: deadline) {
            for command in SQLScript.commands(of: migration.sql) {
                try await connection.script(command, deadline: deadline)
            }
            try await connection.query(record, deadline: deadline)
        }
    }

    /// With its schema: other programs use a table of that name too, which the search path may
    /// reach.
    private var table: String { "\(session.schema.quoted).schema_migrations" }

    private func hasTable(on connection: PostgresConnection) async throws -> Bool {
        try await connection.query(
            PostgresStatement(
                """
                SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = 'schema_migrations')
                """, [.text(session.schema.name)]), deadline: SchemaConnection.deadline()
        ).singleRow().bool(0)
    }

    private func status(on connection: PostgresConnection) async throws -> [Status] {
        let deadline = SchemaConnection.deadline()
        let exists = try await hasTable(on: connection)
        var known: [Int: (name: String, changed: Bool, at: Int64)] = [:]
        if exists {
            // The server computes the files' checksums too, so that both sides agree.
            let rows = try await connection.query(
                PostgresStatement(
                    """
                    SELECT a.number, a.name, a.applied_at, \
                    coalesce(a.checksum <> encode(sha256(convert_to(f.sql, 'UTF8')), 'hex'), false) \
                    FROM \(table) a LEFT JOIN unnest($1::bigint[], $2::text[]) AS f (number, sql) \
                    ON f.number = a.number
                    """,
                    [.int8Array(migrations.map { Int64($0.number) }), .textArray(migrations.map(\.sql))]),
                deadline: deadline)
            for row in rows.rows { known[try row.int(0)] = (try row.text(1), try row.bool(3), try row.timestamp(2)) }
        }
        var statuses = migrations.map { migration in
            let entry = known.removeValue(forKey: migration.number)
            return Status(
                number: migration.number, name: migration.name,
                state: entry.map { $0.changed ? .changed : .applied } ?? .pending,
                appliedAt: entry.flatMap { Timestamp(microseconds: $0.at) })
        }
        for (number, entry) in known {
            statuses.append(
                Status(
                    number: number, name: entry.name, state: .unknown, appliedAt: Timestamp(microseconds: entry.at)))
        }
        return statuses.sorted { $0.number < $1.number }
    }

    private func pending(_ statuses: [Status]) throws(MemoryError) -> [Migration] {
        if let newer = statuses.last(where: { $0.state == .unknown }) {
            throw MemoryError(
                .misconfigured,
                """
                the database is newer than this server: it has the migration \(newer.name), which this release does \
                not know
                """
            )
        }
        if let changed = statuses.first(where: { $0.state == .changed }) {
            throw MemoryError(
                .misconfigured,
                "the migration \(changed.name) was changed after it was applied; restore the original file")
        }
        let numbers = Set(statuses.filter { $0.state == .pending }.map(\.number))
        return migrations.filter { numbers.contains($0.number) }.sorted { $0.number < $1.number }
    }
}
