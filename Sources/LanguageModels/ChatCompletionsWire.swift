import AgentMemory
import ModelServices

/// OpenAI's `/chat/completions`, without streaming.
struct ChatCompletionsWire: LanguageWire {
    let model: String
    let maximumTokens: Int? = nil

    /// Not every service knows each of them.
    func spellings(of format: AnswerFormat) -> [JSONObject?] {
        guard case .json(let schema) = format else { return [nil] }
        return [
            [
                "type": "json_schema",
                "json_schema": [
                    "name": .string(schema.name), "strict": true, "schema": .object(schema.schema),
                ],
            ], ["type": "json_object"], nil,
        ]
    }

    /// Some servers send a list of parts.
    private func text(_ content: JSONValue?) -> String {
        if let text = content?.stringValue { return text }
        return (content?.arrayValue ?? []).compactMap { $0["text"]?.stringValue }.joined()
    }

    func answer(in body: [UInt8]) throws(RetryingClient.UnusableResponse) -> LanguageAnswer {
        let json = try json(body)
        guard let choice = json["choices"]?.arrayValue?.first, let message = choice["message"] else {
            throw .init(reason: "no choices")
        }
        let usage = json["usage"]
        return LanguageAnswer(
            // Absent for a refusal and for calls of tools.
            text(message["content"]),
            // Some servers leave the reason out.
            isWhole: choice["finish_reason"]?.stringValue ?? "stop" == "stop",
            tokens: TokenCount(input: count(usage, "prompt_tokens"), output: count(usage, "completion_tokens")))
    }
}
