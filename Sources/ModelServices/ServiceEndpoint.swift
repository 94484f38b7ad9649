public import AgentMemory
public import HTTPClient

/// The URL that requests go to, and the header with the key.
///
/// The purpose's path is added to the base URL's unless it ends with it already; a query stays. The
/// key is sent as `Authorization: Bearer`, or in the header that is configured, or as `api-key`
/// when the service is Azure's: its host ends in `.azure.com`, or the URL has an `api-version`, or
/// the model's name begins with `azure/`. With Azure's host alone as base URL, the path becomes
/// that of the deployment which has the model's name (`/openai/deployments/<model>/…`) if there is
/// an API version, otherwise the unversioned `/openai/v1`.
public struct ServiceEndpoint: Sendable {
    public let url: HTTPURL
    public let authentication: (name: String, value: String)?
    /// Whether it is OpenAI's own service or Azure's, which are known to support the whole
    /// protocol.
    public let isOpenAIOrAzure: Bool

    static let openAI = "https://api.openai.com/v1"
    static let ollama = "http://localhost:11434/v1"

    /// - Throws: ``MemoryError`` with code `misconfigured`.
    public init(
        _ configuration: ServiceConfiguration, model: ModelName, purpose: ServicePurpose
    ) throws(MemoryError) {
        var url = try Self.baseURL(configuration, model: model, purpose: purpose)
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
        if !url.path.hasSuffix(purpose.path) { url.path += purpose.path }
        self.url = url
        let isOpenAI = url.host == "api.openai.com"
        isOpenAIOrAzure = isOpenAI || isAzureHost

        guard let key = configuration.apiKey, !key.isEmpty else {
            if isOpenAI {
                throw MemoryError(
                    .misconfigured,
                    "\(purpose.names.apiKey) is not set, and the \(purpose.noun) model \(model.configured) is a model of "
                        + "api.openai.com; set the key, another base URL"
                        + (purpose.alternative.map { ", or \($0) to need neither" } ?? ""))
            }
            authentication = nil
            return
        }
        guard key.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw MemoryError(
                .misconfigured,
                "the \(purpose.noun) service's API key has a blank or another character that keys cannot have")
        }
        if let header = configuration.apiKeyHeader {
            authentication = (header, key)
        } else {
            authentication = isAzure ? ("api-key", key) : ("Authorization", "Bearer \(key)")
        }
    }

    private static func baseURL(
        _ configuration: ServiceConfiguration, model: ModelName, purpose: ServicePurpose
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
                    "the \(purpose.noun) model \(model.configured) needs the base URL of its service (\(purpose.names.baseURL))"
                )
            }
        }
        do {
            return try HTTPURL(text)
        } catch {
            throw MemoryError(.misconfigured, "the \(purpose.noun) service's base URL is not usable: \(error.message)")
        }
    }
}
