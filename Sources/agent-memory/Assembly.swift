import AgentMemory
import BackendLoading
import Embeddings
import HTTPClient
import Logging
import PgvectorBackend
import RedisBackend
import RedisDriver
import ReferenceBackend

/// Makes the embedder and the backends from the settings.
struct Assembly {
    let settings: Settings
    let logger: Logger

    /// - Parameter client: asks embedding services; its owner ends it.
    /// - Throws: ``MemoryError`` with code `misconfigured` that names the setting.
    func makeEmbedder(client: HTTPClient) throws(MemoryError) -> any Embedder {
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
        return try EmbedderFactory.make(configuration, client: client, logger: logger)
    }

    /// The built-in factories by name.
    func registry(embedder: any Embedder) -> BackendRegistry {
        BackendRegistry([
            "redis": { try redis(embedder) },
            "pgvector": { try pgvector(embedder) },
            "reference": { ReferenceMemoryDatabase(embedder: embedder, metric: settings.metric) },
        ])
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

    private func pgvector(_ embedder: any Embedder) throws -> any MemoryVectorDatabase {
        try PgvectorMemoryDatabase(configuration: pgvectorConfiguration(), embedder: embedder, logger: logger)
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
    func pgvectorConfiguration() throws -> PgvectorMemoryDatabase.Configuration {
        guard let url = settings.databaseURL else {
            throw MemoryError(
                .misconfigured,
                "DATABASE_URL is not set; the backend needs it, such as postgresql://user@localhost/agent_memory")
        }
        return PgvectorMemoryDatabase.Configuration(
            databaseURL: url, schema: settings.postgresSchema, poolSize: settings.postgresPoolSize,
            timeout: .seconds(settings.storeTimeoutSeconds), metric: settings.metric,
            algorithm: settings.algorithm == .flat ? .flat : .hnsw, autoMigrate: settings.autoMigrate)
    }
}
