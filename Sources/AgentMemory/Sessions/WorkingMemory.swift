/// The memory of one session: the conversation, structured memories, the client's own data, and a
/// summary of the earlier conversation.
public struct WorkingMemory: Sendable, Equatable {
    public var key: SessionKey
    /// In the order of the conversation, which is the order the client gave, not that of their
    /// dates.
    public var messages: [SessionMessage]
    public var memories: [SessionMemory]
    /// Anything the client stores with the session; `nil` if it sent none. Returned as the same
    /// JSON value.
    public var data: JSONObject?
    /// A summary of the earlier conversation.
    public var context: String?
    /// A count that clients keep; the server only stores it.
    public var tokens: Int
    public var strategy: MemoryStrategy
    /// Seconds from the last write until the session expires, at least 1; `nil` keeps it for ever.
    public var ttlSeconds: Int?
    public var createdAt: Timestamp
    public var updatedAt: Timestamp
    /// The stamp of the revision (``SessionRevision/stamp``), which clients send with their next
    /// PUT.
    public var lastAccessed: Timestamp

    public init(
        key: SessionKey, messages: [SessionMessage] = [], memories: [SessionMemory] = [], data: JSONObject? = nil,
        context: String? = nil, tokens: Int = 0, strategy: MemoryStrategy = MemoryStrategy(), ttlSeconds: Int? = nil,
        createdAt: Timestamp, updatedAt: Timestamp, lastAccessed: Timestamp
    ) {
        self.key = key
        self.messages = messages
        self.memories = memories
        self.data = data
        self.context = context
        self.tokens = tokens
        self.strategy = strategy
        self.ttlSeconds = ttlSeconds
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.lastAccessed = lastAccessed
    }

    /// When the session expires without another write; the last microsecond of the year 9999
    /// at most.
    public var expiresAt: Timestamp? {
        ttlSeconds.map { updatedAt.advanced(bySeconds: Int64(clamping: min($0, 400_000_000_000))) }
    }

    /// Writes the members of the session as the REST API spells them; the caller opens and closes
    /// the object.
    public func writeMembers(to writer: inout JSONWriter, withMessages: Bool = true) {
        func member(_ name: String, _ write: (inout JSONWriter) -> Void) {
            writer.name(name)
            write(&writer)
        }
        if withMessages {
            member("messages") { $0.array { writer in for message in messages { message.write(to: &writer) } } }
        }
        member("memories") { $0.array { writer in for memory in memories { memory.write(to: &writer) } } }
        member("data") { if let data { $0.value(.object(data)) } else { $0.null() } }
        member("context") { $0.string(context) }
        member("user_id") { $0.string(key.userID) }
        member("tokens") { $0.int(tokens) }
        member("session_id") { $0.string(key.sessionID) }
        member("namespace") { $0.string(key.namespace) }
        member("long_term_memory_strategy") { strategy.write(to: &$0) }
        member("ttl_seconds") { if let ttlSeconds { $0.int(ttlSeconds) } else { $0.null() } }
        member("last_accessed") { $0.string(lastAccessed.iso8601) }
        member("created_at") { $0.string(createdAt.iso8601) }
        member("updated_at") { $0.string(updatedAt.iso8601) }
    }
}
