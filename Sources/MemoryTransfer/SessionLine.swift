import AgentMemory

/// `{"session": {…}}` with the members of GET /v1/working-memory/{session_id}.
enum SessionLine {
    private static let members = [
        "messages", "memories", "data", "context", "user_id", "tokens", "session_id", "namespace",
        "long_term_memory_strategy", "ttl_seconds", "last_accessed", "created_at", "updated_at",
    ]
    private static let messageMembers = [
        "role", "content", "id", "created_at", "persisted_at", "discrete_memory_extracted",
    ]

    static func json(_ session: WorkingMemory) -> JSONWriter {
        var writer = JSONWriter(capacity: 1024 + 256 * session.messages.count)
        writer.object { writer in
            writer.member("session") { writer in writer.object { session.writeMembers(to: &$0) } }
        }
        return writer
    }

    /// Reads the session of a line.
    ///
    /// - Throws: ``MemoryError`` with code `invalidInput` that names the field.
    static func session(_ json: JSONValue, of source: String) throws(MemoryError) -> WorkingMemory {
        try json.refuseUnknown(["session"], in: source)
        guard let session = json["session"], session.objectValue != nil else {
            throw .invalid("session", "\(source): session is not an object")
        }
        try session.refuseUnknown(members, in: source)
        let reader = MemberReader(session, of: source, failing: .invalidInput)
        let key: SessionKey
        do throws(MemoryError) {
            key = try SessionKey(
                sessionID: reader.required("session_id", \.stringValue),
                namespace: reader.optional("namespace", \.stringValue),
                userID: reader.optional("user_id", \.stringValue))
        } catch {
            throw error.found(in: source)
        }
        var messages: [SessionMessage] = []
        for (index, json) in try reader.required("messages", \.arrayValue).enumerated() {
            messages.append(try message(json, of: "\(source), messages[\(index)]"))
        }
        var memories: [SessionMemory] = []
        for (index, json) in try reader.required("memories", \.arrayValue).enumerated() {
            memories.append(try memory(json, of: "\(source), memories[\(index)]"))
        }
        return WorkingMemory(
            key: key, messages: messages, memories: memories, data: try reader.optional("data", \.objectValue),
            context: try reader.optional("context", \.stringValue),
            tokens: try reader.required("tokens") { $0.intValue.flatMap { $0 >= 0 ? $0 : nil } },
            strategy: try reader.required("long_term_memory_strategy", strategy),
            ttlSeconds: try reader.optional("ttl_seconds") { $0.intValue.flatMap { $0 >= 1 ? $0 : nil } },
            createdAt: try reader.required("created_at", date), updatedAt: try reader.required("updated_at", date),
            lastAccessed: try reader.required("last_accessed", date))
    }

    private static func message(_ json: JSONValue, of source: String) throws(MemoryError) -> SessionMessage {
        try json.refuseUnknown(messageMembers, in: source)
        let reader = MemberReader(json, of: source, failing: .invalidInput)
        let (id, role) = (try reader.required("id", \.stringValue), try reader.required("role", \.stringValue))
        let content = try reader.required("content", \.stringValue)
        let createdAt = try reader.required("created_at", date)
        let persistedAt = try reader.optional("persisted_at", date)
        let extracted = try reader.required("discrete_memory_extracted", flag)
        do throws(MemoryError) {
            return try SessionMessage(
                id: id, role: role, content: content, createdAt: createdAt, persistedAt: persistedAt,
                discreteMemoryExtracted: extracted)
        } catch {
            throw error.found(in: source)
        }
    }

    private static func memory(_ json: JSONValue, of source: String) throws(MemoryError) -> SessionMemory {
        var given: SessionMemory.GivenLists = []
        func isGiven(_ name: String) -> Bool { json[name].map { !$0.isNull } ?? false }
        if isGiven("topics") { given.insert(.topics) }
        if isGiven("entities") { given.insert(.entities) }
        if isGiven("extracted_from") { given.insert(.extractedFrom) }
        let persistedAt = try MemberReader(json, of: source, failing: .invalidInput).optional("persisted_at", date)
        var fields = json.objectValue ?? [:]
        fields["persisted_at"] = .null
        return SessionMemory(
            try RecordLine.record(.object(fields), of: source), givenLists: given, persistedAt: persistedAt)
    }

    private static func date(_ json: JSONValue) -> Timestamp? { json.stringValue.flatMap { Timestamp(parsing: $0) } }

    private static func flag(_ json: JSONValue) -> Bool? {
        switch json.stringValue {
        case "t": true
        case "f": false
        default: nil
        }
    }

    private static func strategy(_ json: JSONValue) -> MemoryStrategy? {
        guard let name = json["strategy"]?.stringValue.flatMap(MemoryStrategy.Name.init),
            let config = json["config"]?.objectValue
        else { return nil }
        return MemoryStrategy(name, config: config)
    }
}

extension MemoryError {
    /// The same error with its place in the message.
    fileprivate func found(in source: String) -> MemoryError {
        // What is never absent is read before, and names its place already.
        guard !message.hasPrefix(source) else { return self }
        return MemoryError(.invalidInput, "\(source): \(message)", path: path)
    }
}
