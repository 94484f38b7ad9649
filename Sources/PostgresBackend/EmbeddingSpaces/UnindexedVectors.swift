import AgentMemory
import Logging
import PostgresDriver

/// The vectors in one table that wait outside of its HNSW index
/// (`Migrations/0014_defer_indexing.sql`).
///
/// A row has its vector either in `embedding`, which the index covers, or in ``column``. Inserting
/// a vector into the index takes many times as long as storing it; a scan of a few thousand takes
/// little.
struct UnindexedVectors: Sendable {
    static let column = "unindexed"

    /// The table of the vectors.
    let vectors: String

    /// The index of the rows that wait.
    private var indexName: String { "\(vectors)_\(Self.column)" }

    /// From this many vectors on the index is built without blocking writers.
    private static let concurrentFrom = 5000

    /// Without statistics the planner takes few rows to wait, and always reads them by their index,
    /// however long ago it has counted.
    var columnDefinition: String {
        """
        ALTER TABLE \(vectors) ADD COLUMN IF NOT EXISTS \(Self.column) vector; \
        ALTER TABLE \(vectors) ALTER COLUMN \(Self.column) SET STORAGE EXTERNAL, \
        ALTER COLUMN \(Self.column) SET STATISTICS 0, ALTER COLUMN embedding SET STATISTICS 0, \
        ALTER COLUMN embedding DROP NOT NULL
        """
    }

    /// Creates the column and the index of what waits, unless they exist; the caller holds the lock
    /// of the vector index.
    ///
    /// - Parameter creates: whether to create what is missing.
    /// - Returns: whether the column exists. A user who may not create it inserts each vector into
    ///   the HNSW index.
    func ensure(on connection: PostgresConnection, creates: Bool, logger: Logger) async throws -> Bool {
        let deadline = SchemaConnection.deadline()
        let state = try await connection.query(state, deadline: deadline).singleRow()
        let (exists, isIndexed) = (try state.bool(0), try state.bool(1))
        if isIndexed || !creates { return exists }
        do {
            if !exists {
                try await connection.withoutBlocking {
                    try await connection.script(columnDefinition, deadline: deadline)
                }
            }
            let many =
                try await connection.query(
                    PostgresStatement(
                        "SELECT count(*) FROM (SELECT 1 FROM \(vectors) LIMIT $1) probe",
                        [.int8(Int64(Self.concurrentFrom))]),
                    deadline: deadline
                ).singleRow().int(0) >= Self.concurrentFrom
            let mode = many ? "CONCURRENTLY " : ""
            if many { logger.info("building an index", metadata: ["index": "\(indexName)"]) }
            // One is left if an earlier build was interrupted.
            try await connection.script("DROP INDEX \(mode)IF EXISTS \(indexName)", deadline: deadline)
            try await connection.script(
                "CREATE INDEX \(mode)\(indexName) ON \(vectors) (number) WHERE embedding IS NULL", deadline: deadline)
            return true
        } catch let error as PostgresError where error.sqlState == "42501" {
            logger.notice(
                "writes insert each vector into the index: `agent-memory migrate up` of the schema's owner lets them wait"
            )
            return exists
        }
    }

    /// One row: whether the column exists, and whether the index of what waits does.
    var state: PostgresStatement {
        PostgresStatement(
            """
            SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = '\(vectors)'::regclass \
            AND attname = '\(Self.column)' AND NOT attisdropped), \
            coalesce((SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('\(indexName)')), false)
            """)
    }

    // MARK: Moving into the index

    /// One row: how many vectors wait, at most `limit`.
    func count(limit: Int) -> PostgresStatement {
        PostgresStatement(
            "SELECT count(*) FROM (SELECT FROM \(vectors) e WHERE e.embedding IS NULL LIMIT $1) waiting",
            [.int8(Int64(limit))])
    }

    /// Moves at most `limit` vectors into the index, except those that are being written; none
    /// while another server moves some. A crash undoes nothing that a client was told, so the
    /// transaction does not wait for the disk.
    func move(limit: Int) -> [PostgresStatement] {
        [
            PostgresStatement(
                """
                SELECT set_config('agent_memory.moves_vectors', 'on', true), \
                set_config('synchronous_commit', 'off', true)
                """),
            PostgresStatement(
                """
                UPDATE \(vectors) SET embedding = \(Self.column), \(Self.column) = NULL WHERE number = ANY (ARRAY(\
                SELECT e.number FROM \(vectors) e WHERE e.embedding IS NULL AND e.\(Self.column) IS NOT NULL \
                AND (SELECT pg_try_advisory_xact_lock(\
                hashtextextended('agent-memory moves ' || current_schema() || ' ' || $1::text, 0))) \
                ORDER BY e.number LIMIT $2 FOR UPDATE SKIP LOCKED))
                """, [.text(vectors), .int8(Int64(limit))]),
        ]
    }
}

/// Where a writer stores a vector.
struct VectorPlace: Sendable, Equatable {
    /// The table of the vectors.
    let table: String
    /// Whether ``UnindexedVectors/column`` exists.
    let hasUnindexed: Bool
    /// Whether vectors wait outside of the index.
    let waits: Bool
    /// The column that the table shares with `memories`.
    var key = "number"

    /// The end of a statement that stores the rows of `source`, a ``key`` and a vector each.
    func insertion(_ source: String) -> String {
        let column = waits ? UnindexedVectors.column : "embedding"
        let columns = hasUnindexed ? ["embedding", UnindexedVectors.column] : ["embedding"]
        let assignments = columns.map { "\($0) = excluded.\($0)" }.joined(separator: ", ")
        return """
            INSERT INTO \(table) (\(key), \(column)) \(source) ON CONFLICT (\(key)) DO UPDATE SET \(assignments)
            """
    }
}
