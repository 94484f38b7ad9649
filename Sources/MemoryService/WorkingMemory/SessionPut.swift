public import AgentMemory

/// A whole session as a client puts it.
public struct SessionPut: Sendable {
    public let key: SessionKey
    public let messages: [SessionMessage]
    public let memories: [SessionMemory]
    public let data: JSONObject?
    public let context: String?
    public let tokens: Int
    public let strategy: MemoryStrategy
    /// Zero and less remove the session at once.
    public let ttlSeconds: Int?
    /// `nil` keeps the date of the stored session.
    public let createdAt: Timestamp?
    /// The `last_accessed` of the body: the stamp of the state that the client works from, or its
    /// own clock.
    public let writerStamp: Timestamp?
    public let condition: WriteCondition

    public init(
        key: SessionKey, messages: [SessionMessage] = [], memories: [SessionMemory] = [], data: JSONObject? = nil,
        context: String? = nil, tokens: Int = 0, strategy: MemoryStrategy = MemoryStrategy(), ttlSeconds: Int? = nil,
        createdAt: Timestamp? = nil, writerStamp: Timestamp? = nil, condition: WriteCondition = .none
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
        self.writerStamp = writerStamp
        self.condition = condition
    }

    /// The same session under another key.
    func keyed(by key: SessionKey) -> SessionPut {
        SessionPut(
            key: key, messages: messages, memories: memories, data: data, context: context, tokens: tokens,
            strategy: strategy, ttlSeconds: ttlSeconds, createdAt: createdAt, writerStamp: writerStamp,
            condition: condition)
    }

    /// The same session, with the marks of messages from which memories were extracted: a client
    /// that sends such a message again, without the mark, does not ask for another extraction.
    func keepingExtraction(of stored: StoredSession?) -> SessionPut {
        var extracted: [ExactString: SessionMessage] = [:]
        for message in stored?.memory.messages ?? [] where message.discreteMemoryExtracted {
            extracted[ExactString(message.id)] = message
        }
        if extracted.isEmpty { return self }
        let marked = messages.map { message in
            guard extracted[ExactString(message.id)]?.saysTheSame(as: message) == true else { return message }
            var message = message
            message.discreteMemoryExtracted = true
            return message
        }
        return SessionPut(
            key: key, messages: marked, memories: memories, data: data, context: context, tokens: tokens,
            strategy: strategy, ttlSeconds: ttlSeconds, createdAt: createdAt, writerStamp: writerStamp,
            condition: condition)
    }

    /// The same session; a context that the server made is left as the session has it.
    func keepingContext(of stored: WorkingMemory, knownTo summary: SessionSummary) -> SessionPut {
        guard summary.belongs(to: stored), summary.knows(context) else { return self }
        return SessionPut(
            key: key, messages: messages, memories: memories, data: data, context: stored.context, tokens: tokens,
            strategy: strategy, ttlSeconds: ttlSeconds, createdAt: createdAt, writerStamp: writerStamp,
            condition: condition)
    }

    /// The stamp that identifies this writer: one of its own clock. Many clients may have read a
    /// stamp that the server made.
    func ownStamp(after stored: StoredSession?) -> Timestamp? {
        stored?.revisions.contains { $0.stamp == writerStamp } == true ? nil : writerStamp
    }

    /// The session to store, given the one that is stored now.
    func memory(after stored: StoredSession?, now: Timestamp) -> WorkingMemory {
        let stamp = stored.flatMap { Timestamp(microseconds: $0.current.stamp.microseconds + 1) } ?? .earliest
        var memory = WorkingMemory(
            key: key, messages: messages, memories: memories, data: data, context: context, tokens: tokens,
            strategy: strategy, ttlSeconds: ttlSeconds, createdAt: createdAt ?? stored?.memory.createdAt ?? now,
            updatedAt: now, lastAccessed: max(now, stamp))
        if let stored { memory.carryMarks(from: stored.memory) }
        return memory
    }
}

/// The conditions of a client for its write (the HTTP headers If-Match and If-None-Match).
public enum WriteCondition: Sendable, Equatable {
    case none
    case exists
    case absent
    /// The revision is one of these.
    case revision([Int])

    /// - Throws: ``MemoryError`` with code `preconditionFailed`.
    func check(_ stored: StoredSession?) throws(MemoryError) {
        let holds =
            switch self {
            case .none: true
            case .exists: stored != nil
            case .absent: stored == nil
            case .revision(let numbers): stored.map { numbers.contains($0.current.number) } ?? false
            }
        guard holds else {
            throw MemoryError(
                .preconditionFailed,
                stored.map { "the session is at revision \($0.current.number), which is not what the request expects" }
                    ?? "there is no session, which is not what the request expects")
        }
    }
}

extension WorkingMemory {
    /// Copies the server's marks on messages and memories that have not changed: a client that
    /// leaves a mark out does not withdraw it.
    fileprivate mutating func carryMarks(from stored: WorkingMemory) {
        var marked: [ExactString: SessionMemory] = [:]
        for memory in stored.memories where memory.persistedAt != nil { marked[ExactString(memory.id)] = memory }
        for (index, memory) in memories.enumerated() where memory.persistedAt == nil {
            guard let before = marked[ExactString(memory.id)], before.saysTheSame(as: memory) else { continue }
            memories[index].persistedAt = before.persistedAt
        }
        var said: [ExactString: SessionMessage] = [:]
        for message in stored.messages where message.persistedAt != nil { said[ExactString(message.id)] = message }
        if said.isEmpty { return }
        for (index, message) in messages.enumerated() where message.persistedAt == nil {
            guard let before = said[ExactString(message.id)], before.saysTheSame(as: message) else { continue }
            messages[index].persistedAt = before.persistedAt
        }
    }
}
