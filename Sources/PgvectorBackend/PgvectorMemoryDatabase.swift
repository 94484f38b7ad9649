public import AgentMemory
public import Logging
import PostgresDriver

/// Memories in PostgreSQL with pgvector.
///
/// Every statement is written by a pure function (`SearchSQL`, `KeywordSQL`, `RecordSQL`, `FilterSQL`); this type
/// decides which of them to send, and turns rows into pages.
public final class PgvectorMemoryDatabase: MemoryVectorDatabase {
    public let name = "pgvector"
    public let capabilities = BackendCapabilities()

    let configuration: Configuration
    let embedder: any Embedder
    let analyzer: TextAnalyzer
    let logger: Logger
    let pool: PostgresPool
    let session: SchemaSession
    let sql: SearchSQL
    let preparation = Preparation()

    /// Nothing is connected yet: that is what ``prepare()`` does.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` for an unusable URL, schema name or number of dimensions.
    public init(
        configuration: Configuration, embedder: any Embedder, analyzer: TextAnalyzer = TextAnalyzer(), logger: Logger
    ) throws {
        self.configuration = configuration
        self.embedder = embedder
        self.analyzer = analyzer
        self.logger = logger
        sql = SearchSQL(space: try configuration.space(dimensions: embedder.dimensions))
        session = try SchemaSession(
            databaseURL: configuration.databaseURL, schema: configuration.schema, logger: logger)
        let poolConfiguration = configuration.pool(schema: session.schema)
        pool = try mappingConfiguration { () throws(PostgresError) in try PostgresPool(poolConfiguration) }
    }

    public func close() async {
        pool.close()
    }

    public func count(_ filter: MemoryFilter) async throws -> Int {
        try await call { deadline in
            try await self.pool.query(SearchSQL.count(filter), retry: .repeatable, deadline: deadline).singleRow().int(
                0)
        }
    }

    public func list(_ query: ListQuery) async throws -> Page<MemoryRecord> {
        try await call { deadline in
            let statements = [SearchSQL.list(query), SearchSQL.count(query.filter)]
            let results = try await self.pool.pipeline(
                query.filter.soleID == nil ? statements : [statements[0]], retry: .repeatable, deadline: deadline)
            let records = try results[0].rows.map { try RecordSQL.decode($0) }
            let total =
                if results.count > 1 {
                    try results[1].singleRow().int(0)
                } else if query.page.offset == 0 {
                    records.count
                } else {
                    try await self.pool.query(statements[1], retry: .repeatable, deadline: deadline).singleRow().int(0)
                }
            return Page(items: records, total: total, request: query.page)
        }
    }

    // MARK: The frame of every call

    /// Runs `body` within the configured timeout, once the schema is there, and maps its errors. If the schema turns
    /// out to be missing, as after the store came back empty, it is made and `body` runs once more.
    func call<Value: Sendable>(
        _ body: (ContinuousClock.Instant) async throws -> Value
    ) async throws -> Value {
        let deadline = ContinuousClock.now + configuration.timeout
        return try await mappingErrors {
            if !preparation.isDone { try await waitUntilPrepared(deadline) }
            do {
                return try await body(deadline)
            } catch let error as PostgresError where error.isMissingSchema {
                logger.warning("the tables are missing; making them", metadata: ["error": "\(error)"])
                preparation.invalidate()
                try await waitUntilPrepared(deadline)
                return try await body(deadline)
            } catch let error as PostgresError {
                guard let other = sql.space.otherDimensions(in: error) else { throw error }
                throw MemoryError(
                    .misconfigured,
                    """
                    the embedding model has \(sql.space.dimensions) dimensions, the store now holds vectors of \(other): \
                    another server has changed them
                    """, underlying: error.description)
            }
        }
    }

    private func waitUntilPrepared(_ deadline: ContinuousClock.Instant) async throws {
        try await preparation.wait(until: deadline) { try await self.prepareNow() }
    }

    func embedding(of text: String) async throws -> [Float] {
        try await embedder.checkedEmbeddings(of: [text])[0]
    }
}
