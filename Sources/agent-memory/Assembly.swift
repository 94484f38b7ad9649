import AgentMemory
import BackendLoading
import Embeddings
import HTTPClient
import Logging
import PostgresBackend
import RedisBackend
import RedisDriver
import ReferenceBackend

/// Makes the embedder and the backends from the settings.
struct Assembly {
    let settings: Settings
    let logger: Logger
    /// The one pool of connections for all that is kept in Postgres; nothing is connected before it is used.
    private let postgres: Result<PostgresDatabase, any Error>

    init(settings: Settings, logger: Logger) {
        self.settings = settings
        self.logger = logger
        postgres = Result {
            try PostgresDatabase(configuration: Self.pgvectorConfiguration(settings).database, logger: logger)
        }
    }

    /// - Parameters:
    ///   - client: asks embedding services; its owner ends it.
    ///   - readsModel: whether the weights of a local model may be read at once.
    /// - Throws: ``MemoryError`` with code `misconfigured` that names the setting.
    func makeEmbedder(client: HTTPClient, readsModel: Bool = true) throws(MemoryError) -> any Embedder {
        var configuration = embedderConfiguration
        if !readsModel { configuration.loadsLocalModelAtStart = false }
        return try EmbedderFactory.make(configuration, client: client, logger: logger)
    }

    /// The length of the vectors of the configured model, found out without asking a service.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` that names the setting.
    func dimensions() throws(MemoryError) -> Int { try EmbedderFactory.dimensions(embedderConfiguration) }

    private var embedderConfiguration: EmbedderConfiguration {
        var configuration = EmbedderConfiguration()
        configuration.model = settings.embeddingModel
        configuration.dimensions = settings.dimensions
        configuration.baseURL = settings.openAIBase
        configuration.apiKey = settings.openAIKey
        configuration.apiKeyHeader = settings.embeddingKeyHeader
        configuration.apiVersion = settings.embeddingAPIVersion
        configuration.attemptTimeout = .seconds(settings.embeddingTimeoutSeconds)
        configuration.deadline = .seconds(settings.embeddingDeadlineSeconds)
        configuration.maximumTextsPerRequest = settings.embeddingBatchSize
        configuration.cacheEntries = settings.embeddingCacheEntries
        configuration.cacheBytes = settings.embeddingCacheBytes
        configuration.localModelPath = settings.localModelPath
        configuration.localModelCache = settings.localModelCache
        configuration.localThreads = settings.localEmbeddingThreads
        configuration.loadsLocalModelAtStart = settings.localModelLoad == .start
        return configuration
    }

    /// Every factory that the setting can name.
    func registry(embedder: any Embedder) -> BackendRegistry {
        BackendRegistry(
            [
                "redis": { try redis(embedder) },
                "pgvector": { try pgvector(embedder) },
                "reference": { ReferenceMemoryDatabase(embedder: embedder, metric: settings.metric) },
            ], loader: loader, embedder: embedder)
    }

    /// Makes backends that are not built in.
    var loader: BackendLoader {
        var configuration = BackendLoader.Configuration()
        configuration.folders = settings.pluginFolders
        configuration.python = settings.python
        configuration.threads = settings.backendThreads
        configuration.timeout = .seconds(settings.storeTimeoutSeconds)
        configuration.metric = settings.metric
        return BackendLoader(configuration, logger: logger)
    }

    /// Where sessions and background jobs are kept: beside the memories of a built-in backend, where STATE_STORE_URL says with a loaded one.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured`, or ``BackendFactoryError``, that names the setting.
    func stateStores() throws -> StateStores {
        if let stores = try durableStateStores() { return stores }
        if try BackendRegistry.builtInName(settings.factory) == nil {
            logger.warning(
                "sessions and background jobs are kept in memory, and are lost when the server ends: set STATE_STORE_URL to a redis:// or postgresql:// URL"
            )
        }
        let jobs = ReferenceJobQueue()
        return StateStores(sessions: ReferenceWorkingMemoryStore(jobs: jobs), jobs: jobs)
    }

    /// The stores of the settings, if they outlive the server.
    ///
    /// - Throws: as ``stateStores()``.
    func durableStateStores() throws -> StateStores? {
        let builtIn = try BackendRegistry.builtInName(settings.factory)
        if builtIn != nil, settings.stateStoreURL != nil {
            throw MemoryError(
                .misconfigured,
                "STATE_STORE_URL is set, but MEMORY_VECTOR_DB_FACTORY=\(settings.factory) keeps sessions and jobs itself; leave one of them out"
            )
        }
        switch builtIn {
        case "redis": return try redisStateStores(redisConfiguration().endpoint)
        case "pgvector": return try stateStores(in: postgres.get())
        case nil: return try settings.stateStoreURL.map(stateStores(at:))
        default: return nil
        }
    }

