import AgentMemory
import Logging
import PostgresDriver

/// The models that made the vectors, in the table `vector_spaces`. Callers hold the lock
/// `vectorSpaces`.
struct EmbeddingSpaceRegistry: Sendable {
    /// The space of this process's embedder.
    let space: EmbeddingSpace
    /// How the tables lie in a cluster.
    var layout: ClusterLayout?
    let logger: Logger

    private static let first = "memory_embeddings"

    /// The space that a server searches and writes; created if the store is empty.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` if the store contains vectors of other
    ///   models only.
    func settle(on connection: PostgresConnection) async throws -> RecordedSpace {
        let recorded = try await recorded(on: connection)
        if let own = recorded.usable(for: space) {
            return own.space == space ? own : try await adopt(own, on: connection)
        }
        if let own = try await takeEmptyStore(recorded, on: connection) { return own }
        throw recorded.refusal(of: space)
    }

    /// The space that `agent-memory reembed` fills; created if it is not recorded.
    func begin(on connection: PostgresConnection) async throws -> RecordedSpace {
        let recorded = try await recorded(on: connection)
        if let own = recorded.first(where: { $0.space == space }) { return own }
        if let own = try await takeEmptyStore(recorded, on: connection) { return own }
        return try await connection.withoutBlocking { try await make(isReady: false, on: connection) }
    }

    /// All recorded spaces, in the order of their numbers. Vectors of an older schema are recorded
    /// first, without a model.
    func recorded(on connection: PostgresConnection) async throws -> [RecordedSpace] {
        let deadline = SchemaConnection.deadline()
        let listing = PostgresStatement(
            "SELECT number, model, dimensions::bigint, is_ready FROM vector_spaces ORDER BY number")
        let listed = try await connection.query(listing, deadline: deadline)
        if listed.count == 0 {
            // As JSON, because the table may lack the column.
            let waiting = layout == nil ? "(to_jsonb(e)->>'\(UnindexedVectors.column)')::vector" : "NULL"
            let lengths = try await connection.query(
                PostgresStatement(
                    "SELECT vector_dims(coalesce(embedding, \(waiting)))::bigint FROM \(Self.first) e LIMIT 1"),
                deadline: deadline)
            guard lengths.count > 0 else { return [] }
            let unknown = EmbeddingSpace(model: nil, dimensions: try lengths[0].int(0))
            return [try await record(1, unknown, isReady: true, on: connection)]
        }
        return try listed.rows.map { row in
            RecordedSpace(
                number: try row.int(0),
                space: EmbeddingSpace(model: try row.optionalText(1), dimensions: try row.int(2)),
                isReady: try row.bool(3))
        }
    }

    /// Lets servers search in the own space.
    func markReady(on connection: PostgresConnection) async throws {
        let changed = try await connection.query(
            PostgresStatement(
                "UPDATE vector_spaces SET is_ready = true WHERE model = $1 AND dimensions = $2", own),
            deadline: SchemaConnection.deadline()
        ).affectedRows
        guard changed == 1 else {
            throw MemoryError(
                .storeUnavailable, "the vectors of \(space) were removed meanwhile: run `agent-memory reembed` again")
        }
    }

    /// Drops the tables of all other spaces and removes their records.
    ///
    /// - Returns: the own space, and those that were dropped.
    /// - Throws: ``MemoryError`` with code `misconfigured` if the own space does not exist or is
    ///   not ready.
    func dropOthers(on connection: PostgresConnection) async throws -> (own: RecordedSpace, dropped: [EmbeddingSpace]) {
        let recorded = try await recorded(on: connection)
        guard let own = recorded.first(where: { $0.space == space }), own.isReady else {
            throw recorded.refusal(of: space)
        }
        let others = recorded.filter { $0.number != own.number }
        for other in others { try await drop(other, on: connection) }
        return (own, others.map(\.space))
    }

    // MARK: Making and removing

    private var own: [PostgresValue] { [.text(space.model), .int4(Int32(space.dimensions))] }

    /// Vectors without a recorded model become those of the own model.
    private func adopt(_ unknown: RecordedSpace, on connection: PostgresConnection) async throws -> RecordedSpace {
        _ = try await connection.query(
            PostgresStatement(
                "UPDATE vector_spaces SET model = $2 WHERE number = $1",
                [.int8(Int64(unknown.number)), .text(space.model)]), deadline: SchemaConnection.deadline())
        logger.notice(
            "the store has no record of the embedding model of its vectors; they are now recorded as those of the configured one",
            metadata: ["embedding_model": "\(space)"])
        return RecordedSpace(number: unknown.number, space: space, isReady: true)
    }

