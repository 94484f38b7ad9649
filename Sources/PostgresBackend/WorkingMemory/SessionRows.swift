import AgentMemory
import PostgresDriver

/// How rows of the session tables become values.
enum SessionRows {
    /// The columns of `sessions` that ``session(_:key:messages:memories:revisions:)`` reads, in their order.
    static let columns = [
        "number", "message_count", "data", "context", "tokens", "strategy", "strategy_config", "ttl_seconds",
        "created_at", "updated_at", "last_accessed",
    ]

    static let messageColumns = [
        "position", "id", "role", "content", "created_at", "persisted_at", "discrete_memory_extracted",
    ]

    static let memoryColumns = ["position", "body", "persisted_at"]

    static let revisionColumns = ["number", "stamp", "writer_stamp", "message_count"]

    /// `s.number, s.message_count, …`
    static func selection(_ columns: [String], of alias: String) -> String {
        columns.map { "\(alias).\($0)" }.joined(separator: ", ")
    }

    static func session(
        _ row: PostgresRow, key: SessionKey, messages: [SessionMessage], memories: [SessionMemory],
        revisions: [SessionRevision]
    ) throws -> StoredSession {
        guard !revisions.isEmpty else {
            throw PostgresError(.unexpectedResult, "a stored session has no revision")
        }
        let strategy = MemoryStrategy.Name(rawValue: try row.text(5)) ?? .discrete
        let memory = WorkingMemory(
            key: key, messages: messages, memories: memories,
            data: row.isNull(2) ? nil : try row.jsonObject(2),
            context: row.isNull(3) ? nil : try row.json(3).stringValue,
            tokens: try row.int(4), strategy: MemoryStrategy(strategy, config: try row.jsonObject(6)),
            ttlSeconds: row.isNull(7) ? nil : try row.int(7), createdAt: try row.date(8), updatedAt: try row.date(9),
            lastAccessed: try row.date(10))
        return StoredSession(memory: memory, messageCount: try row.int(1), revisions: revisions)
    }

    static func messages(_ result: PostgresResult) throws -> [(position: Int64, row: SessionMessage)] {
        try result.rows.map { row in
            let message = SessionMessage(
                storedID: try row.text(1), role: try row.text(2), content: try row.text(3),
                createdAt: try row.date(4), persistedAt: try row.optionalDate(5),
                discreteMemoryExtracted: try row.bool(6))
            return (try row.int8(0), message)
        }
    }

    static func memories(_ result: PostgresResult) throws -> [(position: Int64, row: SessionMemory)] {
        try result.rows.map { row in
            // Bodies hold all dates.
            var memory = try SessionMemory(stored: try row.json(1), fallbackDate: .earliest)
            memory.persistedAt = try row.optionalDate(2)
            return (try row.int8(0), memory)
        }
    }

    static func revisions(_ result: PostgresResult) throws -> [SessionRevision] {
        try result.rows.map { row in
            SessionRevision(
                number: try row.int(0), stamp: try row.date(1), writerStamp: try row.optionalDate(2),
                messageCount: try row.int(3))
        }
    }

    /// The body of a memory's row: the memory but for its mark, which has a column of its own.
    static func body(of memory: SessionMemory) -> String {
        var unmarked = memory
        unmarked.persistedAt = nil
        var writer = JSONWriter(capacity: 512)
        unmarked.write(to: &writer)
        return String(decoding: writer.bytes, as: UTF8.self)
    }
}
