import AgentMemory
import MemoryService

/// What messages must be like, beside the rules that they always keep.
public struct MessageRules: Sendable, Equatable {
    /// How far in the future a message's date may lie: clocks differ.
    public var maximumFutureSeconds: Int
    /// Whether a message without a date is refused; else it gets the time of the request, and the answer says that this will end.
    public var requiresDates: Bool

    public init(maximumFutureSeconds: Int = 300, requiresDates: Bool = false) {
        self.maximumFutureSeconds = maximumFutureSeconds
        self.requiresDates = requiresDates
    }
}

/// The bodies of PUT /v1/working-memory/{session_id} and POST /v1/working-memory/{session_id}/messages.
struct SessionRequest {
    let rules: MessageRules
    let now: Timestamp

    /// A body that was read, and whether one of its messages had no date.
    struct Reading<Content> {
        let content: Content
        let lacksDates: Bool
    }

    /// - Parameter parameters: user id and namespace of the query string, for a body that names none.
    /// - Throws: ``ValidationFailure``; ``MemoryError`` with code `invalidCombination` for a message without content.
    func put(
        _ body: JSONValue, sessionID: String, parameters: SessionParameters, condition: WriteCondition
    ) throws -> Reading<SessionPut> {
        var issues = IssueList()
        guard let reader = ObjectReader(body, at: [.key("body")], &issues) else {
            throw ValidationFailure(issues: issues.issues)
        }
        var messages = Messages()
        try readMessages(reader, into: &messages, &issues)
        let memories = try readMemories(reader, &issues)
        let data = reader.dictionary("data", &issues)
        let context = reader.string("context", &issues)
        let userID = reader.string("user_id", &issues)
        let namespace = reader.string("namespace", &issues)
        let tokens = reader.int("tokens", in: 0...Int(Int32.max), &issues)
        let strategy = readStrategy(reader, &issues)
        let ttl = reader.int("ttl_seconds", in: Int.min...Int(Int32.max), &issues)
        let lastAccessed = reader.date("last_accessed", &issues)
        let createdAt = reader.date("created_at", &issues)
        _ = reader.date("updated_at", &issues)
        if let context, context.utf8.contains(0) {
            try issues.add(.invalid("context", "context must not contain the NUL character"), at: reader.location)
        }
        let key = try Self.key(
            sessionID, namespace ?? parameters.namespace, userID ?? parameters.userID, at: reader.location, &issues)
        try issues.check()
        if let blank = messages.blank { throw blank }
        guard let key else { throw ValidationFailure(issues: issues.issues) }
        return Reading(
            content: SessionPut(
                key: key, messages: messages.all, memories: memories, data: data, context: context,
                tokens: tokens ?? 0, strategy: strategy, ttlSeconds: ttl, createdAt: createdAt,
                writerStamp: lastAccessed, condition: condition), lacksDates: messages.lackDates)
    }

    /// The messages to append; at least one.
    func append(_ body: JSONValue, sessionID: String, parameters: SessionParameters) throws
        -> Reading<(key: SessionKey, messages: [SessionMessage])>
    {
        var issues = IssueList()
        guard let reader = ObjectReader(body, at: [.key("body")], &issues) else {
            throw ValidationFailure(issues: issues.issues)
        }
        reader.refuseUnknown(["messages"], "Unknown field (the session is named in the query)", &issues)
        var messages = Messages()
        if reader.member("messages") == nil { reader.missing("messages", &issues) }
        try readMessages(reader, into: &messages, &issues)
        if reader.member("messages")?.arrayValue?.isEmpty == true {
            try issues.add(.invalid("messages", "messages must not be empty"), at: reader.location)
        }
        let key = try Self.key(
            sessionID, parameters.namespace, parameters.userID, at: [.key("query")], &issues)
        try issues.check()
        if let blank = messages.blank { throw blank }
        guard let key else { throw ValidationFailure(issues: issues.issues) }
        return Reading(content: (key, messages.all), lacksDates: messages.lackDates)
    }

    private static func key(
        _ sessionID: String, _ namespace: String?, _ userID: String?, at location: [MemoryError.PathComponent],
        _ issues: inout IssueList
    ) throws -> SessionKey? {
        try issues.collect(at: location) { () throws(MemoryError) in
            try SessionKey(sessionID: sessionID, namespace: namespace, userID: userID)
        }
    }

    // MARK: Messages

    private struct Messages {
        var all: [SessionMessage] = []
        var lackDates = false
        /// The first message without content. It is told after what is of the wrong form, with another status.
        var blank: MemoryError?
    }

    private func readMessages(_ reader: ObjectReader, into messages: inout Messages, _ issues: inout IssueList)
        throws
    {
        let values = reader.array("messages", &issues) ?? []
        messages.all.reserveCapacity(values.count)
        for (index, value) in values.enumerated() where !issues.isFull {
            let location = reader.location(of: "messages") + [.index(index)]
            guard let reader = ObjectReader(value, at: location, &issues) else { continue }
            try readMessage(reader, into: &messages, &issues)
        }
    }

    private func readMessage(_ reader: ObjectReader, into messages: inout Messages, _ issues: inout IssueList)
        throws
    {
        let before = issues.issues.count
        let role = reader.requiredString("role", &issues)
        let content = reader.requiredString("content", &issues)
        let id = reader.string("id", &issues)
        let createdAt = reader.date("created_at", &issues)
        let persistedAt = reader.date("persisted_at", &issues)
        let extraction = reader.choice("discrete_memory_extracted", DiscreteExtraction.self, &issues)
        guard let role, let content, issues.issues.count == before else { return }
        if createdAt == nil { messages.lackDates = true }
        let message = try issues.collect(at: reader.location, input: .object(reader.object)) {
            () throws(MemoryError) -> SessionMessage? in
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

    private func readMemories(_ reader: ObjectReader, _ issues: inout IssueList) throws -> [SessionMemory] {
        var memories: [SessionMemory] = []
        for (index, value) in (reader.array("memories", &issues) ?? []).enumerated() where !issues.isFull {
            // Clients know two shapes of a memory here, and errors name the one they are about.
            let location = reader.location(of: "memories") + [.index(index), .key("MemoryRecord")]
            guard let reader = ObjectReader(value, at: location, &issues) else { continue }
            let before = issues.issues.count
            let id = reader.string("id", &issues)
            let fields = RecordFields(reader, &issues)
            guard issues.issues.count == before else { continue }
            let record = try fields.record(
                id: id ?? ULID.make(at: now), memoryType: .message, discreteMemoryExtracted: false,
                persistedAt: nil, now: now, &issues)
            guard let record else { continue }
            var given: SessionMemory.GivenLists = []
            if fields.topics != nil { given.insert(.topics) }
            if fields.entities != nil { given.insert(.entities) }
            if fields.extractedFrom != nil { given.insert(.extractedFrom) }
            memories.append(SessionMemory(record, givenLists: given, persistedAt: fields.persistedAt))
        }
        return memories
    }

    private func readStrategy(_ reader: ObjectReader, _ issues: inout IssueList) -> MemoryStrategy {
        guard let value = reader.member("long_term_memory_strategy"),
            let strategy = ObjectReader(value, at: reader.location(of: "long_term_memory_strategy"), &issues)
        else { return MemoryStrategy() }
        return MemoryStrategy(
            strategy.choice("strategy", MemoryStrategy.Name.self, &issues) ?? .discrete,
            config: strategy.dictionary("config", &issues) ?? [:])
    }
}
