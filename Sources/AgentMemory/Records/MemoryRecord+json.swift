extension MemoryRecord {
    /// Writes the record's members as the REST API spells them; the caller opens and closes the object.
    public func writeMembers(to writer: inout JSONWriter) {
        func member(_ name: String, _ write: (inout JSONWriter) -> Void) {
            writer.name(name)
            write(&writer)
        }
        member("id") { $0.string(id) }
        member("text") { $0.string(text) }
        member("session_id") { $0.string(sessionID) }
        member("user_id") { $0.string(userID) }
        member("namespace") { $0.string(namespace) }
        member("last_accessed") { $0.string(lastAccessed.iso8601) }
        member("created_at") { $0.string(createdAt.iso8601) }
        member("updated_at") { $0.string(updatedAt.iso8601) }
        member("pinned") { $0.bool(pinned) }
        member("access_count") { $0.int(accessCount) }
        member("topics") { $0.strings(topics) }
        member("entities") { $0.strings(entities) }
        member("memory_hash") { $0.string(memoryHash) }
        member("discrete_memory_extracted") { $0.string(discreteMemoryExtracted ? "t" : "f") }
        member("memory_type") { $0.string(memoryType.rawValue) }
        member("persisted_at") { $0.string(persistedAt?.iso8601) }
        member("extracted_from") { $0.strings(extractedFrom) }
        member("event_date") { $0.string(eventDate?.iso8601) }
        member("extraction_strategy") { $0.string(extractionStrategy) }
        member("extraction_strategy_config") { $0.value(.object(extractionStrategyConfig)) }
        member("metadata") { $0.value(.object(metadata)) }
    }

    /// The record as one JSON object.
    public var json: JSONWriter {
        var writer = JSONWriter(capacity: text.utf8.count + 768)
        writer.object { writeMembers(to: &$0) }
        return writer
    }

    /// Two records are equal if a client could not tell them apart: their JSON is the same to the byte. (Swift's `==` on
    /// strings would hold canonically equivalent texts equal.)
    public static func == (a: MemoryRecord, b: MemoryRecord) -> Bool {
        a.json.bytes == b.json.bytes
    }
}

extension SearchHit {
    /// Writes the record's members and then dist, score and score_type.
    public func writeMembers(to writer: inout JSONWriter) {
        record.writeMembers(to: &writer)
        writer.name("dist")
        writer.double(distance)
        writer.name("score")
        if let score { writer.double(score) } else { writer.null() }
        writer.name("score_type")
        writer.string(scoreType?.rawValue)
    }
}
