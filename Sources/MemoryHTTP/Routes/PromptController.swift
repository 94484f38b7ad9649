import AgentMemory
import Hummingbird
import MemoryService

/// The route /v1/memory/prompt.
struct PromptController: Sendable {
    let prompt: MemoryPrompt
    let body: RequestBody
    let summarizationThreshold: Double
    let longTermMemory: Bool

    func prompt(_ request: Request, _ query: QueryParameters) async throws -> Response {
        try SearchRequest.check(query)
        let wishes = try PromptRequest.read(
            try await body.json(request), summarizationThreshold: summarizationThreshold)
        guard longTermMemory || wishes.search == nil else {
            throw MemoryError(.invalidCombination, "Long-term memory is disabled")
        }
        let answer = try await prompt.answer(wishes)
        return .json(capacity: 1024 + 256 * answer.messages.count) { writer in
            writer.object { writer in
                writer.name("messages")
                writer.array { writer in
                    for message in answer.messages { message.write(to: &writer) }
                }
                writer.name("long_term_memories")
                if let memories = answer.memories {
                    writer.array { writer in
                        for memory in memories { writer.object { memory.writeMembers(to: &$0) } }
                    }
                } else {
                    writer.null()
                }
            }
        }
    }
}

extension MemoryPrompt.Message {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.name("role")
            writer.string(role.rawValue)
            writer.name("content")
            writer.object { writer in
                writer.name("type")
                writer.string("text")
                writer.name("text")
                writer.string(text)
                writer.name("annotations")
                writer.null()
                writer.name("_meta")
                writer.null()
            }
        }
    }
}
