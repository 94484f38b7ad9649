/// The language model that rewrites queries, in a service.
public struct LanguageSettings: SettingsRoom {
    public static let title = "Language models"

    public let fastModel = Setting<String?>.word(
        "FAST_MODEL", from: modelOfKeys, inWords: "with a key of OpenAI `gpt-5-mini`, else none",
        "The model that [rewrites queries](language-models.md). Its name chooses the service: `claude-…` is Anthropic's, `ollama/…` and every other name goes to a service that speaks OpenAI's `/chat/completions`."
    )
    public let baseURL = Setting<String?>.address(
        "CHAT_API_BASE", "The base URL of that service, if it is not `OPENAI_API_BASE`.")
    public let apiKey = Setting<String?>.secret(
        "CHAT_API_KEY", "The key of that service; without it and `CHAT_API_BASE`, `OPENAI_API_KEY`.")
    public let anthropicKey = Setting<String?>.secret("ANTHROPIC_API_KEY", "The key for models of Anthropic.")
    public let anthropicBaseURL = Setting<String?>.address(
        "ANTHROPIC_API_BASE", "The base URL of Anthropic's service, or of a gateway to it.")
    public let attemptTimeout = Setting<Duration>.seconds(
        "LLM_TIMEOUT_SECONDS", in: 0.1...3600, default: 60, "The deadline of one attempt.")
    public let concurrency = Setting<Int>.int(
        "LLM_CONCURRENCY", in: 1...1000, default: 4,
        "Calls of this server at the same time. What would be one more goes on without the model.")
    public let tokensPerHour = Setting<Int?>.int(
        "LLM_BUDGET_TOKENS_PER_HOUR", in: 1...Int(Int32.max), defaultInWords: "no limit",
        "Tokens, of prompts and answers, that this server may use in any 60 minutes. Calls that are under way when they are used up end as usual."
    )
    public let queryPrompt = Setting<String?>.word(
        "QUERY_OPTIMIZATION_PROMPT_TEMPLATE", "The prompt that rewrites a query; it must hold `{query}`.")
    public let minimumQueryLength = Setting<Int>.int(
        "MIN_OPTIMIZED_QUERY_LENGTH", in: 1...1000, default: 2, "Shorter answers, in characters, are not used.")
    public let queryTimeout = Setting<Duration>.seconds(
        "QUERY_OPTIMIZATION_TIMEOUT_SECONDS", in: 0.01...600, default: 5,
        "How long a search waits for its query to be rewritten; then it searches for the query as it is.")

    /// The reference's default, where there is a key to use it with.
    @Sendable private static func modelOfKeys(_ variables: [String: String]) -> String? {
        let hasKey = ["CHAT_API_KEY", "CHAT_API_KEY_FILE", "OPENAI_API_KEY", "OPENAI_API_KEY_FILE"].contains {
            variables[$0]?.isEmpty == false
        }
        return hasKey ? "gpt-5-mini" : nil
    }
}
