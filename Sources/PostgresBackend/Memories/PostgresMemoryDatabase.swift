public import AgentMemory
public import Logging
import PostgresDriver
import Synchronization

/// Memories in PostgreSQL with pgvector.
///
/// Every statement is written by a pure function (`SearchSQL`, `KeywordSQL`, `RecordSQL`,
/// `FilterSQL`); this type decides which of them to send, and turns rows into pages.
public final class PostgresMemoryDatabase: AtomicMemoryDatabase {
    public let name = "pgvector"
    public let capabilities = BackendCapabilities(
        metadataFilters: true, expiry: true, blendedSearch: true, textScorers: TextScorer.offered)

    let database: PostgresDatabase
    public let embedder: any Embedder
    public let analyzer: TextAnalyzer
    /// How long the events of writes are kept.
    let history: HistoryRetention
    let logger: Logger
    /// The space of the embedder, with the table that the preparation determined.
    private let settledSpace: Mutex<VectorSpace>
    /// The preparation of the tables, and that of what depends on the embedding model.
    let preparation: Preparation
    let vectorMaintenance = RestingTask()
    let tokenSweep = TokenSweep<Int>()
    let reanalysis = ReanalysisProgress()
    let codesAreComplete = Atomic(false)
    let recentCounts = RecentCounts()
    let rememberedCodes: RememberedCodes
    let versionedCounts = VersionedCounts()
    let keywordLooks = Mutex(KeywordLooks())
    let recentTotal = RecentTotal()
    /// How much searches scan outside of the vector index, in bytes.
    let unindexedBytes: Int
    /// How many vectors wait outside of the index, as far as this server knows.
    let unindexed = Atomic(0)
    /// Whether this server has written records since it last folded the words of changes.
    let hasWritten = Atomic(false)
    /// Whether the frequencies of words were read since changes of them were folded in.
    let readsWords = Atomic(false)
    /// When this server looks next for the waiting vectors of others.
    let nextLook = Mutex(ContinuousClock.now)

    public var metric: DistanceMetric { space.metric }
    var pool: PostgresPool { database.pool }
    var space: VectorSpace { settledSpace.withLock(\.self) }
    var sql: SearchSQL { SearchSQL(space: space) }

    /// A store in a database that others may use too. It connects in ``prepare()``, not here.
    ///
    /// - Parameters:
    ///   - unindexedBytes: ``Configuration/unindexedBytes``.
    ///   - codeBytes: ``Configuration/codeBytes``.
    /// - Throws: ``MemoryError`` with code `misconfigured` for an unusable number of dimensions, or
    ///   for settings that a cluster excludes.
    public init(
        database: PostgresDatabase, metric: DistanceMetric = .cosine, algorithm: Algorithm = .hnsw,
        history: HistoryRetention = .standard, unindexedBytes: Int = Configuration.standardUnindexedBytes,
        codeBytes: Int = Configuration.standardCodeBytes, embedder: any Embedder,
        analyzer: TextAnalyzer = TextAnalyzer(), logger: Logger
    ) throws {
        try Self.checkCluster(database.configuration, history)
        self.history = history
        self.unindexedBytes = max(0, unindexedBytes)
        rememberedCodes = RememberedCodes(limit: max(0, codeBytes))
        var space = try algorithm.space(dimensions: embedder.dimensions, metric: metric)
        if let layout = database.configuration.layout { space.key = layout.key }
        settledSpace = Mutex(space)
        self.database = database
        self.embedder = embedder
        self.analyzer = analyzer
        self.logger = logger
        preparation = Preparation(on: database.preparation)
        database.join()
    }

    /// A store in a database of its own.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` for an unusable URL, schema name or
    ///   number of dimensions.
    public convenience init(
        configuration: Configuration, embedder: any Embedder, analyzer: TextAnalyzer = TextAnalyzer(), logger: Logger
    ) throws {
        try self.init(
            database: PostgresDatabase(configuration: configuration.database, logger: logger),
            metric: configuration.metric, algorithm: configuration.algorithm, history: configuration.history,
            unindexedBytes: configuration.unindexedBytes, codeBytes: configuration.codeBytes, embedder: embedder,
            analyzer: analyzer, logger: logger)
    }

    public func close() async {
        database.leave()
    }

    /// From now on the vectors in the table of `space` are used.
    func settle(on space: VectorSpace) {
        settledSpace.withLock { $0 = space }
    }

    // MARK: The frame of every call

    /// Runs `body` as ``PostgresDatabase/call(after:prepare:_:)`` does, once the vector index
    /// exists too.
    func call<Value: Sendable>(
        _ body: (ContinuousClock.Instant) async throws -> Value
    ) async throws -> Value {
        try await database.call(after: preparation, prepare: { try await self.prepareNow(evenIfDone: false) }) {
            deadline in
            do {
                return try await body(deadline)
            } catch let error as PostgresError {
                guard let other = space.otherDimensions(in: error) else { throw error }
                throw MemoryError(
                    .misconfigured,
                    """
                    the embedding model has \(space.dimensions) dimensions, the store now holds vectors of \(other): \
                    another server has changed them
                    """, underlying: error.description)
            }
        }
    }

    func embedding(of text: String) async throws -> [Float] {
        try await embedder.checkedEmbeddings(of: [text])[0]
    }
}