    /// A store without records has no vectors that could be lost: its space becomes that of the own
    /// model.
    ///
    /// - Returns: `nil` if there are records.
    private func takeEmptyStore(
        _ recorded: [RecordedSpace], on connection: PostgresConnection
    ) async throws -> RecordedSpace? {
        guard !recorded.isEmpty else { return try await record(1, space, isReady: true, on: connection) }
        // Most stores have records: then no lock is needed.
        guard try await hasNoRecords(connection) else { return nil }
        let taken = try await connection.withoutBlocking { () async throws -> RecordedSpace? in
            // Excludes writers between the check and the change; readers continue.
            try await connection.script(
                "LOCK TABLE memories IN SHARE ROW EXCLUSIVE MODE", deadline: SchemaConnection.deadline())
            guard try await hasNoRecords(connection) else { return nil }
            return try await make(isReady: true, on: connection)
        }
        if taken != nil {
            for other in recorded { try await drop(other, on: connection) }
        }
        return taken
    }

    private func hasNoRecords(_ connection: PostgresConnection) async throws -> Bool {
        try await connection.query(
            PostgresStatement("SELECT NOT EXISTS (SELECT 1 FROM memories)"), deadline: SchemaConnection.deadline()
        ).singleRow().bool(0)
    }

    /// Creates a table for the own vectors, and its row.
    private func make(isReady: Bool, on connection: PostgresConnection) async throws -> RecordedSpace {
        let deadline = SchemaConnection.deadline()
        let next = PostgresStatement("SELECT nextval(pg_get_serial_sequence('vector_spaces', 'number'))")
        let number = try await connection.query(next, deadline: deadline).singleRow().int(0)
        let made = RecordedSpace(number: number, space: space, isReady: isReady)
        // As 0001_create_memories.sql creates the first one.
        let script =
            """
            CREATE TABLE \(made.table) (number bigint PRIMARY KEY REFERENCES memories ON DELETE CASCADE, \
            embedding vector NOT NULL) WITH (toast_tuple_target = 8160); \
            ALTER TABLE \(made.table) ALTER COLUMN embedding SET STORAGE EXTERNAL; \
            \(UnindexedVectors(vectors: made.table).columnDefinition)
            """
        let commands =
            layout.map { ClusterShape(layout: $0).creation(ofVectors: made.table) } ?? SQLScript.commands(of: script)
        for command in commands { try await connection.script(command, deadline: deadline) }
        return try await record(number, space, isReady: isReady, on: connection)
    }

    private func record(
        _ number: Int, _ space: EmbeddingSpace, isReady: Bool, on connection: PostgresConnection
    ) async throws -> RecordedSpace {
        let made = RecordedSpace(number: number, space: space, isReady: isReady)
        _ = try await connection.query(
            PostgresStatement(
                """
                INSERT INTO vector_spaces (number, table_name, model, dimensions, is_ready) VALUES ($1, $2, $3, $4, $5)
                """,
                [
                    .int8(Int64(number)), .text(made.table), .text(space.model), .int4(Int32(space.dimensions)),
                    .bool(isReady),
                ]), deadline: SchemaConnection.deadline())
        return made
    }

    /// Table and row together: a table without its row would keep vectors of texts that have
    /// changed.
    private func drop(_ space: RecordedSpace, on connection: PostgresConnection) async throws {
        try await connection.withoutBlocking {
            for command in [
                "DROP TABLE IF EXISTS \(space.table), \(VectorCodes(vectors: space.table).table)",
                "DELETE FROM vector_spaces WHERE number = \(space.number)",
            ] {
                try await connection.script(command, deadline: SchemaConnection.deadline())
            }
        }
    }
}

extension PostgresConnection {
    /// Runs a transaction that locks `memories` for a moment. Other statements wait as long as it
    /// waits for its lock, so it does not wait for a long search or a vacuum, but gives up and
    /// retries.
    func withoutBlocking<Value: Sendable>(_ work: () async throws -> Value) async throws -> Value {
        let deadline = SchemaConnection.deadline()
        while true {
            do {
                return try await withTransaction(deadline: deadline) {
                    try await script("SET LOCAL lock_timeout = '300ms'", deadline: deadline)
                    return try await work()
                }
            } catch let error as PostgresError where error.sqlState == "55P03" || error.isTransactionConflict {
                try await Task.sleep(for: .milliseconds(200))
            }
        }
    }
}

extension RecordedSpace {
    /// The table of the vectors.
    var table: String { number == 1 ? "memory_embeddings" : "memory_embeddings_\(number)" }
}
