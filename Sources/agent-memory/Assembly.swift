import AgentMemory
import BackendLoading
import Embeddings
import HTTPClient
import LanguageModels
import Logging
import MemoryService
import Metering
import PostgresBackend
import Prompts
import RedisBackend
import RedisDriver
import ReferenceBackend
import Rerankers
import Settings

/// Makes the embedder and the backends from the settings.
struct Assembly {
    let settings: Settings
    let logger: Logger
    // The connections of all stores on one server; they connect on first use.
    private let redis: Result<RedisDatabase, any Error>
    private let postgres: Result<PostgresDatabase, any Error>

    init(settings: Settings, logger: Logger) {
        self.settings = settings
        self.logger = logger
        redis = Result { try RedisDatabase(configuration: Self.redisServer(settings), logger: logger) }
        postgres = Result {
            try PostgresDatabase(configuration: Self.pgvectorConfiguration(settings).database, logger: logger)
        }
    }

    /// - Parameters:
    ///   - client: calls embedding services; its owner closes it.
    ///   - readsModel: whether the weights of a local model may be read at once.
    ///   - meter: counts the calls of the model.
    /// - Throws: ``MemoryError`` with code `misconfigured` that names the setting.
    func makeEmbedder(
        client: HTTPClient, readsModel: Bool = true, meter: CallMeter? = nil
    ) throws(MemoryError) -> any Embedder {
        var configuration = embedderConfiguration
        configuration.meter = meter
        if !readsModel { configuration.loadsLocalModelAtStart = false }
        return try EmbedderFactory.make(configuration, client: client, logger: logger)
    }

    /// The length of the vectors of the configured model, determined without a call of a service.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` that names the setting.
    func dimensions() throws(MemoryError) -> Int { try EmbedderFactory.dimensions(embedderConfiguration) }

    private var embedderConfiguration: EmbedderConfiguration {
        var configuration = EmbedderConfiguration()
        configuration.names = Settings.embedderFieldNames
        configuration.model = settings.embeddings.model
        configuration.dimensions = settings.vectors.dimensions
        configuration.baseURL = settings.embeddings.baseURL
        configuration.apiKey = settings.embeddings.apiKey
        configuration.apiKeyHeader = settings.embeddings.apiKeyHeader
        configuration.apiVersion = settings.embeddings.apiVersion
        configuration.attemptTimeout = settings.embeddings.attemptTimeout
        configuration.deadline = settings.embeddings.deadline
        configuration.maximumTextsPerRequest = settings.embeddings.batchSize
        configuration.cacheEntries = settings.embeddings.cacheEntries
        configuration.cacheBytes = settings.embeddings.cacheBytes
        configuration.localModelPath = settings.embeddings.localModelPath
        configuration.localModelCache = settings.embeddings.localModelCache
        configuration.localThreads = settings.embeddings.localThreads
        configuration.lateInteraction =
            switch settings.embeddings.lateInteraction {
            case .automatic: .automatic
            case .required: .required
            case .none: .none
            }
        configuration.loadsLocalModelAtStart = settings.embeddings.localModelLoad == .start
        return configuration
    }

    /// The reranking model; `nil` if none is set.
    ///
    /// - Parameters:
    ///   - client: asks a service; its owner ends it.
    ///   - meter: counts the calls of the model.
    /// - Throws: ``MemoryError`` with code `misconfigured` that names the setting.
    func makeReranker(client: HTTPClient, meter: CallMeter? = nil) throws(MemoryError) -> (any Reranker)? {
        var configuration = RerankerConfiguration()
        configuration.meter = meter
        configuration.names = Settings.rerankerFieldNames
        configuration.modelPath = settings.reranking.modelPath
        configuration.threads = settings.reranking.threads
        configuration.baseURL = settings.reranking.baseURL
        configuration.apiKey = settings.reranking.apiKey
        configuration.model = settings.reranking.model
        configuration.deadline = settings.reranking.deadline
        return try RerankerFactory.make(configuration, client: client, logger: logger)
    }

