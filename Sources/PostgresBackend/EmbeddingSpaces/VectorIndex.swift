import AgentMemory
import Logging
import PostgresDriver

/// The part of the schema that depends on settings: the length of vectors, and their index.
struct VectorIndex: Sendable {
    let space: VectorSpace
    let logger: Logger

    /// From this many vectors on the index is built without blocking writers; for a smaller table
    /// the other way is faster.
    private static let concurrentFrom = 5000

    /// Creates what is missing; the caller holds the lock of the index. If nothing is missing, only
    /// the right to read is needed.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` if the stored vectors have another
    ///   length; ``PostgresError`` that says what to do if the user may not create what is missing.
    func ensure(on connection: PostgresConnection) async throws {
        do {
            try await ensureDimensions(on: connection)
            guard space.algorithm == .hnsw else { return }
            try await ensureIndex(on: connection)
        } catch let error as PostgresError where error.sqlState == "42501" {
            throw error.advising(
                """
                the table \(space.table) is not ready for vectors of \(space.dimensions) dimensions with the metric \
                \(space.metric.rawValue): let the owner of the schema run `agent-memory migrate up` with the settings of \
                the server
                """)
        }
    }

    /// Permits vectors of the right length only; the caller holds the lock of the index.
    func ensureDimensions(on connection: PostgresConnection) async throws {
        let deadline = SchemaConnection.deadline()
        let existing = try await connection.query(
            PostgresStatement(
                """
                SELECT conname::text FROM pg_constraint \
                WHERE conrelid = '\(space.table)'::regclass AND starts_with(conname::text, $1)
                """, [.text(VectorSpace.constraintPrefix)]), deadline: deadline
        ).rows.map { try $0.text(0) }
        let wanted = [space.constraintName] + (space.hasUnindexed ? [space.unindexedConstraintName] : [])
        if Set(existing) == Set(wanted) { return }
        if existing == [space.constraintName] {
            // No row has to be checked: the column is new.
            return try await connection.withoutBlocking {
                try await connection.script(
                    "ALTER TABLE \(space.table) ADD CONSTRAINT \(space.unindexedConstraintName) \(unindexedCheck) NOT VALID",
                    deadline: deadline)
            }
        }
        try await connection.withTransaction(deadline: deadline) {
            try await connection.script("LOCK TABLE \(space.table) IN ACCESS EXCLUSIVE MODE", deadline: deadline)
            let stored = try await connection.query(
                PostgresStatement(
                    """
                    SELECT vector_dims(\(space.storedVector))::bigint FROM \(space.table) e \
                    WHERE vector_dims(\(space.storedVector)) <> $1 LIMIT 1
                    """,
                    [.int4(Int32(space.dimensions))]), deadline: deadline)
            if stored.count > 0 {
                throw MemoryError(
                    .misconfigured,
                    """
                    the stored vectors have \(try stored[0].int(0)) dimensions, \
                    the embedding model has \(space.dimensions): \
                    set the model that the data was made with, or use another schema
                    """)
            }
            // No vector of another length is stored, so an index for another length is empty.
            // Deleted vectors still take space and would fail the build of the new one: emptying
            // the table removes them.
            let isEmpty = try await connection.query(
                PostgresStatement("SELECT NOT EXISTS (SELECT 1 FROM \(space.table))"), deadline: deadline
            ).singleRow().bool(0)
            // A text that was changed may have left a code behind.
            let codes = VectorCodes(vectors: space.table).table
            let hasCodes = try await connection.query(
                PostgresStatement("SELECT to_regclass('\(codes)') IS NOT NULL"), deadline: deadline
            ).singleRow().bool(0)
            let tables = hasCodes ? "\(space.table), \(codes)" : space.table
            let stale = try await indexes(on: connection).filter { $0.name != space.indexName }
            let changes =
                (isEmpty ? ["TRUNCATE \(tables)"] : [])
                + existing.map { "ALTER TABLE \(space.table) DROP CONSTRAINT \($0)" }
                + stale.map { "DROP INDEX \($0.name)" }
                + [
                    """
                    ALTER TABLE \(space.table) ADD CONSTRAINT \(space.constraintName) \
                    CHECK (vector_dims(embedding) = \(space.dimensions))
                    """
                ]
                + (space.hasUnindexed
                    ? ["ALTER TABLE \(space.table) ADD CONSTRAINT \(space.unindexedConstraintName) \(unindexedCheck)"]
                    : [])
            for change in changes { try await connection.script(change, deadline: deadline) }
        }
    }

