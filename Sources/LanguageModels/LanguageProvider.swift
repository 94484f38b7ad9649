import AgentMemory

/// The wire that a model's service speaks.
///
/// The model's name chooses it, as LiteLLM's names do: `claude-…` and `anthropic/…` are
/// Anthropic's. What LiteLLM would send to a service with a wire of its own (`gemini/`, `bedrock/`,
/// …) is refused: a proxy makes it reachable. Every other name is asked for at a service that
/// speaks OpenAI's `/chat/completions`.
enum LanguageProvider: Equatable {
    /// OpenAI's `/chat/completions`: OpenAI, Azure, Ollama, vLLM, LiteLLM's proxy, llama.cpp.
    case chatCompletions
    /// Anthropic's `/v1/messages`, with the name to send.
    case anthropic(String)

    /// Prefixes of LiteLLM for services that speak neither wire, or whose keys are not read here.
    static let unknown = [
        "ai21", "anyscale", "aws", "bedrock", "cerebras", "clarifai", "cloudflare", "cohere", "cohere_chat",
        "databricks", "deepinfra", "deepseek", "fireworks_ai", "gemini", "google", "groq", "huggingface", "mistral",
        "nlp_cloud", "nvidia_nim", "openrouter", "palm", "perplexity", "petals", "replicate", "sagemaker",
        "together_ai", "vertex_ai", "voyage", "watsonx", "xai",
    ]

    /// - Parameter names: how messages name the fields.
    /// - Throws: ``MemoryError`` with code `misconfigured` that names the field and the way out.
    init(model: String, names: LanguageModelFieldNames) throws(MemoryError) {
        if let name = Self.name(model, after: "anthropic/") {
            self = .anthropic(name)
            return
        }
        if model.hasPrefix("claude-") {
            self = .anthropic(model)
            return
        }
        let prefix = model.prefix { $0 != "/" }
        let isUnknown =
            prefix.count < model.count && Self.unknown.contains(prefix.lowercased()) || model.hasPrefix("anthropic.")
        guard !isUnknown else {
            throw MemoryError(
                .misconfigured,
                "\(names.model)=\(model) is a model of a service whose protocol this server does not speak; run a proxy that speaks OpenAI's, such as LiteLLM's, set \(names.baseURL) to it, and \(names.model) to litellm_proxy/<the name there>"
            )
        }
        self = .chatCompletions
    }

    private static func name(_ model: String, after prefix: String) -> String? {
        model.hasPrefix(prefix) && model.count > prefix.count ? String(model.dropFirst(prefix.count)) : nil
    }
}
