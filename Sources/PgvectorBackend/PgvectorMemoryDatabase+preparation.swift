public import AgentMemory
import Logging
import PostgresDriver

extension PgvectorMemoryDatabase {
    public func prepare() async throws {
        try await preparation.perform(evenIfDone: true) { try await prepareNow(evenIfDone: true) }
    }

    /// - Parameter evenIfDone: whether to look at the tables again after they were made.
    func prepareNow(evenIfDone: Bool) async throws {
        try await database.prepare(evenIfDone: evenIfDone)
        try await mappingPreparation(hasSucceeded: preparation.hasSucceeded) {
            let session = database.session
            let registry = SpaceRegistry(space: EmbeddingSpace(of: embedder), logger: logger)
            let own = try await session.withLock(.vectorSpaces) { connection in
                try await registry.settle(on: connection)
            }
            settle(on: own.table)
            let index = VectorIndex(space: space, logger: logger)
            try await session.withLock(.vectorIndex(of: own.table)) { connection in
                try await index.ensure(on: connection)
            }
        }
    }

    public func run() async throws {
        try await database.keepUp(
            every: .seconds(5), after: preparation,
            prepare: { try await preparation.perform(evenIfDone: false) { try await prepareNow(evenIfDone: false) } }
        ) {
            try await foldTotals()
            try await restoreIndex()
            try await completeVectors()
        }
    }

    /// Makes the index again where it has gone missing, as on another server that took over, while calls go on without it.
    private func restoreIndex() async throws {
        guard space.algorithm == .hnsw else { return }
        let index = VectorIndex(space: space, logger: logger)
        let listed = try await pool.query(index.listing, retry: .repeatable, deadline: database.deadline)
        guard try !listed.rows.contains(where: { try $0.text(0) == space.indexName }) else { return }
        try await database.session.withLock(.vectorIndex(of: space.table)) { connection in
            try await index.ensure(on: connection)
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
        let deadline = database.deadline
        let rows = try await pool.query(
            PostgresStatement("SELECT count(*) FROM memory_totals"), retry: .repeatable, deadline: deadline
        ).singleRow().int(0)
        guard rows > 16 else { return }
        _ = try await pool.query(Self.totalsFold, retry: .onlyIfNotExecuted, deadline: deadline)
    }

    public func health() async -> [ComponentHealth] {
        do {
            let version = PostgresStatement(
                """
                SELECT current_setting('server_version'), \
                coalesce((SELECT extversion FROM pg_extension WHERE extname = 'vector'), ''), \
                coalesce((SELECT quote_ident(n.nspname) FROM pg_extension e \
                JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector' \
                AND NOT has_schema_privilege(n.oid, 'USAGE')), '')
                """)
            let isPrepared = database.preparation.isDone
            // Before the tables are there, only the server can be asked.
            let row =
                isPrepared
                ? try await database.checkWrites(version).singleRow()
                : try await pool.query(version, retry: .repeatable, deadline: database.deadline).singleRow()
            let (vector, closed) = (try row.text(1), try row.text(2))
            let server = "PostgreSQL \(PostgresDatabase.number(ofVersion: try row.text(0)))"
            let reason: String? =
                if vector.isEmpty {
                    "the extension vector is missing"
                } else if !closed.isEmpty {
                    "the extension vector is in the schema \(closed), on which the database user lacks USAGE"
                } else if !isPrepared {
                    "the tables are \(database.preparation.reason)"
                } else {
                    nil
                }
            let store = ComponentHealth(
                "store", reason: reason, version: vector.isEmpty ? server : "\(server), pgvector \(vector)")
            return [store, await indexHealth(database.deadline)]
        } catch {
            return [
                ComponentHealth("store", reason: PostgresDatabase.reason(error)),
                ComponentHealth("index", reason: "the store cannot be asked"),
            ]
        }
    }

    private func indexHealth(_ deadline: ContinuousClock.Instant) async -> ComponentHealth {
        guard preparation.isDone else { return ComponentHealth("index", reason: "the index is \(preparation.reason)") }
        do {
            let result = try await pool.query(
                VectorIndex(space: space, logger: logger).listing, retry: .repeatable, deadline: deadline)
            guard space.algorithm == .hnsw else { return ComponentHealth("index") }
            for row in result.rows where try row.text(0) == space.indexName {
                return ComponentHealth("index", reason: try row.bool(1) ? nil : "the vector index is not complete")
            }
            return ComponentHealth("index", reason: "the vector index is missing")
        } catch {
            return ComponentHealth("index", reason: PostgresDatabase.reason(error))
        }
    }
}
