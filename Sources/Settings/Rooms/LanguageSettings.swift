import AgentMemory

/// The language models, in services.
public struct LanguageSettings: SettingsRoom {
    public static let title = "Language models"

    public let fastModel = Setting<String?>.word(
        "FAST_MODEL", from: modelOfKeys, inWords: "with a key of OpenAI `gpt-5-mini`, else none",
        "The model that [rewrites queries](language-models.md). Its name chooses the service: `claude-…` is Anthropic's, `ollama/…` and every other name goes to a service that speaks OpenAI's `/chat/completions`."
    )
    public let generationModel = Setting<String?>.word(
        "GENERATION_MODEL", from: generationModelOfKeys,
        inWords: "that of `FAST_MODEL`, or `gpt-5` with a key for OpenAI itself",
        "The model that [extracts memories](language-models.md#memories-from-conversations). Its name chooses the service as that of `FAST_MODEL` does."
    )
    public let fastFallbackModel = Setting<String?>.word(
        "FAST_FALLBACK_MODEL",
        "The model that is [asked where that of `FAST_MODEL` has no answer](language-models.md#a-model-to-fall-back-to)."
    )
    public let generationFallbackModel = Setting<String?>.word(
        "GENERATION_FALLBACK_MODEL", from: generationFallback,
        inWords: "that of `FAST_FALLBACK_MODEL` if `GENERATION_MODEL` is that of `FAST_MODEL`, else none",
        "The same for `GENERATION_MODEL`.")
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
    public let namespaces = Setting<[String]>.namespaces(
        "LLM_NAMESPACES",
        "The only namespaces whose texts are [sent to language models](language-models.md#whose-texts-are-sent); texts without a namespace are not."
    )
    public let excludedNamespaces = Setting<[String]>.namespaces(
        "LLM_EXCLUDED_NAMESPACES", "Namespaces whose texts are not sent to language models.")
    public let queryPrompt = Setting<String?>.word(
        "QUERY_OPTIMIZATION_PROMPT_TEMPLATE", "The prompt that rewrites a query; it must hold `{query}`.")
    public let minimumQueryLength = Setting<Int>.int(
        "MIN_OPTIMIZED_QUERY_LENGTH", in: 1...1000, default: 2, "Shorter answers, in characters, are not used.")
    public let queryTimeout = Setting<Duration>.seconds(
        "QUERY_OPTIMIZATION_TIMEOUT_SECONDS", in: 0.01...600, default: 5,
        "How long a search waits for its query to be rewritten; then it searches for the query as it is.")

    public let promptsFolder = Setting<String?>.word(
        "PROMPTS_FOLDER",
        "A folder with files that replace [prompts](language-models.md#prompts), such as `extraction_discrete.txt`.")
    public let extracts = Setting<Bool>.bool(
        "ENABLE_DISCRETE_MEMORY_EXTRACTION", default: true,
        "With a language model, memories are extracted from the messages of sessions, by any strategy.")
    public let extractionDelay = Setting<Duration>.seconds(
        "EXTRACTION_DEBOUNCE_SECONDS", in: 0...86_400, default: 30,
        "How long a session must have been quiet before its messages are extracted from.")
    public let extractionTokens = Setting<Int>.int(
        "EXTRACTION_MAX_TOKENS", in: 100...1_000_000, default: 4000,
        "Tokens of new messages in one call; a longer message is sent alone.")
    public let extractionContextTokens = Setting<Int>.int(
        "EXTRACTION_CONTEXT_TOKENS", in: 0...1_000_000, default: 1000,
        "Tokens of earlier messages that a call shows as context.")
    public let topics = Setting<Int>.int(
        "TOP_K_TOPICS", in: 1...20, default: 3, "Topics of a memory that the model is asked for at most.")

