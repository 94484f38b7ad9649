/// The address of a model's service, and the limits of a call.
public struct ServiceConfiguration: Sendable {
    /// Default: OpenAI's; for `ollama/…` a local Ollama.
    public var baseURL: String?
    /// Needed for api.openai.com only. Default: none.
    public var apiKey: String?
    /// The header that carries the key alone, for gateways that need another than the usual ones.
    /// Default: none.
    public var apiKeyHeader: String?
    /// Azure's `api-version`, unless the base URL has it. Default: none.
    public var apiVersion: String?
    /// Headers of every request in addition to the key's. Default: none.
    public var headers: [(name: String, value: String)] = []
    /// For one attempt. Default: 30 s.
    public var attemptTimeout: Duration = .seconds(30)
    /// For one call with all its attempts. Default: 60 s.
    public var deadline: Duration = .seconds(60)
    /// Attempts for one request. Default: 4.
    public var maximumAttempts = 4
    /// Whether a pause that the service asks for (`Retry-After`) holds for all calls, also for
    /// later ones: none is sent before it is over. Default: no; each call is tried by itself.
    public var sharesPauses = false

    public init() {}
}

/// How messages name the fields of a configuration, so that readers know what to set.
public struct ServiceFieldNames: Sendable {
    public var model: String
    public var apiKey: String
    public var baseURL: String

    public init(model: String = "model", apiKey: String = "apiKey", baseURL: String = "baseURL") {
        self.model = model
        self.apiKey = apiKey
        self.baseURL = baseURL
    }
}