    /// Every factory that the setting can name.
    func registry(embedder: any Embedder) -> BackendRegistry {
        BackendRegistry(
            [
                "redis": { try redis(embedder) },
                "pgvector": { try pgvector(embedder) },
                "reference": {
                    ReferenceMemoryDatabase(
                        embedder: embedder, metric: settings.vectors.metric,
                        keepsHistory: settings.memory.keepsHistory)
                },
            ], loader: loader, embedder: embedder)
    }

    /// Makes the backend of the settings; one that makes no events itself gets a history at the
    /// place of sessions and jobs.
    ///
    /// - Throws: ``BackendFactoryError``; ``MemoryError`` with code `misconfigured`.
    func makeDatabase(embedder: any Embedder, stores: StateStores) async throws -> CheckedDatabase {
        let backend = try await registry(embedder: embedder).makeBackend(settings.stores.factory)
        guard let events = stores.events else { return CheckedDatabase(backend) }
        return CheckedDatabase(
            HistoryKeepingDatabase(
                backend, events: events, deletions: stores.jobs,
                // Longer than the server waits for the backend.
                leaseDuration: settings.stores.timeout + .seconds(1), logger: logger))
    }

    /// Makes backends that are not built in.
    var loader: BackendLoader {
        var configuration = BackendLoader.Configuration()
        configuration.folders = settings.stores.pluginFolders
        configuration.python = settings.stores.python
        configuration.threads = settings.stores.backendThreads
        configuration.timeout = settings.stores.timeout
        configuration.metric = settings.vectors.metric
        return BackendLoader(configuration, logger: logger)
    }

    /// The stores of sessions and background jobs: next to the memories of a built-in backend, at
    /// STATE_STORE_URL with a loaded one.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured`, or ``BackendFactoryError``, that names
    ///   the setting.
    func stateStores() throws -> StateStores {
        if let stores = try durableStateStores() { return stores }
        if [.token, .both].contains(settings.authentication) {
            throw MemoryError(
                .misconfigured,
                "AUTH_MODE=\(settings.authentication.rawValue) needs a store that keeps tokens, and MEMORY_VECTOR_DB_FACTORY=\(settings.stores.factory) has none: with a backend of your own, set STATE_STORE_URL"
            )
        }
        let isLoaded = try BackendRegistry.builtInName(settings.stores.factory) == nil
        if isLoaded {
            logger.warning(
                "sessions, background jobs and the history of memories are kept in memory, and are lost when the server ends: set STATE_STORE_URL to a redis:// or postgresql:// URL"
            )
        }
        let jobs = ReferenceJobQueue()
        return StateStores(
            sessions: ReferenceWorkingMemoryStore(jobs: jobs), jobs: jobs, tokens: ReferenceTokenStore(),
            documents: ReferenceDocumentStore(),
            events: isLoaded ? ReferenceEventStore(makesEvents: settings.memory.keepsHistory) : nil)
    }

    /// The stores of the settings, if they persist after the server ends.
    ///
    /// - Throws: as ``stateStores()``.
    func durableStateStores() throws -> StateStores? {
        let builtIn = try BackendRegistry.builtInName(settings.stores.factory)
        if builtIn != nil, settings.stores.stateURL != nil {
            throw MemoryError(
                .misconfigured,
                "STATE_STORE_URL is set, but MEMORY_VECTOR_DB_FACTORY=\(settings.stores.factory) stores sessions and jobs itself; remove one of the two settings"
            )
        }
        switch builtIn {
        case "redis": return try stateStores(in: redis.get(), withEvents: false)
        case "pgvector": return try stateStores(in: postgres.get(), withEvents: false)
        case nil: return try settings.stores.stateURL.map(stateStores(at:))
        default: return nil
        }
    }

    private func stateStores(at url: String) throws -> StateStores {
        switch url.prefix(while: { $0 != ":" }) {
        case "redis", "rediss", "unix":
            return stateStores(
                in: try RedisDatabase(
                    configuration: Self.redisServer(settings, at: url, setting: "STATE_STORE_URL"), logger: logger),
                withEvents: true)
        case "postgresql", "postgres":
            return stateStores(
                in: try PostgresDatabase(
                    configuration: pgvectorConfiguration(databaseURL: url).database, logger: logger),
                withEvents: true)
        default:
            throw MemoryError(
                .misconfigured, "STATE_STORE_URL must be a redis://, rediss://, unix:// or postgresql:// URL")
        }
    }

