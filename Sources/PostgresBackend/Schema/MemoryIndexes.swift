import AgentMemory
import Logging
import PostgresDriver

/// The indexes of the table `memories` that no migration builds, because a large table would have
/// to do without writers meanwhile.
struct MemoryIndexes: Sendable {
    let logger: Logger

    private static let definitions = [
        (name: "memories_metadata_terms", definition: "USING gin (\(RecordSQL.metadataTerms))"),
        (name: "memories_without_terms", definition: "(number) WHERE \(RecordSQL.metadataTerms) IS NULL"),
        (name: "memories_expires_at", definition: "(expires_at) WHERE expires_at IS NOT NULL"),
    ]

    /// From this many records on an index is built without blocking writers.
    private static let concurrentFrom = 5000

    /// The names of the indexes that are missing, or whose build was interrupted.
    func missing(on connection: PostgresConnection) async throws -> [String] {
        let valid = try await connection.query(
            PostgresStatement(
                """
                SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
                WHERE i.indrelid = 'memories'::regclass AND i.indisvalid
                """), deadline: SchemaConnection.deadline()
        ).rows.map { try $0.text(0) }
        return Self.definitions.map(\.name).filter { !valid.contains($0) }
    }

    /// Builds the missing indexes; the caller holds the lock of this work.
    ///
    /// - Throws: ``PostgresError`` that says what to do if the user may not create an index.
    func ensure(on connection: PostgresConnection) async throws {
        let missing = try await missing(on: connection)
        let deadline = SchemaConnection.deadline()
        do {
            for (name, definition) in Self.definitions where missing.contains(name) {
                let records = try await connection.query(
                    PostgresStatement(
                        "SELECT count(*) FROM (SELECT 1 FROM memories LIMIT $1) probe",
                        [.int8(Int64(Self.concurrentFrom))]), deadline: deadline
                ).singleRow().int(0)
                let mode = records >= Self.concurrentFrom ? "CONCURRENTLY " : ""
                if !mode.isEmpty { logger.info("building an index", metadata: ["index": "\(name)"]) }
                try await connection.script("DROP INDEX \(mode)IF EXISTS \(name)", deadline: deadline)
                try await connection.script(
                    "CREATE INDEX \(mode)\(name) ON memories \(definition)", deadline: deadline)
            }
        } catch let error as PostgresError where error.sqlState == "42501" {
            throw error.advising(
                """
                the table memories lacks the indexes \(missing.joined(separator: ", ")): let the owner of the schema \
                run `agent-memory migrate up` with the settings of the server
                """)
        }
    }
}