    public let findsTopics = Setting<Bool>.bool(
        "ENABLE_TOPIC_EXTRACTION", default: true,
        "With a language model, memories that are stored without topics and entities get topics.")
    public let findsEntities = Setting<Bool>.bool(
        "ENABLE_NER", default: true,
        "With a language model, memories that are stored without topics and entities get entities.")
    public let deduplicates = Setting<Bool>.bool(
        "COMPACT_SEMANTIC_DUPLICATES", default: true,
        "With a language model and a history, [memories of the same meaning](language-models.md#memories-of-the-same-meaning) are united, after they are stored and by a compaction."
    )
    public let deduplicationThreshold = Setting<Double>.number(
        "DEDUPLICATION_DISTANCE_THRESHOLD", in: 0...2, default: 0.35,
        "The largest distance of memories that the model is asked to compare.")

    public let summarizes = Setting<Bool>.bool(
        "ENABLE_WORKING_MEMORY_SUMMARIZATION", default: true,
        "With a language model, the earlier messages of [long sessions](language-models.md#summaries-of-sessions) are summarised in the session's `context`."
    )
    public let summarizesInRequest = Setting<Bool>.bool(
        "SUMMARIZE_IN_REQUEST", default: false,
        "A PUT waits for the summary, at most `SUMMARIZATION_TIMEOUT_SECONDS`; otherwise it is made in the background.")
    public let summarizationTimeout = Setting<Duration>.seconds(
        "SUMMARIZATION_TIMEOUT_SECONDS", in: 0.01...600, default: 20, "How long a PUT waits for the summary.")
    public let summaryPrompt = Setting<String?>.word(
        "PROGRESSIVE_SUMMARIZATION_PROMPT",
        "The prompt that summarises a session; it must hold `{prev_summary}` and `{messages_joined}`.")

    public let taskTimeLimit = Setting<Int>.int(
        "LLM_TASK_TIMEOUT_MINUTES", in: 1...10_080, default: 60,
        "How long a [task](api.md#tasks) may take from its start, with the time that it waits for a language model; then it has failed, and what was done stays."
    )
    public let viewInterval = Setting<Int>.int(
        "SUMMARY_VIEW_REFRESH_EVERY_MINUTES", in: 1...525_600, default: 60,
        "The interval at which continuous [summary views](language-models.md#summary-views) are renewed, by one server of all."
    )
    public let viewTokens = Setting<Int>.int(
        "SUMMARY_VIEW_MAX_TOKENS", in: 500...1_000_000, default: 16_000,
        "Tokens of the memories of one summary; the newest count.")

    /// That of `FAST_MODEL`, because a server without a key of OpenAI could not use another one.
    @Sendable private static func generationModelOfKeys(_ variables: [String: String]) -> String? {
        if let fast = variables["FAST_MODEL"], !fast.isEmpty { return fast }
        // Another address may be that of embeddings alone.
        let addresses = ["CHAT_API_BASE", "OPENAI_API_BASE"]
        guard addresses.allSatisfy({ variables[$0]?.isEmpty != false }) else { return nil }
        return modelOfKeys(variables) == nil ? nil : "gpt-5"
    }

    /// Where the model of `FAST_MODEL` does all the work, so does what stands in for it.
    @Sendable private static func generationFallback(_ variables: [String: String]) -> String? {
        guard let fast = variables["FAST_MODEL"], !fast.isEmpty,
            let fallback = variables["FAST_FALLBACK_MODEL"], !fallback.isEmpty
        else { return nil }
        let generation = variables["GENERATION_MODEL"] ?? ""
        return generation.isEmpty || ExactString(generation) == ExactString(fast) ? fallback : nil
    }

    /// The reference's default, where there is a key to use it with.
    @Sendable private static func modelOfKeys(_ variables: [String: String]) -> String? {
        let hasKey = ["CHAT_API_KEY", "CHAT_API_KEY_FILE", "OPENAI_API_KEY", "OPENAI_API_KEY_FILE"].contains {
            variables[$0]?.isEmpty == false
        }
        return hasKey ? "gpt-5-mini" : nil
    }
}