    private var unindexedCheck: String { "CHECK (vector_dims(\(UnindexedVectors.column)) = \(space.dimensions))" }

    func ensureIndex(on connection: PostgresConnection) async throws {
        let deadline = SchemaConnection.deadline()
        var existing = try await indexes(on: connection)
        if let broken = existing.first(where: { $0.name == space.indexName && !$0.isValid }) {
            logger.warning("an earlier build of the vector index was interrupted; building it again")
            try await connection.script("DROP INDEX CONCURRENTLY \(broken.name)", deadline: deadline)
            existing.removeAll { $0.name == broken.name }
        }
        if !existing.contains(where: { $0.name == space.indexName }) {
            let count = try await connection.query(
                PostgresStatement(
                    "SELECT count(*) FROM (SELECT 1 FROM \(space.table) LIMIT $1) probe",
                    [.int8(Int64(VectorSpace.wideFrom))]), deadline: deadline
            ).singleRow().int(0)
            let many = count >= Self.concurrentFrom
            if many { logger.info("building the vector index", metadata: ["index": "\(space.indexName)"]) }
            try await connection.script(
                "CREATE INDEX \(many ? "CONCURRENTLY " : "")\(space.indexDefinition(ofVectors: count))",
                deadline: deadline)
        } else if try await connection.query(isNarrow, deadline: deadline).singleRow().bool(0) {
            // For the vectors to come; those that are there keep their edges until a REINDEX.
            logger.info("widening the insertions into the vector index", metadata: ["index": "\(space.indexName)"])
            try await connection.withoutBlocking {
                try await connection.script(
                    "ALTER INDEX \(space.indexName) SET (\(VectorSpace.wideOption))", deadline: deadline)
            }
        }
        // An index of other settings makes writes slower, but does no harm: it stays if the user
        // may not drop it.
        for stale in existing where stale.name != space.indexName && stale.isOwn {
            logger.info("dropping the vector index of other settings", metadata: ["index": "\(stale.name)"])
            try await connection.script("DROP INDEX CONCURRENTLY IF EXISTS \(stale.name)", deadline: deadline)
        }
    }

    /// One row: whether the index was made for fewer vectors than there are, and the user may alter
    /// it. One that was given options by hand keeps them.
    private var isNarrow: PostgresStatement {
        PostgresStatement(
            """
            SELECT coalesce((SELECT c.reloptions IS NULL AND pg_has_role(c.relowner, 'USAGE') AND t.reltuples >= $1 \
            FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid \
            WHERE i.indexrelid = to_regclass('\(space.indexName)')), false)
            """, [.int8(Int64(VectorSpace.wideFrom))])
    }

    private func indexes(
        on connection: PostgresConnection
    ) async throws -> [(name: String, isValid: Bool, isOwn: Bool)] {
        try await connection.query(listing, deadline: SchemaConnection.deadline())
            .rows.map { (try $0.text(0), try $0.bool(1), try $0.bool(2)) }
    }

    /// The names of all vector indexes, whether each is valid, and whether the user has its owner's
    /// rights.
    var listing: PostgresStatement {
        PostgresStatement(
            """
            SELECT c.relname::text, i.indisvalid, pg_has_role(c.relowner, 'USAGE') FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
            WHERE i.indrelid = '\(space.table)'::regclass AND starts_with(c.relname::text, $1)
            """, [.text(space.indexPrefix)])
    }
}
