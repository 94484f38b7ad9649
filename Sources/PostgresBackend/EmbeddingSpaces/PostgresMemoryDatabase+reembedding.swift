public import AgentMemory
import Logging
import PostgresDriver

extension PostgresMemoryDatabase: ReembeddableDatabase {
    private var registry: EmbeddingSpaceRegistry {
        EmbeddingSpaceRegistry(space: EmbeddingSpace(of: embedder), layout: layout, logger: logger)
    }

    public func beginReembedding() async throws -> [RecordedSpace] {
        try refuseReembedding()
        try await database.prepare(evenIfDone: false)
        return try await mappingErrors {
            let permitsCodes = space.permitsCodes && layout == nil
            let (own, recorded) = try await database.session.withLock(.vectorSpaces) { connection in
                let own = try await registry.begin(on: connection)
                if permitsCodes { _ = try await VectorCodes(vectors: own.table).ensure(on: connection, logger: logger) }
                try await database.settleRowSecurity(on: connection)
                return (own, try await registry.recorded(on: connection))
            }
            var settled = space
            settled.table = own.table
            settled = try await database.session.withLock(.vectorIndex(of: own.table)) { [settled] connection in
                var settled = settled
                if layout == nil {
                    settled.hasUnindexed = try await UnindexedVectors(vectors: own.table).ensure(
                        on: connection, creates: settled.algorithm == .hnsw, logger: logger)
                }
                try await VectorIndex(space: settled, logger: logger).ensureDimensions(on: connection)
                return settled
            }
            settle(on: settled)
            return recorded
        }
    }

    public func reembeddingProgress() async throws -> ReembeddingProgress {
        try await mappingErrors {
            try await database.session.withConnection { connection in
                let row = try await connection.query(
                    PostgresStatement("SELECT count(*), \(SearchSQL.totalRecords) FROM \(space.table)"),
                    deadline: SchemaConnection.deadline()
                ).singleRow()
                return ReembeddingProgress(done: try row.int(0), total: try row.int(1))
            }
        }
    }

    public func embedMissing(from position: Int, limit: Int) async throws -> ReembeddingStep {
        try await database.reachingEverything { try await embedAll(from: position, limit: limit) }
    }

    private func embedAll(from position: Int, limit: Int) async throws -> ReembeddingStep {
        try await mappingErrors {
            let table = space.table
            let last = try await database.query(
                PostgresStatement("SELECT coalesce(max(number), 0) FROM memories"), retry: .repeatable,
                deadline: database.deadline
            ).singleRow().int(0)
            let rows = try await database.query(
                Self.missing(in: table, from: position, limit: limit), retry: .repeatable, deadline: database.deadline
            ).rows
            let records = try rows.map { (number: try $0.int(0), text: try $0.text(1)) }
            let end =
                records.count < limit ? position.adding(Self.window) : (records.last?.number ?? position).adding(1)
            guard !records.isEmpty else {
                return ReembeddingStep(found: 0, embedded: 0, position: end, isLast: end > last)
            }
            let vectors = try await embedder.checkedEmbeddings(of: records.map(\.text))
            let statements = zip(records, vectors).map { record, vector in
                Self.completion(of: record.number, record.text, vector, in: table)
            }
            let results = try await database.pipeline(
                statements, retry: .repeatable, deadline: database.deadline,
                perStatement: database.configuration.timeout)
            return ReembeddingStep(
                found: records.count, embedded: results.reduce(0) { $0 + $1.affectedRows }, position: end,
                isLast: end > last)
        }
    }

    public func indexReembedded() async throws {
        guard space.algorithm == .hnsw else { return }
        try await mappingErrors {
            let index = VectorIndex(space: space, logger: logger)
            try await database.session.withLock(.vectorIndex(of: space.table)) { connection in
                try await index.ensureIndex(on: connection)
            }
        }
    }

    public func finishReembedding() async throws {
        try await mappingErrors {
            try await database.session.withLock(.vectorSpaces) { connection in
                try await registry.markReady(on: connection)
            }
        }
    }

    public func dropOtherSpaces() async throws -> [EmbeddingSpace] {
        try await database.prepare(evenIfDone: false)
        return try await mappingErrors {
            let (own, dropped) = try await database.session.withLock(.vectorSpaces) { connection in
                try await registry.dropOthers(on: connection)
            }
            var settled = space
            settled.table = own.table
            settle(on: settled)
            return dropped
        }
    }

    // MARK: Statements

    /// How many numbers one search for missing vectors covers: it must end within the time of a
    /// call, even if most vectors exist already.
    private static let window = 20_000

    /// Rows: number and text of records without a vector, by number, in the ``window`` from
    /// `position` on.
    static func missing(in table: String, from position: Int, limit: Int) -> PostgresStatement {
        var sql = SQLBuilder()
        let from = sql.bind(position)
        let end = sql.bind(position.adding(window))
        let limit = sql.bind(limit)
        return sql.statement(
            """
            SELECT m.number, m.text FROM memories m WHERE m.number >= \(from) AND m.number < \(end) \
            AND NOT EXISTS (SELECT FROM \(table) e WHERE e.number = m.number) ORDER BY m.number LIMIT \(limit)
            """)
    }

    /// Stores the vector of a text next to the record if that still has the text. A record that is
    /// being written is skipped: its writer stores a vector, or leaves it to the next pass.
    static func completion(of number: Int, _ text: String, _ vector: [Float], in table: String) -> PostgresStatement {
        var sql = SQLBuilder()
        let number = sql.bind(number)
        let text = sql.bind(text)
        let vector = sql.bind(vector)
        return sql.statement(
            """
            WITH same AS (SELECT number FROM memories WHERE number = \(number) AND text = \(text) \
            FOR NO KEY UPDATE SKIP LOCKED) \
            INSERT INTO \(table) (number, embedding) SELECT number, \(vector) FROM same ON CONFLICT (number) DO NOTHING
            """)
    }

    // MARK: Upkeep

    /// Makes the vectors that servers with other models have left out. Without other models there
    /// is nothing to look for.
    func completeVectors() async throws {
        guard vectorMaintenance.isDue else { return }
        let spaces = try await database.query(
            PostgresStatement("SELECT count(*) FROM vector_spaces"), retry: .repeatable, deadline: database.deadline
        ).singleRow().int(0)
        guard spaces > 1 else { return }
        try await vectorMaintenance.run {
            do {
                let completed = try await embedMissing(batchSize: 200)
                if completed > 0 {
                    logger.info(
                        "embedded records of servers with another model", metadata: ["count": "\(completed)"])
                }
            } catch let error as MemoryError where [.embeddingFailed, .embeddingRefused].contains(error.code) {
                logger.warning(
                    "records of servers with another model could not be embedded yet", metadata: ["error": "\(error)"])
            }
        }
    }
}

extension Int {
    /// The sum, or the largest number if the sum exceeds it.
    func adding(_ other: Int) -> Int {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
