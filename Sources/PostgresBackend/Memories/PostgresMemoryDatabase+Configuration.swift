public import AgentMemory

extension PostgresMemoryDatabase {
    /// The kind of vector index.
    public enum Algorithm: String, Sendable, CaseIterable {
        /// Approximate beyond the exact zone; up to 4,000 dimensions.
        case hnsw
        /// No vector index: every search is exact; up to 16,000 dimensions.
        case flat

        /// - Throws: ``MemoryError`` with code `misconfigured` for more dimensions than pgvector
        ///   supports.
        func space(dimensions: Int, metric: DistanceMetric) throws(MemoryError) -> VectorSpace {
            let limit = self == .hnsw ? VectorSpace.maximumIndexed : VectorSpace.maximumStored
            guard (1...limit).contains(dimensions) else {
                let hint =
                    dimensions <= VectorSpace.maximumStored ? "; with the algorithm flat up to 16,000 are possible" : ""
                throw MemoryError(
                    .misconfigured,
                    "the embedding model has \(dimensions) dimensions, pgvector indexes vectors of 1 to \(limit)\(hint)"
                )
            }
            return VectorSpace(dimensions: dimensions, metric: metric, algorithm: self == .hnsw ? .hnsw : .flat)
        }
    }

    /// The address and layout of a database for this store alone.
    public struct Configuration: Sendable {
        public typealias Algorithm = PostgresMemoryDatabase.Algorithm

        public var database: PostgresDatabase.Configuration
        /// Default cosine.
        public var metric: DistanceMetric
        public var algorithm: Algorithm
        /// Default 30 days.
        public var history = HistoryRetention.standard
        /// How many bytes of vectors written lately may wait outside of the HNSW index; every
        /// search by vector scans them. 0 inserts each vector when it is written. Default
        /// ``standardUnindexedBytes``.
        public var unindexedBytes = Self.standardUnindexedBytes
        /// How many bytes of this server's memory hold codes of users whose memories are searched
        /// often; one filter takes at most a quarter. 0 keeps none. Default ``standardCodeBytes``.
        public var codeBytes = Self.standardCodeBytes

        /// 64 MB: 10,922 vectors of 1,536 dimensions.
        public static let standardUnindexedBytes = 64 << 20

        /// 64 MB: 101,067 codes of 1,536 dimensions.
        public static let standardCodeBytes = 64 << 20

        /// The parameters up to `timeout`, and `autoMigrate`, are those of
        /// ``PostgresDatabase/Configuration``.
        public init(
            databaseURL: String, schema: String = "agent_memory", poolSize: Int = 10, timeout: Duration = .seconds(10),
            metric: DistanceMetric = .cosine, algorithm: Algorithm = .hnsw, autoMigrate: Bool = true
        ) {
            database = PostgresDatabase.Configuration(
                databaseURL: databaseURL, schema: schema, poolSize: poolSize, timeout: timeout,
                autoMigrate: autoMigrate)
            self.metric = metric
            self.algorithm = algorithm
        }
    }
}
