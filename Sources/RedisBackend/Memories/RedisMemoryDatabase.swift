public import AgentMemory
public import Logging
import RedisDriver
import Synchronization

/// Long-term memories in Redis hashes with a RediSearch index: the layout of the reference server,
/// whose data it reads and extends.
public final class RedisMemoryDatabase: AtomicMemoryDatabase {
    public struct Configuration: Sendable {
        public enum Algorithm: String, Sendable, CaseIterable {
            /// A graph: approximate and fast.
            case hnsw = "HNSW"
            /// Without a structure: exact, and slower with every record.
            case flat = "FLAT"
        }

        /// string, default: memory_records
        public var indexName = "memory_records"
        /// string, default: memory_idx; the keys are `prefix:id`.
        public var keyPrefix = "memory_idx"
        /// default: cosine
        public var distanceMetric = DistanceMetric.cosine
        /// default: HNSW; takes effect when the index is created.
        public var algorithm = Algorithm.hnsw
        /// How often records of the reference server get their keyword terms; default: 1 minute.
        public var sweepInterval: Duration = .seconds(60)
        /// How often records of servers with another embedding model get a vector of this one;
        /// default: 5 seconds.
        public var vectorSweepInterval: Duration = .seconds(5)
        /// How long the events of writes are kept; default: 30 days.
        public var history = HistoryRetention.standard

        public init() {}
    }

    public let name = "redis"

    public let capabilities = BackendCapabilities(
        metadataFilters: true, expiry: true, blendedSearch: true, textScorers: TextScorer.offered)

    let database: RedisDatabase
    let configuration: Configuration
    let keeper: IndexState
    let finder: EmbeddingSpaceSelection
    public let embedder: any Embedder
    public let analyzer: TextAnalyzer
    let logger: Logger
    let matchCounts = MatchCounts()
    let keywordLooks = Mutex(KeywordLooks())
    let newestDates = NewestDates()
    let reanalysis = ReanalysisProgress()
    let probe: WriteProbe
    let tokenSweep = TokenSweep<TokenScan>()

    public var metric: DistanceMetric { configuration.distanceMetric }
    var client: RedisClient { database.searches }

    /// A store in a database that others may use too. It connects in ``prepare()``, not here.
    public init(
        database: RedisDatabase, configuration: Configuration = Configuration(), embedder: any Embedder,
        analyzer: TextAnalyzer = TextAnalyzer(), logger: Logger
    ) {
        self.database = database
        self.configuration = configuration
        self.embedder = embedder
        self.analyzer = analyzer
        self.logger = logger
        let finder = EmbeddingSpaceSelection(
            configuration: configuration, space: EmbeddingSpace(of: embedder), logger: logger)
        self.finder = finder
        keeper = IndexState(
            patience: min(.seconds(1), database.timeout / 2), limit: database.timeout, logger: logger
        ) { client in try await finder.plan(client) }
        // No colon: if the keys' prefix is the index's name, this is not a record.
        probe = WriteProbe(key: "\(configuration.indexName)_ready", logger: logger)
        database.watchSearches(keeper)
        database.join()
    }

    /// A store in a database of its own.
    ///
    /// - Throws: as ``RedisDatabase/init(configuration:logger:)``.
    public convenience init(
        database: RedisDatabase.Configuration, configuration: Configuration = Configuration(),
        embedder: any Embedder, analyzer: TextAnalyzer = TextAnalyzer(), logger: Logger
    ) throws(MemoryError) {
        self.init(
            database: try RedisDatabase(configuration: database, logger: logger), configuration: configuration,
            embedder: embedder, analyzer: analyzer, logger: logger)
    }

    public func prepare() async throws {
        try await database.mappingPreparation {
            // A new index scans the keys of the whole server, which takes time even if it covers
            // none of them.
            _ = try await keeper.ready(client, patience: database.timeout * 0.45)
            await probe.warnOfEviction(client)
            // Reads do not show that the server became a replica.
            try await probe.run(client)
        }
    }

