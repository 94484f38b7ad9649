import AgentMemory

extension MemoryRecord {
    /// A record out of a server's answer.
    ///
    /// - Throws: ``MemoryError`` with code `internalError` that names the member at fault.
    init(answered json: JSONValue) throws(MemoryError) {
        let reader = AnswerReader(json)
        guard let memoryType = MemoryType(rawValue: try reader.required("memory_type", \.stringValue)) else {
            throw AnswerReader.unreadable("memory_type")
        }
        self.init(
            storedID: try reader.required("id", \.stringValue), text: try reader.required("text", \.stringValue),
            sessionID: try reader.optional("session_id", \.stringValue),
            userID: try reader.optional("user_id", \.stringValue),
            namespace: try reader.optional("namespace", \.stringValue), memoryType: memoryType,
            topics: try reader.strings("topics"), entities: try reader.strings("entities"),
            extractedFrom: try reader.strings("extracted_from"),
            discreteMemoryExtracted: try reader.required("discrete_memory_extracted", \.stringValue) == "t",
            extractionStrategy: try reader.required("extraction_strategy", \.stringValue),
            extractionStrategyConfig: try reader.required("extraction_strategy_config", \.objectValue),
            metadata: try reader.required("metadata", \.objectValue),
            memoryHash: try reader.optional("memory_hash", \.stringValue) ?? "",
            pinned: try reader.required("pinned", \.boolValue),
            accessCount: try reader.required("access_count", \.intValue),
            createdAt: try reader.required("created_at", AnswerReader.date),
            lastAccessed: try reader.required("last_accessed", AnswerReader.date),
            updatedAt: try reader.required("updated_at", AnswerReader.date),
            persistedAt: try reader.optional("persisted_at", AnswerReader.date),
            eventDate: try reader.optional("event_date", AnswerReader.date))
    }
}

/// Takes the members of one object out of an answer.
struct AnswerReader {
    private let reader: MemberReader

    init(_ json: JSONValue) {
        reader = MemberReader(json, of: "the server's answer")
    }

    func required<Value>(_ name: String, _ convert: (JSONValue) -> Value?) throws(MemoryError) -> Value {
        try reader.required(name, convert)
    }

    /// `nil` for a member that is `null` or absent.
    func optional<Value>(_ name: String, _ convert: (JSONValue) -> Value?) throws(MemoryError) -> Value? {
        try reader.optional(name, convert)
    }

    func strings(_ name: String) throws(MemoryError) -> [String] { try reader.optionalStrings(name) ?? [] }

    static func date(_ json: JSONValue) -> Timestamp? { json.stringValue.flatMap { Timestamp(parsing: $0) } }

    static func unreadable(_ name: String) -> MemoryError { AnswerReader(.null).reader.unreadable(name) }
}
