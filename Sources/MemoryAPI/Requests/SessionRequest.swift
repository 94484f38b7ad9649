public import AgentMemory
public import MemoryService

/// Rules for messages, in addition to those that always apply.
public struct MessageRules: Sendable, Equatable {
    /// How far in the future the date of a message may be, because clocks differ.
    public var maximumFutureSeconds: Int
    /// Whether a message without a date is refused; if not, it gets the time of the request, and
    /// the response warns that this will end.
    public var requiresDates: Bool

    public init(maximumFutureSeconds: Int = 300, requiresDates: Bool = false) {
        self.maximumFutureSeconds = maximumFutureSeconds
        self.requiresDates = requiresDates
    }
}

/// The bodies of PUT /v1/working-memory/{session_id} and POST
/// /v1/working-memory/{session_id}/messages.
public struct SessionRequest {
    private let rules: MessageRules
    private let now: Timestamp

    /// - Parameter now: the date of messages and memories without one.
    public init(rules: MessageRules, now: Timestamp) {
        self.rules = rules
        self.now = now
    }

    /// The result of reading a body, and whether one of its messages had no date.
    public struct Reading<Content> {
        public let content: Content
        public let lacksDates: Bool
    }

    /// A whole session.
    ///
    /// - Parameter parameters: user id and namespace of the query string, for a body without them.
    /// - Throws: ``ValidationFailure``; ``MemoryError`` with code `invalidCombination` for a
    ///   message without content.
    public func put(
        _ json: JSONValue, sessionID: String, parameters: SessionParameters, condition: WriteCondition
    ) throws -> Reading<SessionPut> {
        let body = BodyReader(json)
        // A value that is not an object has no further issues.
        try body.finish()
        let messages = try readMessages(body)
        let memories = try readMemories(body)
        let data = body.dictionary("data")
        let context = body.string("context")
        let userID = body.string("user_id")
        let namespace = body.string("namespace")
        let tokens = body.int("tokens", in: 0...Int(Int32.max))
        let strategy = readStrategy(body)
        let ttl = body.int("ttl_seconds", in: Int.min...Int(Int32.max))
        let lastAccessed = body.date("last_accessed")
        let createdAt = body.date("created_at")
        _ = body.date("updated_at")
        if let context, context.utf8.contains(0) {
            try body.note(.invalid("context", "context must not contain the NUL character"))
        }
        let key = try body.finish(
            with: try body.make { () throws(MemoryError) in
                try SessionKey(
                    sessionID: sessionID, namespace: namespace ?? parameters.namespace,
                    userID: userID ?? parameters.userID)
            })
        if let blank = messages.blank { throw blank }
        return Reading(
            content: SessionPut(
                key: key, messages: messages.all, memories: memories, data: data, context: context,
                tokens: tokens ?? 0, strategy: strategy, ttlSeconds: ttl, createdAt: createdAt,
                writerStamp: lastAccessed, condition: condition), lacksDates: messages.lackDates)
    }

    /// The messages to append; at least one.
    ///
    /// - Throws: as ``put(_:sessionID:parameters:condition:)``.
    public func append(_ json: JSONValue, sessionID: String, parameters: SessionParameters) throws
        -> Reading<(key: SessionKey, messages: [SessionMessage])>
    {
        let body = BodyReader(json)
        try body.finish()
        body.refuseUnknown(["messages"], "Unknown field (the session is named in the query)")
        if body.member("messages") == nil { body.noteMissing("messages") }
        let messages = try readMessages(body)
        if body.member("messages")?.arrayValue?.isEmpty == true {
            try body.note(.invalid("messages", "messages must not be empty"))
        }
        let key = try body.finish(
            with: try body.make(at: [.key("query")]) { () throws(MemoryError) in
                try SessionKey(sessionID: sessionID, namespace: parameters.namespace, userID: parameters.userID)
            })
        if let blank = messages.blank { throw blank }
        return Reading(content: (key, messages.all), lacksDates: messages.lackDates)
    }

    // MARK: Messages

    private struct Messages {
        var all: [SessionMessage] = []
        var lackDates = false
        /// The first message without content. It is reported after issues of form, with another
        /// status.
        var blank: MemoryError?
    }

    private func readMessages(_ body: BodyReader) throws -> Messages {
        var messages = Messages()
        messages.all.reserveCapacity(body.member("messages")?.arrayValue?.count ?? 0)
        try body.forEachObject(in: "messages") { try readMessage($0, into: &messages) }
        return messages
    }

    private func readMessage(_ reader: BodyReader, into messages: inout Messages) throws {
        let role = reader.requiredString("role")
        let content = reader.requiredString("content")
        let id = reader.string("id")
        let createdAt = reader.date("created_at")
        let persistedAt = reader.date("persisted_at")
        let extraction = reader.choice("discrete_memory_extracted", DiscreteExtraction.self)
        guard let role, let content, !reader.hasIssues else { return }
        if createdAt == nil { messages.lackDates = true }
        let message = try reader.make(echoing: true) { () throws(MemoryError) -> SessionMessage? in
            guard createdAt != nil || !rules.requiresDates else {
                throw MemoryError(.invalidInput, "created_at is required for messages")
            }
            if let createdAt, createdAt > now.advanced(bySeconds: Int64(rules.maximumFutureSeconds)) {
                throw MemoryError(
                    .invalidInput,
                    "created_at cannot be more than \(rules.maximumFutureSeconds) seconds in the future. Received: \(createdAt)"
                )
            }
            do throws(MemoryError) {
                return try SessionMessage(
                    id: id ?? ULID.make(at: now), role: role, content: content, createdAt: createdAt ?? now,
                    persistedAt: persistedAt, discreteMemoryExtracted: extraction == .done)
            } catch {
                guard error.code == .invalidCombination else { throw error }
                if messages.blank == nil { messages.blank = error }
                return nil
            }
        }
        if let message = message ?? nil { messages.all.append(message) }
    }

    // MARK: Memories

    private func readMemories(_ body: BodyReader) throws -> [SessionMemory] {
        var memories: [SessionMemory] = []
        // Clients know two shapes of a memory here, and errors name the right one.
        try body.forEachObject(in: "memories", as: "MemoryRecord") { reader in
            let id = reader.string("id")
            let fields = RecordFields(reader)
            guard !reader.hasIssues else { return }
            let record = try fields.record(
                id: id ?? ULID.make(at: now), memoryType: .message, discreteMemoryExtracted: false,
                persistedAt: nil, now: now)
            guard let record else { return }
            var given: SessionMemory.GivenLists = []
            if fields.topics != nil { given.insert(.topics) }
            if fields.entities != nil { given.insert(.entities) }
            if fields.extractedFrom != nil { given.insert(.extractedFrom) }
            memories.append(SessionMemory(record, givenLists: given, persistedAt: fields.persistedAt))
        }
        return memories
    }

    private func readStrategy(_ body: BodyReader) -> MemoryStrategy {
        guard let strategy = body.object("long_term_memory_strategy") else { return MemoryStrategy() }
        return MemoryStrategy(
            strategy.choice("strategy", MemoryStrategy.Name.self) ?? .discrete,
            config: strategy.dictionary("config") ?? [:])
    }
}