    private func stateStores(at url: String) throws -> StateStores {
        switch url.prefix(while: { $0 != ":" }) {
        case "redis", "rediss", "unix":
            do {
                return try redisStateStores(RedisMemoryDatabase.Configuration(url: url).endpoint)
            } catch let error as RedisError {
                throw MemoryError(.misconfigured, "STATE_STORE_URL: \(error.message)")
            }
        case "postgresql", "postgres":
            return stateStores(
                in: try PostgresDatabase(
                    configuration: pgvectorConfiguration(databaseURL: url).database, logger: logger))
        default:
            throw MemoryError(
                .misconfigured, "STATE_STORE_URL must be a redis://, rediss://, unix:// or postgresql:// URL")
        }
    }

    private func redisStateStores(_ endpoint: RedisEndpoint) throws -> StateStores {
        var sessions = RedisWorkingMemoryStore.Configuration(endpoint: endpoint)
        sessions.indexName = settings.sessionIndexName
        // The reference's setting ends with the colon that stands between all parts of a key.
        let prefix = settings.sessionKeyPrefix
        sessions.keyPrefix = prefix.hasSuffix(":") ? String(prefix.dropLast()) : prefix
        sessions.jobsKeyPrefix = settings.redisJobsPrefix
        sessions.connections = settings.redisConnections
        sessions.timeout = .seconds(settings.storeTimeoutSeconds)
        var jobs = RedisJobQueue.Configuration(endpoint: endpoint)
        jobs.keyPrefix = settings.redisJobsPrefix
        jobs.timeout = .seconds(settings.storeTimeoutSeconds)
        return StateStores(
            sessions: try RedisWorkingMemoryStore(configuration: sessions, logger: logger),
            jobs: try RedisJobQueue(configuration: jobs, logger: logger))
    }

    private func stateStores(in database: PostgresDatabase) -> StateStores {
        StateStores(
            sessions: PostgresWorkingMemoryStore(database: database), jobs: PostgresJobQueue(database: database))
    }

    /// What applies the migrations of DATABASE_URL.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` if DATABASE_URL or POSTGRES_SCHEMA cannot be used.
    func migrator() throws -> Migrator {
        guard let url = settings.databaseURL else {
            throw MemoryError(
                .misconfigured,
                "DATABASE_URL is not set; it names the database to migrate, such as postgresql://user@localhost/agent_memory"
            )
        }
        return try Migrator(databaseURL: url, schema: settings.postgresSchema, logger: logger)
    }

    private func redis(_ embedder: any Embedder) throws -> any MemoryVectorDatabase {
        try RedisMemoryDatabase(configuration: redisConfiguration(), embedder: embedder, logger: logger)
    }

    /// Makes the place and the index of the vectors that servers with these settings need, as the database's user.
    ///
    /// - Throws: ``MemoryError`` if the embedding model is not known, or does not go with what the store holds.
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

    private func pgvector(_ embedder: any Embedder) throws -> any MemoryVectorDatabase {
        try PostgresMemoryDatabase(
            database: postgres.get(), metric: settings.metric, algorithm: pgvectorConfiguration().algorithm,
            embedder: embedder, logger: logger)
    }

    /// - Throws: ``MemoryError`` with code `misconfigured` that names the setting.
    func redisConfiguration() throws -> RedisMemoryDatabase.Configuration {
        var configuration: RedisMemoryDatabase.Configuration
        do {
            configuration = try RedisMemoryDatabase.Configuration(url: settings.redisURL)
        } catch {
            throw MemoryError(.misconfigured, "REDIS_URL: \(error.message)")
        }
        configuration.indexName = settings.redisIndexName
        configuration.keyPrefix = settings.redisKeyPrefix
        configuration.distanceMetric = settings.metric
        configuration.algorithm = settings.algorithm == .flat ? .flat : .hnsw
        configuration.connections = settings.redisConnections
        configuration.timeout = .seconds(settings.storeTimeoutSeconds)
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
        guard let url = settings.databaseURL else {
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
            databaseURL: url, schema: settings.postgresSchema, poolSize: settings.postgresPoolSize,
            timeout: .seconds(settings.storeTimeoutSeconds), metric: settings.metric,
            algorithm: settings.algorithm == .flat ? .flat : .hnsw, autoMigrate: settings.autoMigrate)
        configuration.database.idleLimit = .seconds(settings.postgresIdleSeconds)
        return configuration
    }
}
