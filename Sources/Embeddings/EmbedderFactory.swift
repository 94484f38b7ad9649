public import AgentMemory
public import HTTPClient
public import Logging

/// Makes the embedder that a configuration asks for.
public enum EmbedderFactory {
    /// `local/hashing-<dimensions>` is computed here; every other name is a model of a service that speaks OpenAI's
    /// protocol, behind a cache. Nothing is asked yet.
    ///
    /// - Parameter client: Shared with whoever else asks services; ending it is the owner's work.
    /// - Throws: ``MemoryError`` with code `misconfigured` that names the setting.
    public static func make(
        _ configuration: EmbedderConfiguration, client: HTTPClient, logger: Logger = Logger(label: "embeddings")
    ) throws(MemoryError) -> any Embedder {
        if configuration.model.hasPrefix("local/") { return try local(configuration) }
        let service = try OpenAICompatibleEmbedder(configuration, client: client, logger: logger)
        guard configuration.cacheEntries > 0, configuration.cacheBytes > 0 else { return service }
        return CachingEmbedder(
            service, maximumEntries: configuration.cacheEntries, maximumBytes: configuration.cacheBytes)
    }

    private static func local(_ configuration: EmbedderConfiguration) throws(MemoryError) -> HashingEmbedder {
        let prefix = HashingEmbedder.modelPrefix
        guard configuration.model.hasPrefix(prefix),
            let dimensions = Int(configuration.model.dropFirst(prefix.count))
        else {
            let range = HashingEmbedder.dimensionsRange
            throw MemoryError(
                .misconfigured,
                "there is no embedding model \(configuration.model) (EMBEDDING_MODEL); of local models there is "
                    + "\(prefix)<dimensions> with \(range.lowerBound) to \(range.upperBound) dimensions, "
                    + "such as \(prefix)1024")
        }
        if let configured = configuration.dimensions, configured != dimensions {
            throw MemoryError(
                .misconfigured,
                "REDISVL_VECTOR_DIMENSIONS is \(configured), but \(configuration.model) has \(dimensions) dimensions")
        }
        return try HashingEmbedder(dimensions: dimensions)
    }
}