    /// The memories and sessions of another Redis, which are only read. Their keys have the names
    /// of the settings.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` that names `--from`.
    func redisSource(
        at url: String, embedder: any Embedder
    ) throws -> (memories: RedisMemoryDatabase, sessions: any SnapshotSessions) {
        var server = try Self.redisServer(settings, at: url, setting: "--from")
        server.isReadOnly = true
        let database = try RedisDatabase(configuration: server, logger: logger)
        var memories = redisConfiguration
        memories.history = .off
        return (
            RedisMemoryDatabase(database: database, configuration: memories, embedder: embedder, logger: logger),
            RedisWorkingMemoryStore(database: database, configuration: sessionConfiguration)
        )
    }

    private var sessionConfiguration: RedisWorkingMemoryStore.Configuration {
        var sessions = RedisWorkingMemoryStore.Configuration()
        sessions.indexName = settings.redis.sessionIndexName
        // The reference's setting includes the colon that separates all parts of a key.
        let prefix = settings.redis.sessionKeyPrefix
        sessions.keyPrefix = prefix.hasSuffix(":") ? String(prefix.dropLast()) : prefix
        sessions.jobsKeyPrefix = settings.redis.jobsKeyPrefix
        return sessions
    }

    /// - Parameter withEvents: whether it has the history of memories too, as of a loaded backend.
    private func stateStores(in database: RedisDatabase, withEvents: Bool) -> StateStores {
        var jobs = RedisJobQueue.Configuration()
        jobs.keyPrefix = settings.redis.jobsKeyPrefix
        var tokens = RedisTokenStore.Configuration()
        tokens.keyPrefix = settings.redis.tokensKeyPrefix
        var documents = RedisDocumentStore.Configuration()
        documents.keyPrefix = settings.redis.documentsKeyPrefix
        var events = RedisEventStore.Configuration()
        events.key = "\(settings.redis.documentsKeyPrefix):events"
        events.history = history
        return StateStores(
            sessions: RedisWorkingMemoryStore(database: database, configuration: sessionConfiguration),
            jobs: RedisJobQueue(database: database, configuration: jobs),
            tokens: RedisTokenStore(database: database, configuration: tokens),
            documents: RedisDocumentStore(database: database, configuration: documents),
            events: withEvents ? RedisEventStore(database: database, configuration: events) : nil)
    }

    private func stateStores(in database: PostgresDatabase, withEvents: Bool) -> StateStores {
        StateStores(
            sessions: PostgresWorkingMemoryStore(database: database), jobs: PostgresJobQueue(database: database),
            tokens: PostgresTokenStore(database: database), documents: PostgresDocumentStore(database: database),
            events: withEvents ? PostgresEventStore(database: database, history: history) : nil)
    }

    /// Applies the migrations of DATABASE_URL.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` if DATABASE_URL or POSTGRES_SCHEMA
    ///   cannot be used.
    func migrator() throws -> Migrator {
        guard let url = settings.postgres.migrationURL ?? settings.postgres.url else {
            throw MemoryError(
                .misconfigured,
                "DATABASE_URL is not set; it names the database to migrate, such as postgresql://user@localhost/agent_memory"
            )
        }
        return try Migrator(
            databaseURL: url, schema: settings.postgres.schema, rowSecurity: settings.postgres.rowSecurity,
            layout: Self.layout(settings), logger: logger)
    }

    private func redis(_ embedder: any Embedder) throws -> any MemoryVectorDatabase {
        RedisMemoryDatabase(
            database: try redis.get(), configuration: redisConfiguration, embedder: embedder, logger: logger)
    }

