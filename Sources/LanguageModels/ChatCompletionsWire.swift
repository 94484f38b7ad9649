import AgentMemory
import ModelServices

/// OpenAI's `/chat/completions`, without streaming.
struct ChatCompletionsWire: LanguageWire {
    let model: String

    func body(_ prompt: String) -> [UInt8] {
        var writer = JSONWriter(capacity: prompt.utf8.count + 128)
        writer.object { writer in
            writer.member("model", model)
            writer.name("messages")
            writer.array { writer in
                writer.object { writer in
                    writer.member("role", "user")
                    writer.member("content", prompt)
                }
            }
        }
        return writer.bytes
    }

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
