public import AgentMemory

/// What a language model is made from. Reading it from an environment is the executable's work.
public struct LanguageModelConfiguration: Sendable {
    /// The model's name; its prefix chooses the provider (``LanguageProvider``). Default: none.
    public var model: String?
    /// Of a service that speaks OpenAI's `/chat/completions`. Default: OpenAI's; for `ollama/…` a
    /// local Ollama.
    public var baseURL: String?
    /// The key of that service. Default: none.
    public var apiKey: String?
    /// Of Anthropic's service, or a gateway with the same wire. Default: Anthropic's.
    public var anthropicBaseURL: String?
    /// Default: none.
    public var anthropicKey: String?
    /// For one attempt. Default: 60 s.
    public var attemptTimeout: Duration = .seconds(60)
    /// For one call with all its attempts. Default: 120 s.
    public var deadline: Duration = .seconds(120)
    /// Calls at the same time. Default: 4.
    public var concurrency = 4
    /// Tokens, in and out, in any 60 minutes; `nil` for no limit. Default: `nil`.
    public var tokensPerHour: Int?
    /// Whose texts the model may be sent. Default: everything.
    public var reach: LanguageReach = .everything

    /// How messages name the fields. Default: as they are called here.
    public var names = LanguageModelFieldNames()

    public init() {}
}

/// How messages name the fields of a ``LanguageModelConfiguration``: as the reader of a message can
/// set them.
public struct LanguageModelFieldNames: Sendable {
    public var model = "model"
    public var baseURL = "baseURL"
    public var apiKey = "apiKey"
    public var anthropicBaseURL = "anthropicBaseURL"
    public var anthropicKey = "anthropicKey"
    public var tokensPerHour = "tokensPerHour"

    public init() {}
}
