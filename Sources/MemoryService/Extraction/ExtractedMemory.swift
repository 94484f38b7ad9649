import AgentMemory

/// One memory of a model's answer, checked: a wrong item is lost alone, and what is wrong in a
/// right item is left out.
struct ExtractedMemory: Sendable, Equatable {
    /// UTF-8 bytes of a text; a longer one is not one memory.
    static let longestText = 8000
    /// Topics and entities that are kept, each.
    static let mostTags = 32
    /// Items of one answer that are read.
    static let mostItems = 200

    let text: String
    let type: MemoryType
    let topics: [String]
    let entities: [String]
    let eventDate: Timestamp?
    /// Positions among the messages, from 0; none if the answer does not say them.
    let messages: [Int]

    /// - Parameter messageCount: how many messages the answer may refer to.
    /// - Returns: `nil` for an item that is not a memory.
    init?(_ item: JSONValue, messageCount: Int) {
        guard let text = item["text"]?.stringValue, !SearchQuery.isBlank(text), !text.utf8.contains(0),
            text.utf8.count <= Self.longestText
        else { return nil }
        switch item["type"] {
        case nil, .null: type = .semantic
        case .string("semantic"): type = .semantic
        case .string("episodic"): type = .episodic
        default: return nil
        }
        self.text = text
        topics = Self.tags(item["topics"])
        entities = Self.tags(item["entities"])
        eventDate = item["event_date"]?.stringValue.flatMap { Timestamp(parsing: $0) }
        var positions: [Int] = []
        for number in item["from"]?.arrayValue?.compactMap(\.intValue) ?? []
        where (1...max(1, messageCount)).contains(number) && !positions.contains(number - 1) {
            positions.append(number - 1)
        }
        messages = positions.sorted()
    }

    /// Tags as records can have them: commas, which separate them in a store, become blanks.
    static func tags(_ json: JSONValue?) -> [String] {
        let texts: [String] = (json?.arrayValue ?? []).compactMap(\.stringValue)
        let words: [String] = texts.map { text in
            text.split { $0 == "," || $0.isWhitespace }.map { String($0) }.joined(separator: " ")
        }
        let tags = words.filter { (word: String) -> Bool in
            !word.isEmpty && word.utf8.count <= 100
                && !word.unicodeScalars.contains { $0.properties.generalCategory == .control }
        }
        return Array(tags.exactlyDistinct().prefix(mostTags))
    }

    /// The memories of an answer.
    static func all(_ items: [JSONValue], messageCount: Int) -> [ExtractedMemory] {
        items.prefix(mostItems).compactMap { ExtractedMemory($0, messageCount: messageCount) }
    }

    /// What an answer must look like.
    static let schema = AnswerSchema(
        name: "memories",
        schema: [
            "type": "object", "additionalProperties": false, "required": ["memories"],
            "properties": [
                "memories": [
                    "type": "array",
                    "items": [
                        "type": "object", "additionalProperties": false,
                        "required": ["type", "text", "topics", "entities", "event_date", "from"],
                        "properties": [
                            "type": ["type": "string", "enum": ["semantic", "episodic"]],
                            "text": ["type": "string"],
                            "topics": ["type": "array", "items": ["type": "string"]],
                            "entities": ["type": "array", "items": ["type": "string"]],
                            "event_date": ["type": ["string", "null"]],
                            "from": ["type": "array", "items": ["type": "integer"]],
                        ],
                    ],
                ]
            ],
        ])
}
