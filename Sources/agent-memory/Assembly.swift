import AgentMemory
import BackendLoading
import Logging
import RedisBackend
import RedisDriver
import ReferenceBackend

/// Makes the embedder and the backends from the settings.
struct Assembly {
    let settings: Settings
    let logger: Logger

    /// - Throws: ``MemoryError`` with code `misconfigured`.
    func makeEmbedder() throws(MemoryError) -> any Embedder {
        throw MemoryError(.misconfigured, "no embedder")
    }

    /// The built-in factories by name.
    func registry(embedder: any Embedder) -> BackendRegistry {
        BackendRegistry([
            "redis": { try redis(embedder) },
            "reference": { ReferenceMemoryDatabase(embedder: embedder, metric: settings.metric) },
        ])
    }

    private func redis(_ embedder: any Embedder) throws -> any MemoryVectorDatabase {
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
        return try RedisMemoryDatabase(
            configuration: configuration, embedder: embedder, logger: logger)
    }
}
