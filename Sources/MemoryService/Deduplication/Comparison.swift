import AgentMemory

/// What a language model makes of memories that are near to one another in meaning.
///
/// Only what the answer says about the memories it was asked about is taken, by its structure: a
/// part that is wrong in itself is left out.
struct Comparison: Sendable, Equatable {
    /// Some of the memories, by their positions in the question.
    enum Finding: Sendable, Equatable {
        /// They state the same fact; the text is all that they say.
        case same([Int], text: String)
        /// The facts of `earlier` no longer hold, because `current` says otherwise.
        case update(earlier: [Int], current: Int)
    }

    let findings: [Finding]

    /// UTF-8 bytes of a text that the memories together do not have: words that join them.
    private static let joiningBytes = 200

    /// - Parameter memories: those of the question, in its order.
    init(_ items: [JSONValue], of memories: [MemoryRecord]) {
        var used: Set<Int> = []
        findings = items.compactMap { item in
            guard let finding = Self.finding(item, memories), used.isDisjoint(with: finding.positions) else {
                return nil
            }
            used.formUnion(finding.positions)
            return finding
        }
    }

    private static func finding(_ item: JSONValue, _ memories: [MemoryRecord]) -> Finding? {
        let numbers = item["memories"]?.arrayValue ?? []
        let positions = numbers.compactMap(\.intValue).map { $0 - 1 }
        guard positions.count == numbers.count, positions.count > 1, Set(positions).count == positions.count,
            positions.allSatisfy(memories.indices.contains)
        else { return nil }
        switch item["relation"]?.stringValue {
        case "same":
            let longest = positions.reduce(joiningBytes) { $0 + memories[$1].text.utf8.count }
            guard let text = item["text"]?.stringValue?.trimmed, !SearchQuery.isBlank(text), !text.utf8.contains(0),
                text.utf8.count <= longest
            else { return nil }
            return .same(positions.sorted(), text: text)
        case "update":
            guard let current = item["current"]?.intValue.map({ $0 - 1 }), positions.contains(current) else {
                return nil
            }
            let earlier = positions.filter { $0 != current }.sorted()
            // What holds now cannot have been said before the others.
            guard earlier.allSatisfy({ memories[$0].createdAt <= memories[current].createdAt }) else { return nil }
            return .update(earlier: earlier, current: current)
        default: return nil
        }
    }

    // MARK: The question

    /// The memories, one JSON object on each line, numbered from 1.
    static func lines(_ memories: [MemoryRecord]) -> String {
        memories.enumerated().map { position, memory in
            JSONValue.object([
                "number": .int(position + 1), "text": .string(memory.text),
                "created_at": .string(memory.createdAt.iso8601),
                "event_date": memory.eventDate.map { .string($0.iso8601) } ?? .null,
            ]).jsonText
        }.joined(separator: "\n")
    }

    /// What an answer must look like.
    static let schema = AnswerSchema(
        name: "comparison",
        schema: [
            "type": "object", "additionalProperties": false, "required": ["groups"],
            "properties": [
                "groups": [
                    "type": "array",
                    "items": [
                        "type": "object", "additionalProperties": false,
                        "required": ["relation", "memories", "text", "current"],
                        "properties": [
                            "relation": ["type": "string", "enum": ["same", "update"]],
                            "memories": ["type": "array", "items": ["type": "integer"]],
                            "text": ["type": ["string", "null"]],
                            "current": ["type": ["integer", "null"]],
                        ],
                    ],
                ]
            ],
        ])
}

extension Comparison.Finding {
    /// All memories that it is about.
    var positions: [Int] {
        switch self {
        case .same(let positions, _): positions
        case .update(let earlier, let current): earlier + [current]
        }
    }
}
