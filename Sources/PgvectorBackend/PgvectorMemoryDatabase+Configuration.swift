public import AgentMemory
import PostgresDriver

extension PgvectorMemoryDatabase {
    /// How the store is reached and laid out.
    public struct Configuration: Sendable {
        public enum Algorithm: String, Sendable, CaseIterable {
            /// Approximate beyond the exact zone; up to 4,000 dimensions.
            case hnsw
            /// No vector index: every search is exact; up to 16,000 dimensions.
            case flat
        }

        /// Anything that libpq takes: a URL or `key=value` pairs.
        public var databaseURL: String
        /// The schema that holds the tables; made if it is missing. Default `agent_memory`.
        public var schema: String
        /// Connections at the same time, at least 1. Default 10.
        public var poolSize: Int
        /// How long one call may take. Default 10 seconds.
        public var timeout: Duration
        /// Default cosine.
        public var metric: DistanceMetric
        public var algorithm: Algorithm
        /// Whether ``PgvectorMemoryDatabase/prepare()`` applies migrations; otherwise it refuses a database that
        /// lacks some.
        public var autoMigrate: Bool

        public init(
            databaseURL: String, schema: String = "agent_memory", poolSize: Int = 10, timeout: Duration = .seconds(10),
            metric: DistanceMetric = .cosine, algorithm: Algorithm = .hnsw, autoMigrate: Bool = true
        ) {
            self.databaseURL = databaseURL
            self.schema = schema
            self.poolSize = max(1, poolSize)
            self.timeout = timeout
            self.metric = metric
            self.algorithm = algorithm
            self.autoMigrate = autoMigrate
        }

        /// - Throws: ``MemoryError`` with code `misconfigured` for more dimensions than pgvector takes.
        func space(dimensions: Int) throws(MemoryError) -> VectorSpace {
            let limit = algorithm == .hnsw ? VectorSpace.maximumIndexed : VectorSpace.maximumStored
            guard (1...limit).contains(dimensions) else {
                let hint =
                    dimensions <= VectorSpace.maximumStored ? "; with the algorithm flat up to 16,000 are possible" : ""
                throw MemoryError(
                    .misconfigured,
                    "the embedding model has \(dimensions) dimensions, pgvector indexes vectors of 1 to \(limit)\(hint)"
                )
            }
            return VectorSpace(dimensions: dimensions, metric: metric, algorithm: algorithm == .hnsw ? .hnsw : .flat)
        }

        /// The connections that serve calls.
        func pool(schema: SchemaName) -> PostgresPool.Configuration {
            let milliseconds =
                timeout.components.seconds * 1000 + timeout.components.attoseconds / 1_000_000_000_000_000
            let settings: [(String, String)] = [
                // A second brake: the server also stops what a client that died has begun.
                ("statement_timeout", String(max(1, milliseconds))),
                ("idle_in_transaction_session_timeout", String(max(1000, 2 * milliseconds))),
                // Distances look cheap to the planner but not to its estimate of what compiling them would save.
                ("jit", "off"),
                // The default is that of spinning disks: it makes reading a whole table look better than its index.
                ("random_page_cost", "1.1"),
                ("hnsw.iterative_scan", "relaxed_order"),
                ("hnsw.ef_search", String(SearchSQL.defaultBreadth)),
                ("hnsw.scan_mem_multiplier", "8"),
            ]
            let calls = settings.map { "set_config('\($0.0)', '\($0.1)', false)" }.joined(separator: ", ")
            let seconds = Int(timeout.components.seconds)
            return PostgresPool.Configuration(
                connection: PostgresConfiguration(
                    connectionString: databaseURL, connectTimeoutSeconds: min(max(2, seconds), 10),
                    setup: [PostgresStatement("SELECT \(calls)"), SchemaSession.searchPath(schema)]),
                maximumConnections: poolSize)
        }
    }
}
