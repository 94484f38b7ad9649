public import AgentMemory
import Logging
import PostgresDriver

extension PgvectorMemoryDatabase {
    public func prepare() async throws {
        try await preparation.perform { try await prepareNow() }
    }

    func prepareNow() async throws {
        try await mappingErrors {
            let migrator = try Migrator(
                databaseURL: configuration.databaseURL, schema: configuration.schema, logger: logger)
            let index = VectorIndex(space: sql.space, logger: logger)
            try await session.withLock { connection in
                if configuration.autoMigrate {
                    _ = try await migrator.up(on: connection)
                } else {
                    try await session.checkExtension(on: connection)
                    try await migrator.checkUpToDate(on: connection)
                }
                try await index.ensure(on: connection)
            }
            // Connections made before may lack the schema of the extension in their search path.
            pool.reset()
        }
    }

    public func run() async throws {
        while !Task.isCancelled {
            do {
                if preparation.isDone {
                    try await foldTotals()
                } else {
                    try await prepare()
                }
                try await Task.sleep(for: .seconds(5))
            } catch is CancellationError {
                return
            } catch let error as MemoryError where error.code == .misconfigured && !preparation.hasSucceeded {
                // The store came up late, and cannot go with these settings: as at a start with the store there.
                throw error
            } catch {
                logger.warning("the store is not ready", metadata: ["error": "\(error)"])
                if let error = error as? PostgresError, error.isMissingSchema { preparation.invalidate() }
                do { try await Task.sleep(for: .seconds(1)) } catch { return }
            }
        }
    }

    /// Makes one row of those that writers have added to the totals, leaving alone the ones that are locked.
    static let totalsFold = PostgresStatement(
        """
        WITH taken AS (DELETE FROM memory_totals WHERE ctid = ANY (ARRAY(SELECT ctid FROM memory_totals \
        FOR UPDATE SKIP LOCKED)) RETURNING records, words) \
        INSERT INTO memory_totals SELECT sum(records), sum(words) FROM taken HAVING count(*) > 0
        """)

    private func foldTotals() async throws {
        let deadline = ContinuousClock.now + configuration.timeout
        let rows = try await pool.query(
            PostgresStatement("SELECT count(*) FROM memory_totals"), retry: .repeatable, deadline: deadline
        ).singleRow().int(0)
        guard rows > 16 else { return }
        _ = try await pool.query(Self.totalsFold, retry: .onlyIfNotExecuted, deadline: deadline)
    }

    public func health() async -> [ComponentHealth] {
        do {
            let deadline = ContinuousClock.now + configuration.timeout
            let version = PostgresStatement(
                """
                SELECT current_setting('server_version'), \
                coalesce((SELECT extversion FROM pg_extension WHERE extname = 'vector'), '')
                """)
            let row = try await pool.query(version, retry: .repeatable, deadline: deadline).singleRow()
            let server = try row.text(0).split(separator: " ").first.map(String.init) ?? ""
            let vector = try row.text(1)
            let store = ComponentHealth(
                "store", reason: vector.isEmpty ? "the extension vector is missing" : nil,
                version: vector.isEmpty ? "PostgreSQL \(server)" : "PostgreSQL \(server), pgvector \(vector)")
            return [store, await indexHealth(deadline)]
        } catch {
            let reason = (error as? PostgresError).map { MemoryError($0).message } ?? "the check was cancelled"
            return [
                ComponentHealth("store", reason: reason), ComponentHealth("index", reason: "the store cannot be asked"),
            ]
        }
    }

    private func indexHealth(_ deadline: ContinuousClock.Instant) async -> ComponentHealth {
        guard preparation.isDone else { return ComponentHealth("index", reason: "the schema is still being prepared") }
        do {
            let result = try await pool.query(VectorIndex.listing, retry: .repeatable, deadline: deadline)
            guard sql.space.algorithm == .hnsw else { return ComponentHealth("index") }
            for row in result.rows where try row.text(0) == sql.space.indexName {
                return ComponentHealth("index", reason: try row.bool(1) ? nil : "the vector index is not complete")
            }
            return ComponentHealth("index", reason: "the vector index is missing")
        } catch {
            return ComponentHealth(
                "index", reason: (error as? PostgresError).map { MemoryError($0).message } ?? "cancelled")
        }
    }
}
