/// The models whose context windows clients may name.
public enum ModelName: String, Sendable, CaseIterable {
    case gpt41 = "gpt-4.1"
    case gpt41Mini = "gpt-4.1-mini"
    case gpt35Turbo = "gpt-3.5-turbo"
    case gpt35Turbo16k = "gpt-3.5-turbo-16k"
    case gpt4 = "gpt-4"
    case gpt432k = "gpt-4-32k"
    case gpt4o = "gpt-4o"
    case gpt4oMini = "gpt-4o-mini"
    case o1 = "o1"
    case o1Mini = "o1-mini"
    case o3Mini = "o3-mini"
    case gpt5Mini = "gpt-5-mini"
    case gpt5Nano = "gpt-5-nano"
    case gpt51Chat = "gpt-5.1-chat-latest"
    case gpt52Chat = "gpt-5.2-chat-latest"
    case textEmbeddingAda002 = "text-embedding-ada-002"
    case textEmbedding3Small = "text-embedding-3-small"
    case textEmbedding3Large = "text-embedding-3-large"
    case claude3Opus20240229 = "claude-3-opus-20240229"
    case claude3Sonnet20240229 = "claude-3-sonnet-20240229"
    case claude3Haiku20240307 = "claude-3-haiku-20240307"
    case claude35Sonnet20240620 = "claude-3-5-sonnet-20240620"
    case claude37Sonnet20250219 = "claude-3-7-sonnet-20250219"
    case claude35Sonnet20241022 = "claude-3-5-sonnet-20241022"
    case claude35Haiku20241022 = "claude-3-5-haiku-20241022"
    case claude37SonnetLatest = "claude-3-7-sonnet-latest"
    case claude35SonnetLatest = "claude-3-5-sonnet-latest"
    case claude35HaikuLatest = "claude-3-5-haiku-latest"
    case claude3OpusLatest = "claude-3-opus-latest"
    case claudeSonnet4520250929 = "claude-sonnet-4-5-20250929"
    case claudeHaiku4520251001 = "claude-haiku-4-5-20251001"
    case claudeOpus4520251101 = "claude-opus-4-5-20251101"
    case claudeSonnet45 = "claude-sonnet-4-5"
    case claudeHaiku45 = "claude-haiku-4-5"
    case claudeOpus45 = "claude-opus-4-5"

    /// Tokens of the context window, as the reference server counts them: clients compare
    /// percentages with it, so the table does not follow a provider that widens a window later.
    public var contextWindow: Int {
        switch self {
        case .gpt35Turbo: 4096
        case .gpt4: 8192
        case .textEmbeddingAda002, .textEmbedding3Small, .textEmbedding3Large: 8191
        case .gpt35Turbo16k: 16_384
        case .gpt432k: 32_768
        case .gpt41, .gpt41Mini, .gpt4o, .gpt4oMini, .o1Mini, .gpt51Chat, .gpt52Chat: 128_000
        case .gpt5Mini, .gpt5Nano: 400_000
        case .o1, .o3Mini, .claude3Opus20240229, .claude3Sonnet20240229, .claude3Haiku20240307,
            .claude35Sonnet20240620, .claude37Sonnet20250219, .claude35Sonnet20241022, .claude35Haiku20241022,
            .claude37SonnetLatest, .claude35SonnetLatest, .claude35HaikuLatest, .claude3OpusLatest,
            .claudeSonnet4520250929, .claudeHaiku4520251001, .claudeOpus4520251101, .claudeSonnet45,
            .claudeHaiku45, .claudeOpus45:
            200_000
        }
    }
}
