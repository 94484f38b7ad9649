import AgentMemory

/// A record as the file keeps it: the JSON of the REST API, so that people can read it with `sqlite3`.
extension MemoryRecord {
    var jsonText: String { String(decoding: json.bytes, as: UTF8.self) }

    /// - Throws: ``MemoryError`` with code `internalError` that names the member at fault.
    init(stored text: String) throws(MemoryError) {
        let json: JSONValue
        do {
            json = try JSONValue(parsing: text)
        } catch {
            throw MemoryError(.internalError, "a record in the file is not JSON", underlying: error.message)
        }
        let reader = MemberReader(json, of: "a record in the file")
        func date(_ json: JSONValue) -> Timestamp? { json.stringValue.flatMap { Timestamp(parsing: $0) } }
        self.init(
            storedID: try reader.required("id", \.stringValue), text: try reader.required("text", \.stringValue),
            sessionID: try reader.optional("session_id", \.stringValue),
            userID: try reader.optional("user_id", \.stringValue),
            namespace: try reader.optional("namespace", \.stringValue),
            memoryType: try reader.required("memory_type") { $0.stringValue.flatMap(MemoryType.init) },
            topics: try reader.strings("topics"), entities: try reader.strings("entities"),
            extractedFrom: try reader.strings("extracted_from"),
            discreteMemoryExtracted: try reader.required("discrete_memory_extracted", \.stringValue) == "t",
            extractionStrategy: try reader.required("extraction_strategy", \.stringValue),
            extractionStrategyConfig: try reader.required("extraction_strategy_config", \.objectValue),
            metadata: try reader.required("metadata", \.objectValue),
            memoryHash: try reader.required("memory_hash", \.stringValue),
            pinned: try reader.required("pinned", \.boolValue),
            accessCount: try reader.required("access_count", \.intValue),
            createdAt: try reader.required("created_at", date),
            lastAccessed: try reader.required("last_accessed", date),
            updatedAt: try reader.required("updated_at", date),
            persistedAt: try reader.optional("persisted_at", date), eventDate: try reader.optional("event_date", date))
    }
}
