import AgentMemory

/// The token budget of a client's model for messages, and how much of it a session uses.
public struct ContextBudget: Sendable, Equatable {
    /// Tokens that the messages may have, 0 or more; 0 leaves room for one message only.
    public let limit: Int
    /// The share of the window at which the reference summarises a conversation; responses show how
    /// near it is.
    public let summarizationThreshold: Double

    public static let standardThreshold = 0.7

    /// `nil` if the client does not name its model. (A maximum of 0 counts only with a model.)
    ///
    /// - Parameter maximum: overrides the model's own window; a negative one is a window of 0.
    public init?(model: ModelName?, maximum: Int?, summarizationThreshold: Double = Self.standardThreshold) {
        guard model != nil || (maximum ?? 0) != 0 else { return nil }
        limit = max(0, maximum ?? model?.contextWindow ?? 0)
        self.summarizationThreshold = summarizationThreshold
    }

    /// The largest number of messages, from the end, that can fit: each has at least two tokens.
    var messagesThatMayFit: Int { max(1, limit / 2 + 1) }

    /// As ``messagesThatMayFit``, if each has at least 16 tokens: a first estimate that holds for
    /// most conversations.
    var messagesThatUsuallyFit: Int { max(1, limit / 16 + 1) }

    /// The longest suffix of the conversation that fits; always at least the last message.
    func fitting(_ messages: [SessionMessage], counter: TokenCounter) -> ArraySlice<SessionMessage> {
        var left = limit
        var start = messages.endIndex
        while start > messages.startIndex {
            left -= counter.count(messages[start - 1])
            if left < 0, start < messages.endIndex { break }
            start -= 1
        }
        return messages[start...]
    }

    /// - Returns: `nil` for a window of zero tokens, which has no percentages.
    func usage(of messages: [SessionMessage], counter: TokenCounter) -> ContextUsage? {
        guard !messages.isEmpty else { return ContextUsage(totalUsed: 0, untilSummarization: 0) }
        guard limit > 0 else { return nil }
        let tokens = Double(messages.reduce(0) { $0 + counter.count($1) })
        let threshold = (Double(limit) * summarizationThreshold).rounded(.down)
        return ContextUsage(
            totalUsed: min(100, tokens / Double(limit) * 100),
            untilSummarization: threshold > 0 ? min(100, tokens / threshold * 100) : 100)
    }
}

/// Percentages from 0 to 100.
public struct ContextUsage: Sendable, Equatable {
    /// Of the context window.
    public let totalUsed: Double
    /// Of the tokens at which a conversation is summarised.
    public let untilSummarization: Double
}
