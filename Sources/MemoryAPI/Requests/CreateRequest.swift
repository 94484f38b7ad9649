public import AgentMemory

/// The body of POST /v1/long-term-memory/.
public struct CreateRequest {
    public let records: [MemoryRecord]
    public let deduplicate: Bool

    /// - Throws: ``ValidationFailure``.
    public init(_ json: JSONValue, now: Timestamp) throws {
        let body = BodyReader(json)
        deduplicate = body.bool("deduplicate") ?? true
        var records: [MemoryRecord] = []
        body.requireArray("memories")
        records.reserveCapacity(body.member("memories")?.arrayValue?.count ?? 0)
        try body.forEachObject(in: "memories") { memory in
            if let record = try Self.record(memory, now: now) { records.append(record) }
        }
        try body.finish()
        self.records = records
    }

    /// One memory as a client sends it. `persisted_at` and `memory_hash` are set by the server:
    /// what the client sends there is checked for its type and dropped.
    private static func record(_ memory: BodyReader, now: Timestamp) throws -> MemoryRecord? {
        let id = memory.requiredString("id")
        let fields = RecordFields(memory, takesTTL: true)
        guard let id, !memory.hasIssues else { return nil }
        return try fields.record(
            id: id, memoryType: .semantic, discreteMemoryExtracted: true, persistedAt: now, now: now)
    }
}
