public import AgentMemory

extension MemoryRecord {
    /// Writes the record as one object: `record` in the schema.
    ///
    /// - Parameter words: the analyser's words of the text, for backends that search by words.
    public func writeForBackend(to writer: inout JSONWriter, words: [String]? = nil) {
        writer.object { writer in
            func member(_ name: String, _ write: (inout JSONWriter) -> Void) {
                writer.name(name)
                write(&writer)
            }
            member("id") { $0.string(id) }
            member("text") { $0.string(text) }
            member("session_id") { $0.string(sessionID) }
            member("user_id") { $0.string(userID) }
            member("namespace") { $0.string(namespace) }
            member("memory_type") { $0.string(memoryType.rawValue) }
            member("topics") { $0.strings(topics) }
            member("entities") { $0.strings(entities) }
            member("extracted_from") { $0.strings(extractedFrom) }
            member("discrete_memory_extracted") { $0.string(discreteMemoryExtracted ? "t" : "f") }
            member("extraction_strategy") { $0.string(extractionStrategy) }
            member("extraction_strategy_config") { $0.value(.object(extractionStrategyConfig)) }
            member("metadata") { $0.value(.object(metadata)) }
            member("memory_hash") { $0.string(memoryHash) }
            member("pinned") { $0.bool(pinned) }
            member("access_count") { $0.int(accessCount) }
            member("created_at") { $0.date(createdAt) }
            member("last_accessed") { $0.date(lastAccessed) }
            member("updated_at") { $0.date(updatedAt) }
            member("persisted_at") { $0.date(persistedAt) }
            member("event_date") { $0.date(eventDate) }
            if let words { member("words") { $0.strings(words) } }
        }
    }

    /// - Parameter source: what an error says the object is part of.
    /// - Throws: ``MemoryError`` with code `internalError` that names the member at fault.
    public init(fromBackend json: JSONValue, of source: String) throws(MemoryError) {
        var reader = OrderedMembers(json, of: source)
        self.init(
            storedID: try reader.required("id", \.stringValue), text: try reader.required("text", \.stringValue),
            sessionID: try reader.optional("session_id", \.stringValue),
            userID: try reader.optional("user_id", \.stringValue),
            namespace: try reader.optional("namespace", \.stringValue),
            memoryType: try reader.required("memory_type") { $0.stringValue.flatMap(MemoryType.init) },
            topics: try reader.strings("topics"), entities: try reader.strings("entities"),
            extractedFrom: try reader.strings("extracted_from"),
            discreteMemoryExtracted: try reader.required("discrete_memory_extracted", JSONValue.asExtracted),
            extractionStrategy: try reader.required("extraction_strategy", \.stringValue),
            extractionStrategyConfig: try reader.required("extraction_strategy_config", \.objectValue),
            metadata: try reader.required("metadata", \.objectValue),
            memoryHash: try reader.required("memory_hash", \.stringValue),
            pinned: try reader.required("pinned", \.boolValue),
            accessCount: try reader.required("access_count", \.intValue),
            createdAt: try reader.required("created_at", JSONValue.asDate),
            lastAccessed: try reader.required("last_accessed", JSONValue.asDate),
            updatedAt: try reader.required("updated_at", JSONValue.asDate),
            persistedAt: try reader.optional("persisted_at", JSONValue.asDate),
            eventDate: try reader.optional("event_date", JSONValue.asDate))
    }
}

extension JSONWriter {
    /// Microseconds since the epoch.
    mutating func date(_ date: Timestamp) { int(Int(date.microseconds)) }

    mutating func date(_ date: Timestamp?) {
        if let date { self.date(date) } else { null() }
    }
}

extension JSONValue {
    static func asDate(_ json: JSONValue) -> Timestamp? {
        json.intValue.flatMap { Timestamp(microseconds: Int64($0)) }
    }

    /// The spelling of `discrete_memory_extracted`.
    static func asExtracted(_ json: JSONValue) -> Bool? {
        switch json.stringValue {
        case "t": true
        case "f": false
        default: nil
        }
    }
}
