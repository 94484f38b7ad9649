public import AgentMemory
public import MemoryService

/// The messages of a prompt, and the memories that were found for it.
public struct PromptResponse: APIResponse {
    private let answer: MemoryPrompt.Answer

    public init(_ answer: MemoryPrompt.Answer) {
        self.answer = answer
    }

    public var estimatedBytes: Int { 1024 + 256 * answer.messages.count }

    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.name("messages")
            writer.array { writer in
                for message in answer.messages { Self.write(message, to: &writer) }
            }
            writer.name("long_term_memories")
            if let found = answer.memories {
                writer.array { writer in
                    for index in found.items.indices { writer.object { found.writeMembers(at: index, to: &$0) } }
                }
            } else {
                writer.null()
            }
        }
    }

    private static func write(_ message: MemoryPrompt.Message, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("role", message.role.rawValue)
            writer.name("content")
            writer.object { writer in
                writer.member("type", "text")
                writer.member("text", message.text)
                writer.member("annotations", .null)
                writer.member("_meta", .null)
            }
        }
    }
}
