import AgentMemory
import HTTPClient

/// Where embeddings are asked for, and how the key is handed over.
///
/// `/embeddings` is added to the base URL's path unless it ends so already; a query stays. The key is sent as
/// `Authorization: Bearer`, or in the header that is configured, or as `api-key` when the service is Azure's: its host
/// ends in `.azure.com`, or the URL has an `api-version`, or the model's name begins with `azure/`. With Azure's host
/// alone as base URL, the path becomes that of the deployment which has the model's name
/// (`/openai/deployments/<model>/embeddings`) if there is an API version, otherwise the unversioned `/openai/v1`.
struct ServiceEndpoint: Sendable {
    let url: HTTPURL
    let authentication: (name: String, value: String)?
    /// Whether the service is known to take `encoding_format: base64`, a quarter of the size of written floats.
    let speaksBase64: Bool

    static let openAI = "https://api.openai.com/v1"
    static let ollama = "http://localhost:11434/v1"

    /// - Throws: ``MemoryError`` with code `misconfigured`.
    init(_ configuration: EmbedderConfiguration, model: KnownModel) throws(MemoryError) {
        var url = try Self.baseURL(configuration, model: model)
        let isAzureHost = url.host.hasSuffix(".azure.com")
        if let version = configuration.apiVersion, url.query?.contains("api-version=") != true {
            url.query = (url.query.map { $0 + "&" } ?? "") + "api-version=\(version)"
        }
        let isVersioned = url.query?.contains("api-version=") == true
        let isAzure = isAzureHost || isVersioned || model.provider == .azure
        while url.path.hasSuffix("/") { url.path.removeLast() }
        if isAzure, url.path.isEmpty || url.path == "/openai" {
            url.path = isVersioned ? "/openai/deployments/\(model.name)" : "/openai/v1"
        }
        if !url.path.hasSuffix("/embeddings") { url.path += "/embeddings" }
        self.url = url
        let isOpenAI = url.host == "api.openai.com"
        speaksBase64 = isOpenAI || isAzureHost

        guard let key = configuration.apiKey, !key.isEmpty else {
            if isOpenAI {
                throw MemoryError(
                    .misconfigured,
                    "OPENAI_API_KEY is not set, and the embedding model \(configuration.model) is asked of "
                        + "api.openai.com; set the key, another base URL, or "
                        + "EMBEDDING_MODEL=\(HashingEmbedder.modelPrefix)1024 to need neither")
            }
            authentication = nil
            return
        }
        guard key.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw MemoryError(
                .misconfigured, "the embedding service's API key holds a blank or another character no key has")
        }
        if let header = configuration.apiKeyHeader {
            authentication = (header, key)
        } else {
            authentication = isAzure ? ("api-key", key) : ("Authorization", "Bearer \(key)")
        }
    }

    private static func baseURL(
        _ configuration: EmbedderConfiguration, model: KnownModel
    ) throws(MemoryError) -> HTTPURL {
        let text: String
        if let configured = configuration.baseURL, !configured.isEmpty {
            text = configured
        } else {
            switch model.provider {
            case .ollama: text = ollama
            case .openai, nil: text = openAI
            case .azure, .vllm, .proxy:
                throw MemoryError(
                    .misconfigured,
                    "the embedding model \(configuration.model) needs the base URL of its service (OPENAI_API_BASE)")
            }
        }
        do {
            return try HTTPURL(text)
        } catch {
            throw MemoryError(.misconfigured, "the embedding service's base URL is not usable: \(error.message)")
        }
    }
}
