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
        let fields = RecordFields(reader, &issues)
        guard let id, issues.issues.count == before else { return nil }
        return try fields.record(
            id: id, memoryType: .semantic, discreteMemoryExtracted: true, persistedAt: now, now: now, &issues)
    }
}
