import AgentMemory

/// The body of POST /v1/long-term-memory/.
struct CreateRequest {
    let records: [MemoryRecord]
    let deduplicate: Bool

    /// - Throws: ``ValidationFailure``.
    init(_ body: JSONValue, now: Timestamp) throws {
        var issues = IssueList()
        guard let reader = ObjectReader(body, at: [.key("body")], &issues) else {
            throw ValidationFailure(issues: issues.issues)
        }
        deduplicate = reader.bool("deduplicate", &issues) ?? true
        var records: [MemoryRecord] = []
        if reader.object["memories"] == nil {
            reader.missing("memories", &issues)
        } else if reader.member("memories") == nil {
            issues.add(
                ValidationIssue(
                    "list_type", at: reader.location(of: "memories"), "Input should be a valid list", input: .null))
        } else if let memories = reader.array("memories", &issues) {
            records.reserveCapacity(memories.count)
            for (index, memory) in memories.enumerated() where !issues.isFull {
                let location = reader.location(of: "memories") + [.index(index)]
                if let record = try Self.record(memory, at: location, now: now, &issues) { records.append(record) }
            }
        }
        try issues.check()
        self.records = records
    }

    /// One memory as a client gives it. `persisted_at` and `memory_hash` are the server's to say: what the client sends there is
    /// read, so that a wrong type is told, and dropped.
    private static func record(
        _ value: JSONValue, at location: [MemoryError.PathComponent], now: Timestamp, _ issues: inout IssueList
    ) throws -> MemoryRecord? {
        guard let reader = ObjectReader(value, at: location, &issues) else { return nil }
        let before = issues.issues.count
        let id = reader.requiredString("id", &issues)
        let text = reader.requiredString("text", &issues)
        let sessionID = reader.string("session_id", &issues)
        let userID = reader.string("user_id", &issues)
        let namespace = reader.string("namespace", &issues)
        let memoryType = reader.choice("memory_type", MemoryType.self, &issues)
        let topics = reader.strings("topics", &issues)
        let entities = reader.strings("entities", &issues)
        let extractedFrom = reader.strings("extracted_from", &issues)
        let extracted = reader.choice("discrete_memory_extracted", DiscreteExtraction.self, &issues)
        let strategy = reader.string("extraction_strategy", &issues)
        let strategyConfig = reader.dictionary("extraction_strategy_config", &issues)
        let metadata = reader.dictionary("metadata", &issues)
        let pinned = reader.bool("pinned", &issues)
        let accessCount = reader.int("access_count", in: 0...Int(Int32.max), &issues)
        let createdAt = reader.date("created_at", &issues)
        let lastAccessed = reader.date("last_accessed", &issues)
        let updatedAt = reader.date("updated_at", &issues)
        let eventDate = reader.date("event_date", &issues)
        _ = reader.date("persisted_at", &issues)
        _ = reader.string("memory_hash", &issues)
        guard let id, let text, issues.issues.count == before else { return nil }
        return try issues.collect(at: location, input: value) { () throws(MemoryError) in
            try MemoryRecord(
                id: id, text: text, sessionID: sessionID, userID: userID, namespace: namespace,
                memoryType: memoryType ?? .semantic, topics: topics ?? [], entities: entities ?? [],
                extractedFrom: extractedFrom ?? [], discreteMemoryExtracted: extracted != .due,
                extractionStrategy: strategy, extractionStrategyConfig: strategyConfig ?? [:],
                metadata: metadata ?? [:],
                pinned: pinned ?? false, accessCount: accessCount ?? 0, createdAt: createdAt,
                lastAccessed: lastAccessed,
                updatedAt: updatedAt, persistedAt: now, eventDate: eventDate, now: now)
        }
    }

    /// The wire's spelling of `discreteMemoryExtracted`.
    private enum DiscreteExtraction: String, CaseIterable {
        case done = "t"
        case due = "f"
    }
}
