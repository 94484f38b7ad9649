import AgentMemory
import ModelServices

/// OpenAI's `/chat/completions`, without streaming.
struct ChatCompletionsWire: LanguageWire {
    let model: String
    let maximumTokens: Int? = nil

    func answer(in body: [UInt8]) throws(RetryingClient.UnusableResponse) -> LanguageAnswer {
        let json = try json(body)
        guard let choice = json["choices"]?.arrayValue?.first, let message = choice["message"] else {
            throw .init(reason: "no choices")
        }
        let usage = json["usage"]
        return LanguageAnswer(
            // Absent for a refusal and for calls of tools.
            message["content"]?.stringValue ?? "",
            // Some servers leave the reason out.
            isWhole: choice["finish_reason"]?.stringValue ?? "stop" == "stop",
            tokens: TokenCount(input: count(usage, "prompt_tokens"), output: count(usage, "completion_tokens")))
    }
}
