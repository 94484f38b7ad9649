extension MemoryRecord {
    /// Writes the record's members as the REST API spells them; the caller opens and closes the object.
    public func writeMembers(to writer: inout JSONWriter) {
        writer.member("id", id)
        writer.member("text", text)
        writer.member("session_id", sessionID)
        writer.member("user_id", userID)
        writer.member("namespace", namespace)
        writer.member("last_accessed", lastAccessed.iso8601)
        writer.member("created_at", createdAt.iso8601)
        writer.member("updated_at", updatedAt.iso8601)
        writer.member("pinned", pinned)
        writer.member("access_count", accessCount)
        writer.member("topics", topics)
        writer.member("entities", entities)
        writer.member("memory_hash", memoryHash)
        writer.member("discrete_memory_extracted", discreteMemoryExtracted ? "t" : "f")
        writer.member("memory_type", memoryType.rawValue)
        writer.member("persisted_at", persistedAt?.iso8601)
        writer.member("extracted_from", extractedFrom)
        writer.member("event_date", eventDate?.iso8601)
        writer.member("extraction_strategy", extractionStrategy)
        writer.member("extraction_strategy_config", .object(extractionStrategyConfig))
        writer.member("metadata", .object(metadata))
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
        writer.member("dist", distance)
        writer.member("score", score)
        writer.member("score_type", scoreType?.rawValue)
    }
}
