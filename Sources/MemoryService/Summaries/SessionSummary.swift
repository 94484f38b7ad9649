import AgentMemory

/// The summary of a session's earlier messages, kept next to the session: the messages stay stored,
/// and the session is not written for it, so that no client's write collides with the server's.
///
/// Clients see it as the session's `context`. A client that sends back what it saw, or an earlier
/// state of it, changes nothing; any other `context` is the client's own, and the summary starts
/// from it.
struct SessionSummary: Sendable, Equatable {
    /// Earlier contexts that are recognised.
    static let keptContexts = 64

    /// `nil` if the messages were not worth one.
    var text: String?
    /// Fingerprints of the contexts that the summary grew from, the client's own first.
    var contexts: [String]
    /// The last message that it covers.
    var lastMessage: String
    /// When the session was created: another session under the same key has another date.
    let sessionCreatedAt: Timestamp

    /// The summary that begins with the session's own context.
    init(of session: WorkingMemory) {
        text = session.context
        contexts = [Self.fingerprint(session.context)]
        lastMessage = ""
        sessionCreatedAt = session.createdAt
    }

    /// The summary with another text, which covers the messages up to this one.
    func grown(to text: String?, covering message: SessionMessage) -> SessionSummary {
        var summary = self
        if let text {
            summary.text = text
            summary.contexts.append(Self.fingerprint(text))
            let surplus = summary.contexts.count - Self.keptContexts
            // The client's own context stays: it is what the session has.
            if surplus > 0 { summary.contexts.removeSubrange(1...surplus) }
        }
        summary.lastMessage = ExtractionPlan.fingerprint(of: message)
        return summary
    }

    /// Whether this context is one that the summary grew from, or its own text.
    func knows(_ context: String?) -> Bool { contexts.contains(Self.fingerprint(context)) }

    /// Whether it is about this session, as far as its head tells.
    func belongs(to session: WorkingMemory) -> Bool {
        session.createdAt == sessionCreatedAt && knows(session.context)
    }

    /// The messages that it does not cover; `nil` if the last one that it covers is not there any
    /// more.
    func uncovered(of messages: [SessionMessage]) -> ArraySlice<SessionMessage>? {
        if lastMessage.isEmpty { return messages[...] }
        return messages.lastIndex { ExtractionPlan.fingerprint(of: $0) == lastMessage }.map { messages[($0 + 1)...] }
    }

    private static func fingerprint(_ context: String?) -> String { Fingerprint.of([context ?? ""], length: 32) }

    // MARK: As a document

    static func key(of session: SessionKey) -> DocumentKey { DocumentKey(.sessionSummary, session.fingerprint) }

    func document(of key: SessionKey) -> Document {
        Document(
            Self.key(of: key), namespace: key.namespace, userID: key.userID,
            body: [
                "text": text.map { .string($0) } ?? .null, "contexts": .array(contexts.map { .string($0) }),
                "last_message": .string(lastMessage), "session_created_at": .int(Int(sessionCreatedAt.microseconds)),
            ])
    }

    /// Reads ``document(of:)``.
    ///
    /// - Throws: ``MemoryError`` with code `internalError` for anything else.
    init(_ document: Document) throws(MemoryError) {
        let reader = MemberReader(.object(document.body), of: "the summary of a session")
        text = try reader.optional("text", \.stringValue)
        contexts = try reader.strings("contexts")
        lastMessage = try reader.required("last_message", \.stringValue)
        sessionCreatedAt = try reader.required("session_created_at") { json in
            json.intValue.flatMap { Timestamp(microseconds: Int64($0)) }
        }
    }
}
