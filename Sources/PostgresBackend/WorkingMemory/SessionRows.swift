import AgentMemory
import PostgresDriver

/// Turns rows of the session tables into values.
enum SessionRows {
    /// The columns of `sessions` that ``session(_:key:messages:memories:revisions:)`` reads by
    /// their names.
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
        return StoredSession(
            memory: try memory(row, key: key, messages: messages, memories: memories),
            messageCount: try row.int("message_count"), revisions: revisions)
    }

    static func memory(
        _ row: PostgresRow, key: SessionKey, messages: [SessionMessage], memories: [SessionMemory]
    ) throws -> WorkingMemory {
        let (data, context) = (try row.column("data"), try row.column("context"))
        let (strategy, config) = (try row.column("strategy"), try row.column("strategy_config"))
        let ttl = try row.column("ttl_seconds")
        return WorkingMemory(
            key: key, messages: messages, memories: memories,
            data: row.isNull(data) ? nil : try row.jsonObject(data),
            context: row.isNull(context) ? nil : try row.json(context).stringValue, tokens: try row.int("tokens"),
            strategy: MemoryStrategy(
                MemoryStrategy.Name(rawValue: try row.text(strategy)) ?? .discrete, config: try row.jsonObject(config)),
            ttlSeconds: row.isNull(ttl) ? nil : try row.int(ttl), createdAt: try row.date(row.column("created_at")),
            updatedAt: try row.date(row.column("updated_at")),
            lastAccessed: try row.date(row.column("last_accessed")))
    }

    static func messages(_ result: PostgresResult) throws -> [(position: Int64, row: SessionMessage)] {
        let (position, id) = (try result.column("position"), try result.column("id"))
        let (role, content) = (try result.column("role"), try result.column("content"))
        let (createdAt, persistedAt) = (try result.column("created_at"), try result.column("persisted_at"))
        let extracted = try result.column("discrete_memory_extracted")
        return try result.rows.map { row in
            let message = SessionMessage(
                storedID: try row.text(id), role: try row.text(role), content: try row.text(content),
                createdAt: try row.date(createdAt), persistedAt: try row.optionalDate(persistedAt),
                discreteMemoryExtracted: try row.bool(extracted))
            return (try row.int8(position), message)
        }
    }

    static func memories(_ result: PostgresResult) throws -> [(position: Int64, row: SessionMemory)] {
        let (position, body) = (try result.column("position"), try result.column("body"))
        let persistedAt = try result.column("persisted_at")
        return try result.rows.map { row in
            // Bodies hold all dates.
            var memory = try SessionMemory(stored: try row.json(body), fallbackDate: .earliest)
            memory.persistedAt = try row.optionalDate(persistedAt)
            return (try row.int8(position), memory)
        }
    }

    static func revisions(_ result: PostgresResult) throws -> [SessionRevision] {
        let (number, messageCount) = (try result.column("number"), try result.column("message_count"))
        let (stamp, writerStamp) = (try result.column("stamp"), try result.column("writer_stamp"))
        return try result.rows.map { row in
            SessionRevision(
                number: try row.int(number), stamp: try row.date(stamp),
                writerStamp: try row.optionalDate(writerStamp), messageCount: try row.int(messageCount))
        }
    }

    /// The body of a memory's row: the memory except its mark, which has its own column.
    static func body(of memory: SessionMemory) -> String {
        var unmarked = memory
        unmarked.persistedAt = nil
        var writer = JSONWriter(capacity: 512)
        unmarked.write(to: &writer)
        return String(decoding: writer.bytes, as: UTF8.self)
    }
}
