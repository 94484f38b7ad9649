extension SessionMemory {
    /// Writes the memory as one JSON object, in the shape that the REST API and the reference's
    /// Redis document share.
    public func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writeContent(to: &writer)
            writer.name("last_accessed")
            writer.string(record.lastAccessed.iso8601)
            writer.name("created_at")
            writer.string(record.createdAt.iso8601)
            writer.name("updated_at")
            writer.string(record.updatedAt.iso8601)
            writer.name("access_count")
            writer.int(record.accessCount)
            writer.name("memory_hash")
            // The hash belongs to the record of long-term memory, whose scope may be the session's.
            writer.null()
            writer.name("persisted_at")
            writer.string(persistedAt?.iso8601)
        }
    }

    /// What the client sent with the memory, without dates and marks.
    func writeContent(to writer: inout JSONWriter) {
        func member(_ name: String, _ write: (inout JSONWriter) -> Void) {
            writer.name(name)
            write(&writer)
        }
        func list(_ name: String, _ values: [String], given: GivenLists) {
            member(name) { if givenLists.contains(given) { $0.strings(values) } else { $0.null() } }
        }
        member("id") { $0.string(record.id) }
        member("text") { $0.string(record.text) }
        member("session_id") { $0.string(record.sessionID) }
        member("user_id") { $0.string(record.userID) }
        member("namespace") { $0.string(record.namespace) }
        member("pinned") { $0.bool(record.pinned) }
        list("topics", record.topics, given: .topics)
        list("entities", record.entities, given: .entities)
        member("discrete_memory_extracted") { $0.string(record.discreteMemoryExtracted ? "t" : "f") }
        member("memory_type") { $0.string(record.memoryType.rawValue) }
        list("extracted_from", record.extractedFrom, given: .extractedFrom)
        member("event_date") { $0.string(record.eventDate?.iso8601) }
        member("extraction_strategy") { $0.string(record.extractionStrategy) }
        member("extraction_strategy_config") { $0.value(.object(record.extractionStrategyConfig)) }
        member("metadata") { $0.value(.object(record.metadata)) }
        if let expiresAt = record.expiresAt { member("expires_at") { $0.string(expiresAt.iso8601) } }
    }

    /// Reads what ``write(to:)`` or the reference wrote; missing members get the defaults of the
    /// API. A memory without dates gets `fallbackDate`.
    ///
    /// - Throws: ``MemoryError`` with code `internalError` if the value is not a memory.
    public init(stored value: JSONValue, fallbackDate: Timestamp) throws(MemoryError) {
        guard let id = value["id"]?.stringValue, let text = value["text"]?.stringValue else {
            throw MemoryError(.internalError, "a stored session has a memory that cannot be read")
        }
        var given: GivenLists = []
        func list(_ name: String, _ flag: GivenLists) -> [String] {
            guard let elements = value[name]?.arrayValue else { return [] }
            given.insert(flag)
            return elements.compactMap(\.stringValue)
        }
        func tag(_ name: String) -> String? {
            value[name]?.stringValue.flatMap { $0.isEmpty ? nil : $0 }
        }
        let topics = list("topics", .topics)
        let entities = list("entities", .entities)
        let extractedFrom = list("extracted_from", .extractedFrom)
        let createdAt = Timestamp(stored: value["created_at"]) ?? fallbackDate
        let record = MemoryRecord(
            storedID: id, text: text, sessionID: tag("session_id"), userID: tag("user_id"),
            namespace: tag("namespace"),
            memoryType: value["memory_type"]?.stringValue.flatMap(MemoryType.init(rawValue:)) ?? .message,
            topics: topics, entities: entities, extractedFrom: extractedFrom,
            discreteMemoryExtracted: value["discrete_memory_extracted"]?.stringValue == "t",
            extractionStrategy: tag("extraction_strategy") ?? MemoryRecord.defaultExtractionStrategy,
            extractionStrategyConfig: value["extraction_strategy_config"]?.objectValue ?? [:],
            metadata: value["metadata"]?.objectValue ?? [:], memoryHash: tag("memory_hash") ?? "",
            pinned: value["pinned"]?.boolValue ?? false, accessCount: value["access_count"]?.intValue ?? 0,
            createdAt: createdAt, lastAccessed: Timestamp(stored: value["last_accessed"]) ?? createdAt,
            updatedAt: Timestamp(stored: value["updated_at"]) ?? createdAt, persistedAt: nil,
            eventDate: Timestamp(stored: value["event_date"]), expiresAt: Timestamp(stored: value["expires_at"]))
        self.init(record, givenLists: given, persistedAt: Timestamp(stored: value["persisted_at"]))
    }
}
