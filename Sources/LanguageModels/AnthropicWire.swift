import AgentMemory
import ModelServices

/// Anthropic's `/v1/messages`, without streaming.
struct AnthropicWire: LanguageWire {
    static let service = "https://api.anthropic.com"
    /// The header `anthropic-version`, which every request needs.
    static let version = "2023-06-01"

    let model: String
    let maximumTokens: Int?

    /// The prompt says what the answer must look like.
    func spellings(of format: AnswerFormat) -> [JSONObject?] { [nil] }

    func answer(in body: [UInt8]) throws(RetryingClient.UnusableResponse) -> LanguageAnswer {
        let json = try json(body)
        guard let blocks = json["content"]?.arrayValue else { throw .init(reason: "no content") }
        let texts = blocks.filter { $0["type"]?.stringValue == "text" }.compactMap { $0["text"]?.stringValue }
        let usage = json["usage"]
        return LanguageAnswer(
            texts.joined(),
            isWhole: ["end_turn", "stop_sequence"].contains(json["stop_reason"]?.stringValue ?? "end_turn"),
            tokens: TokenCount(input: count(usage, "input_tokens"), output: count(usage, "output_tokens")))
    }
}
