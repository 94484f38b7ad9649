import AgentMemory

/// The messages of a session that a language model has no answer to, while it answers about others.
///
/// They stay due, and each has a job of its own: it ends in the dead-letter list if the model never
/// answers. The other messages of the session do not wait for them.
struct MessagesSetAside: Sendable, Equatable {
    /// So many at most; of a session with more, it is not the messages that are at fault.
    static let most = 100
    /// How long they are kept after the last one was added, in seconds; then they are tried again
    /// with a later message.
    static let keptSeconds = 30 * 86_400

    /// Their fingerprints (``ExtractionPlan/fingerprint(of:)``).
    private(set) var messages: [String] = []
    /// When the session was created: another session under the same key has another date.
    let sessionCreatedAt: Timestamp

    init(of session: WorkingMemory) {
        sessionCreatedAt = session.createdAt
    }

    func contains(_ message: SessionMessage) -> Bool {
        !messages.isEmpty && messages.contains(ExtractionPlan.fingerprint(of: message))
    }

    mutating func add(_ message: SessionMessage) {
        if !contains(message) { messages.append(ExtractionPlan.fingerprint(of: message)) }
    }

    mutating func remove(_ fingerprint: String) { messages.removeAll { $0 == fingerprint } }

    // MARK: As a document

    static func key(of session: SessionKey) -> DocumentKey {
        DocumentKey(.extraction, "\(session.fingerprint):aside")
    }

    /// - Parameter key: of the session, by whose fingerprint an erasure finds the document.
    func document(of key: SessionKey) -> Document {
        Document(
            Self.key(of: key), parent: key.fingerprint, namespace: key.namespace, userID: key.userID,
            body: [
                "messages": .array(messages.map { .string($0) }),
                "session_created_at": .int(Int(sessionCreatedAt.microseconds)),
            ])
    }

    /// Reads ``document(of:)``.
    ///
    /// - Throws: ``MemoryError`` with code `internalError` for anything else.
    init(_ document: Document) throws(MemoryError) {
        let reader = MemberReader(.object(document.body), of: "messages that are set aside")
        messages = try reader.strings("messages")
        sessionCreatedAt = try reader.required("session_created_at") { json in
            json.intValue.flatMap { Timestamp(microseconds: Int64($0)) }
        }
    }
}

extension MessagesSetAside {
    /// Those of a session, with the revision of their document.
    static func stored(
        for session: WorkingMemory, in documents: any DocumentStore
    ) async throws -> (aside: MessagesSetAside, revision: Int?) {
        guard let stored = try await documents.document(key(of: session.key)) else {
            return (MessagesSetAside(of: session), nil)
        }
        let aside = try MessagesSetAside(stored.document)
        return (
            aside.sessionCreatedAt == session.createdAt ? aside : MessagesSetAside(of: session), stored.revision
        )
    }

    /// Changes those of a session, whatever other jobs do to them at the same time.
    ///
    /// - Returns: as they are now.
    @discardableResult
    static func change(
        for session: WorkingMemory, in documents: any DocumentStore, _ change: (inout MessagesSetAside) -> Void
    ) async throws -> MessagesSetAside {
        while true {
            var (aside, revision) = try await stored(for: session, in: documents)
            let before = aside
            change(&aside)
            if aside == before { return aside }
            if aside.messages.isEmpty {
                guard let revision else { return aside }
                if try await documents.delete(key(of: session.key), revision: revision) { return aside }
                continue
            }
            let written = try await documents.write(
                aside.document(of: session.key), expecting: revision.map { .revision($0) } ?? .absent,
                keptFor: keptSeconds)
            if written != nil { return aside }
        }
    }
}