    /// Creates the place and the index of the vectors that servers with these settings need, as the
    /// database's user.
    ///
    /// - Throws: ``MemoryError`` if the embedding model is not known, or does not fit what the
    ///   store contains.
    func prepareVectors(client: HTTPClient) async throws {
        let database = try pgvector(makeEmbedder(client: client, readsModel: false))
        do {
            try await database.prepare()
        } catch {
            await database.close()
            throw error
        }
        await database.close()
    }

    private var history: HistoryRetention {
        settings.memory.keepsHistory ? .days(settings.memory.historyDays) : .off
    }

    private func pgvector(_ embedder: any Embedder) throws -> any MemoryVectorDatabase {
        try PostgresMemoryDatabase(
            database: postgres.get(), metric: settings.vectors.metric, algorithm: pgvectorConfiguration().algorithm,
            history: history, unindexedBytes: settings.postgres.unindexedMegabytes << 20,
            codeBytes: settings.postgres.codeMegabytes << 20, embedder: embedder, logger: logger)
    }

    /// - Throws: ``MemoryError`` with code `misconfigured` that names the setting.
    func redisServer() throws -> RedisDatabase.Configuration { try Self.redisServer(settings) }

    private static func redisServer(
        _ settings: Settings, at url: String? = nil, setting: String = "REDIS_URL"
    ) throws -> RedisDatabase.Configuration {
        var configuration: RedisDatabase.Configuration
        do {
            configuration = try RedisDatabase.Configuration(url: url ?? settings.redis.url)
        } catch {
            throw MemoryError(.misconfigured, "\(setting): \(error.message)")
        }
        configuration.connections = settings.redis.connections
        configuration.timeout = settings.stores.timeout
        return configuration
    }

    var redisConfiguration: RedisMemoryDatabase.Configuration {
        var configuration = RedisMemoryDatabase.Configuration()
        configuration.indexName = settings.redis.indexName
        configuration.keyPrefix = settings.redis.keyPrefix
        configuration.distanceMetric = settings.vectors.metric
        configuration.algorithm = settings.vectors.algorithm == .flat ? .flat : .hnsw
        configuration.history = history
        return configuration
    }

    /// - Throws: ``MemoryError`` with code `misconfigured` that names the setting.
    func pgvectorConfiguration() throws -> PostgresMemoryDatabase.Configuration {
        try Self.pgvectorConfiguration(settings)
    }

    private func pgvectorConfiguration(databaseURL url: String) -> PostgresMemoryDatabase.Configuration {
        Self.pgvectorConfiguration(settings, databaseURL: url)
    }

    private static func pgvectorConfiguration(
        _ settings: Settings
    ) throws -> PostgresMemoryDatabase.Configuration {
        guard let url = settings.postgres.url else {
            throw MemoryError(
                .misconfigured,
                "DATABASE_URL is not set; the backend needs it, such as postgresql://user@localhost/agent_memory")
        }
        return pgvectorConfiguration(settings, databaseURL: url)
    }

    private static func pgvectorConfiguration(
        _ settings: Settings, databaseURL url: String
    ) -> PostgresMemoryDatabase.Configuration {
        var configuration = PostgresMemoryDatabase.Configuration(
            databaseURL: url, schema: settings.postgres.schema, poolSize: settings.postgres.poolSize,
            timeout: settings.stores.timeout, metric: settings.vectors.metric,
            algorithm: settings.vectors.algorithm == .flat ? .flat : .hnsw, autoMigrate: settings.postgres.autoMigrate)
        configuration.unindexedBytes = settings.postgres.unindexedMegabytes << 20
        configuration.codeBytes = settings.postgres.codeMegabytes << 20
        configuration.database.migrationURL = settings.postgres.migrationURL
        configuration.database.readURL = settings.postgres.readURL
        configuration.database.idleLimit = settings.postgres.idleLimit
        configuration.database.quietLimit = settings.postgres.quietLimit
        configuration.database.rowSecurity = settings.postgres.rowSecurity
        configuration.database.layout = layout(settings)
        return configuration
    }

    private static func layout(_ settings: Settings) -> ClusterLayout? {
        guard settings.postgres.isDistributed else { return nil }
        return switch settings.postgres.layout {
        case .placed: .placed
        case .spread: .spread
        }
    }
}
