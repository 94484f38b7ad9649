import AgentMemory

extension MemoryRecord {
    /// A record out of a server's answer.
    ///
    /// - Throws: ``MemoryError`` with code `internalError` that names the member at fault.
    init(answered json: JSONValue) throws(MemoryError) {
        let reader = MemberReader(answer: json)
        guard let memoryType = MemoryType(rawValue: try reader.required("memory_type", \.stringValue)) else {
            throw reader.unreadable("memory_type")
        }
        self.init(
            storedID: try reader.required("id", \.stringValue), text: try reader.required("text", \.stringValue),
            sessionID: try reader.optional("session_id", \.stringValue),
            userID: try reader.optional("user_id", \.stringValue),
            namespace: try reader.optional("namespace", \.stringValue), memoryType: memoryType,
            topics: try reader.optionalStrings("topics") ?? [], entities: try reader.optionalStrings("entities") ?? [],
            extractedFrom: try reader.optionalStrings("extracted_from") ?? [],
            discreteMemoryExtracted: try reader.required("discrete_memory_extracted", \.stringValue) == "t",
            extractionStrategy: try reader.required("extraction_strategy", \.stringValue),
            extractionStrategyConfig: try reader.required("extraction_strategy_config", \.objectValue),
            metadata: try reader.required("metadata", \.objectValue),
            memoryHash: try reader.optional("memory_hash", \.stringValue) ?? "",
            pinned: try reader.required("pinned", \.boolValue),
            accessCount: try reader.required("access_count", \.intValue),
            createdAt: try reader.required("created_at", \.dateValue),
            lastAccessed: try reader.required("last_accessed", \.dateValue),
            updatedAt: try reader.required("updated_at", \.dateValue),
            persistedAt: try reader.optional("persisted_at", \.dateValue),
            eventDate: try reader.optional("event_date", \.dateValue))
    }
}

extension MemberReader {
    /// A reader of an object in a server's answer.
    init(answer json: JSONValue) {
        self.init(json, of: "the server's answer")
    }
}

extension JSONValue {
    /// A date as servers write it.
    var dateValue: Timestamp? { stringValue.flatMap { Timestamp(parsing: $0) } }
}
