public import AgentMemory
public import HTTPClient
public import Logging
import SentenceModel

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Makes the embedder that a configuration asks for.
public enum EmbedderFactory {
    /// Makes the embedder. `local/hashing-<dimensions>` and `local/<name of a model>` are computed
    /// here; every other name is a model of a service that speaks OpenAI's protocol. Slow embedders
    /// get a cache. No service is called yet, but a local model's files are checked.
    ///
    /// - Parameter client: may be shared; its owner closes it.
    /// - Throws: ``MemoryError`` with code `misconfigured` that names the field or the file.
    public static func make(
        _ configuration: EmbedderConfiguration, client: HTTPClient, logger: Logger = Logger(label: "embeddings")
    ) throws(MemoryError) -> any Embedder {
        var base: any Embedder
        if configuration.model.hasPrefix(HashingEmbedder.modelPrefix) {
            base = try hashing(configuration)
            // It computes so fast that keeping its vectors would only cost; and it stands in for a
            // model where there is none, so that no other is looked for.
            guard configuration.lateInteraction == .required else { return measured(base, configuration) }
            base = try addingTokens(to: base, configuration)
        } else if configuration.model.hasPrefix(localPrefix) {
            base = try sentenceModel(configuration)
        } else {
            base = try addingTokens(
                to: OpenAICompatibleEmbedder(configuration, client: client, logger: logger), configuration)
        }
        base = measured(base, configuration)
        guard configuration.cacheEntries > 0, configuration.cacheBytes > 0 else { return base }
        return CachingEmbedder(
            base, maximumEntries: configuration.cacheEntries, maximumBytes: configuration.cacheBytes)
    }

    /// The length of the vectors of the configuration's embedder, without making or calling it.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` that names the field or the file.
    public static func dimensions(_ configuration: EmbedderConfiguration) throws(MemoryError) -> Int {
        if configuration.model.hasPrefix(HashingEmbedder.modelPrefix) { return try hashing(configuration).dimensions }
        if configuration.model.hasPrefix(localPrefix) {
            var unloaded = configuration
            unloaded.loadsLocalModelAtStart = false
            return try sentenceModel(unloaded).dimensions
        }
        return try OpenAICompatibleEmbedder.dimensions(configuration)
    }

    private static func measured(_ base: any Embedder, _ configuration: EmbedderConfiguration) -> any Embedder {
        guard let meter = configuration.meter else { return base }
        return MeasuredEmbedder(base, meter: meter)
    }

    /// The prefix of models that are computed here.
    public static let localPrefix = "local/"

    /// The embedder with the tokens of a model in this process, where they are wanted and the model
    /// is there.
    private static func addingTokens(
        to base: any Embedder, _ configuration: EmbedderConfiguration
    ) throws(MemoryError) -> any Embedder {
        guard configuration.lateInteraction != .none else { return base }
        let name = EmbedderConfiguration.tokenModel
        let path = configuration.localModelPath ?? configuration.localModelCache.map { "\($0)/\(name)" }
        guard let path, FileManager.default.fileExists(atPath: path) else {
            guard configuration.lateInteraction == .required else { return base }
            throw MemoryError(
                .misconfigured,
                """
                \(configuration.names.lateInteraction) is on, but there is no model that makes tokens\(path.map { ": no folder \($0)" } ?? ""). \
                Fetch \(name) with Scripts/fetch-model, or let \(configuration.names.localModelPath) name its folder
                """)
        }
        let tokens = try SentenceEmbedder(local(configuration, name: "\(localPrefix)\(name)", path: path))
        return TokenEmbedder(vectors: base, tokens: tokens)
    }

    private static func local(
        _ configuration: EmbedderConfiguration, name: String, path: String
    ) -> SentenceEmbedder.Configuration {
        var local = SentenceEmbedder.Configuration(name: name, path: path)
        local.threads = configuration.localThreads
        local.threadsName = configuration.names.localThreads
        local.loadsAtStart = configuration.loadsLocalModelAtStart
        local.deadline = configuration.deadline
        local.givesTokens = configuration.lateInteraction != .none
        return local
    }

    private static func hashing(_ configuration: EmbedderConfiguration) throws(MemoryError) -> HashingEmbedder {
        let prefix = HashingEmbedder.modelPrefix
        guard let dimensions = Int(configuration.model.dropFirst(prefix.count)) else {
            let range = HashingEmbedder.dimensionsRange
            throw MemoryError(
                .misconfigured,
                "there is no embedding model \(configuration.model) (\(configuration.names.model)); it is \(prefix)<dimensions> with "
                    + "\(range.lowerBound) to \(range.upperBound) dimensions, such as \(prefix)1024")
        }
        try check(configuration, dimensions: dimensions)
        return try HashingEmbedder(dimensions: dimensions)
    }

    private static func sentenceModel(_ configuration: EmbedderConfiguration) throws(MemoryError) -> SentenceEmbedder {
        let names = configuration.names
        let name = configuration.model.dropFirst(localPrefix.count)
        // The name becomes part of a path.
        guard !name.isEmpty, !name.contains("/"), !name.hasPrefix("."), !name.contains("\0") else {
            throw MemoryError(
                .misconfigured,
                "there is no embedding model \(configuration.model) (\(configuration.names.model)); a local model is local/<name>, such as "
                    + "local/all-MiniLM-L6-v2, or \(HashingEmbedder.modelPrefix)<dimensions>")
        }
        let path = configuration.localModelPath ?? configuration.localModelCache.map { "\($0)/\(name)" }
        guard let path else {
            throw MemoryError(
                .misconfigured,
                "\(names.localModelPath) and \(names.localModelCache) are not set; \(names.model)=\(configuration.model) needs one of them"
            )
        }
        guard configuration.localModelPath != nil || FileManager.default.fileExists(atPath: path) else {
            throw MemoryError(
                .misconfigured,
                "\(names.model)=\(configuration.model): there is no folder \(path). Fetch all-MiniLM-L6-v2 with "
                    + "Scripts/fetch-model, or let \(names.localModelPath) name a folder with a sentence-transformers model"
            )
        }
        let embedder = try SentenceEmbedder(local(configuration, name: configuration.model, path: path))
        try check(configuration, dimensions: embedder.dimensions)
        return embedder
    }

    private static func check(_ configuration: EmbedderConfiguration, dimensions: Int) throws(MemoryError) {
        guard let configured = configuration.dimensions, configured != dimensions else { return }
        throw MemoryError(
            .misconfigured,
            "\(configuration.names.dimensions) is \(configured), but \(configuration.model) has \(dimensions) dimensions"
        )
    }
}
