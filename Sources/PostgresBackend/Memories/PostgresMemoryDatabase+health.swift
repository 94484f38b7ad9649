public import AgentMemory
import Logging
import PostgresDriver

extension PostgresMemoryDatabase {
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
            // Before the tables exist, only the server can be checked.
            let row =
                isPrepared
                ? try await database.checkWrites(version).singleRow()
                : try await database.query(version, retry: .repeatable, deadline: database.deadline).singleRow()
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
                "store", reason: reason, version: vector.isEmpty ? server : "\(server), pgvector \(vector)",
                warning: preparation.isDone ? try await memoryAdvice() : nil)
            return [store, await indexHealth(database.deadline)] + (await replicaHealth())
        } catch {
            return [
                ComponentHealth("store", reason: PostgresDatabase.reason(error)),
                ComponentHealth("index", reason: "the store cannot be queried"),
            ] + (await replicaHealth())
        }
    }

    private func replicaHealth() async -> [ComponentHealth] {
        guard let replica = database.replica else { return [] }
        return [await replica.health()]
    }

    /// What to configure on the server for what is stored; `nil` if it fits.
    func memoryAdvice() async throws -> String? {
        let row = try await pool.query(
            ServerMemory.statement(space), retry: .repeatable, deadline: database.deadline
        ).singleRow()
        return try ServerMemory(row).advice
    }

    private func indexHealth(_ deadline: ContinuousClock.Instant) async -> ComponentHealth {
        guard preparation.isDone else { return ComponentHealth("index", reason: "the index is \(preparation.reason)") }
        do {
            let result = try await database.query(
                VectorIndex(space: space, logger: logger).listing, retry: .repeatable, deadline: deadline)
            let warning = reanalysis.warning ?? tokenSweep.notice
            guard space.algorithm == .hnsw else { return ComponentHealth("index", warning: warning) }
            for row in result.rows where try row.text(0) == space.indexName {
                return ComponentHealth(
                    "index", reason: try row.bool(1) ? nil : "the vector index is not complete", warning: warning)
            }
            return ComponentHealth("index", reason: "the vector index is missing")
        } catch {
            return ComponentHealth("index", reason: PostgresDatabase.reason(error))
        }
    }
}