    public func close() async {
        await database.leave()
    }

    // MARK: For the operations

    func key(_ id: String) -> String { "\(configuration.keyPrefix):\(id)" }

    // No colon after the index's name: if that is the keys' prefix, these are not records.
    /// The notes of deletions.
    var deletionsKey: String { "\(configuration.indexName)_deleted" }
    func claimKey(_ memoryHash: String) -> String { "\(configuration.indexName)_claim:\(memoryHash)" }

    /// Runs a read against the complete index; once more if the index was missing or the server may
    /// have been another one.
    func reading<Answer: Sendable>(_ body: (SearchCommands, IndexState.Ready) async throws -> Answer) async throws
        -> Answer
    {
        try await mappingErrors {
            let ready = try await keeper.ready(client)
            do {
                let answer = try await body(commands(ready), ready)
                if keeper.stands(ready) { return answer }
            } catch let error as RedisError where error.saysIndexIsMissing {
                keeper.lost(ready)
            } catch let error as RedisError where error.saysLimitIsExceeded {
                try await keeper.renewSettings(client)
            }
            let again = try await keeper.ready(client)
            return try await body(commands(again), again)
        }
    }

    /// Reads a page as ``reading(_:)`` does, and again if one of its records was deleted after the
    /// ranking, because a client takes a short page for the last one. Records that are missing the
    /// third time are left out: another program may have a key there that is not a record.
    func readingPage<Item>(_ body: (SearchCommands, IndexState.Ready) async throws -> LoadedPage<Item>) async throws
        -> Page<Item>
    {
        try await reading { commands, ready in
            for _ in 0..<2 {
                let loaded = try await body(commands, ready)
                if loaded.isWhole { return loaded.page }
            }
            return try await body(commands, ready).page
        }
    }

    /// The engine's time limit is a little shorter than ours, so that its own error arrives.
    /// Without ON_TIMEOUT FAIL there must not be one, because the engine would return a short
    /// result.
    func commands(_ ready: IndexState.Ready) -> SearchCommands {
        let milliseconds = Int(database.timeout / .milliseconds(1))
        return SearchCommands(
            index: ready.name, timeout: ready.settings.failsOnTimeout ? max(1, milliseconds * 9 / 10) : 0,
            algorithm: ready.algorithm ?? configuration.algorithm, findsMissingVectors: ready.findsMissingVectors,
            maximumResults: ready.settings.maximumResults, countsSorted: ready.settings.countsSorted)
    }

    /// Ends the work at the deadline, and maps errors of the driver to errors of the domain.
    ///
    /// - Parameter limit: the remaining time of a call that has used up some already.
    func mappingErrors<Answer: Sendable>(
        within limit: Duration? = nil, _ body: () async throws -> Answer
    ) async throws -> Answer {
        try await database.mappingErrors(within: limit, body)
    }

    /// The records at these ids, in their order; deleted ones and keys of other programs are left
    /// out.
    func records(_ ids: [String]) async throws -> [Int: MemoryRecord] {
        let replies = try await client.pipeline(ids.map(readCommand), isRead: true)
        var records: [Int: MemoryRecord] = [:]
        for (i, reply) in replies.enumerated() {
            records[i] = RecordHash.record(from: try reply.hashFields())
        }
        return records
    }

    /// One step of a walk through the keys of the records (``RedisClient/scan(from:prefix:)``).
    func scannedKeys(from cursor: String) async throws -> (next: String, keys: [String]) {
        try await client.scan(from: cursor, prefix: "\(configuration.keyPrefix):")
    }

    func readCommand(_ id: String) -> RedisCommand {
        var command = RedisCommand("HMGET", key(id))
        command.append(RecordHash.fields)
        return command
    }
}

extension RedisValue {
    /// The values of HMGET; none if the key has something other than a hash, which is not a record.
    func hashFields() throws(RedisError) -> [RedisValue] {
        if case .error(let error) = self, error.code == .wrongType { return [] }
        return try get().array ?? []
    }
}
