import AgentMemory

/// A session as one JSON document in the shape that the reference stores in Redis, with two more
/// members: `revision`, the current ``SessionRevision/number``, and `revisions`, an array of
/// ``SessionRevision/json``, oldest first.
///
/// `last_accessed`, `created_at` and `updated_at` of the session are seconds since the epoch. The
/// reference writes whole seconds and reads fractions; ours have six digits of a fraction. Dates of
/// messages and memories are ISO 8601. `data` is `null` if there is none, which the reference reads
/// as `{}`.
enum SessionDocument {
    /// The whole document.
    static func json(_ session: StoredSession) -> JSONWriter {
        let memory = session.memory
        var writer = JSONWriter(capacity: 1024 + 256 * memory.messages.count)
        writer.object { writer in
            writer.name("messages")
            writer.array { writer in
                for message in memory.messages { message.write(to: &writer) }
            }
            writeHead(of: session, to: &writer)
        }
        return writer
    }

    /// Every member except `messages`, for a store that replaces the two parts separately; the
    /// caller opens and closes the object.
    static func writeHead(of session: StoredSession, to writer: inout JSONWriter) {
        let memory = session.memory
        func member(_ name: String, _ value: JSONValue) {
            writer.name(name)
            writer.value(value)
        }
        writer.name("memories")
        writer.array { writer in
            for memory in memory.memories { memory.write(to: &writer) }
        }
        member("context", memory.context.map { .string($0) } ?? .null)
        member("user_id", memory.key.userID.map { .string($0) } ?? .null)
        member("tokens", .int(memory.tokens))
        member("session_id", .string(memory.key.sessionID))
        member("namespace", memory.key.namespace.map { .string($0) } ?? .null)
        member("ttl_seconds", memory.ttlSeconds.map { .int($0) } ?? .null)
        member("data", memory.data.map { .object($0) } ?? .null)
        writer.name("long_term_memory_strategy")
        memory.strategy.write(to: &writer)
        member("last_accessed", .number(memory.lastAccessed.secondsLiteral))
        member("created_at", .number(memory.createdAt.secondsLiteral))
        member("updated_at", .number(memory.updatedAt.secondsLiteral))
        member("revision", .int(session.current.number))
        member("revisions", .array(session.revisions.map(\.json)))
    }

    /// Reads a document of this backend or of the reference.
    ///
    /// - Parameters:
    ///   - document: may lack `messages`, or have only the last ones.
    ///   - messageCount: of the whole session; `nil` counts those of the document.
    /// - Throws: ``MemoryError`` with code `internalError` if it is not a session.
    static func session(_ document: JSONValue, messageCount: Int? = nil) throws(MemoryError) -> StoredSession {
        guard case .object(let members) = document, let sessionID = members["session_id"]?.stringValue else {
            throw MemoryError(.internalError, "a stored session cannot be read")
        }
        let updatedAt = Timestamp(stored: members["updated_at"]) ?? .earliest
        let createdAt = Timestamp(stored: members["created_at"]) ?? updatedAt
        var messages: [SessionMessage] = []
        for message in members["messages"]?.arrayValue ?? [] {
            messages.append(try SessionMessage(stored: message, fallbackDate: createdAt))
        }
        var memories: [SessionMemory] = []
        for memory in members["memories"]?.arrayValue ?? [] {
            memories.append(try SessionMemory(stored: memory, fallbackDate: createdAt))
        }
        let lastAccessed = Timestamp(stored: members["last_accessed"]) ?? updatedAt
        let memory = WorkingMemory(
            key: SessionKey(
                storedSessionID: sessionID, namespace: members["namespace"]?.stringValue,
                userID: members["user_id"]?.stringValue),
            messages: messages, memories: memories, data: members["data"]?.objectValue,
            context: members["context"]?.stringValue, tokens: members["tokens"]?.intValue ?? 0,
            strategy: MemoryStrategy(stored: members["long_term_memory_strategy"]),
            ttlSeconds: members["ttl_seconds"]?.intValue, createdAt: createdAt, updatedAt: updatedAt,
            lastAccessed: lastAccessed)
        let count = messageCount ?? messages.count
        let revisions = (members["revisions"]?.arrayValue ?? []).compactMap(SessionRevision.init(json:))
        return StoredSession(
            memory: memory, messageCount: count,
            revisions: revisions.isEmpty
                ? [SessionRevision(number: 0, stamp: lastAccessed, writerStamp: nil, messageCount: count)]
                : revisions)
    }
}
