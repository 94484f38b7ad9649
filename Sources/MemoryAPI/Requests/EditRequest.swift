public import AgentMemory

/// The body of PATCH /v1/long-term-memory/{id}: given members are set, `null` counts as not given.
public struct EditRequest {
    private let text: String?
    private let sessionID: String?
    private let userID: String?
    private let namespace: String?
    private let memoryType: MemoryType?
    private let topics: [String]?
    private let entities: [String]?
    private let pinned: Bool?
    private let eventDate: Timestamp?
    private let expiresAt: FieldChange<Timestamp?>

    /// - Throws: ``ValidationFailure``; ``MemoryError`` with code `invalidCombination` if there is
    ///   nothing to change.
    public init(_ json: JSONValue) throws {
        let body = BodyReader(json)
        text = body.string("text")
        sessionID = body.string("session_id")
        userID = body.string("user_id")
        namespace = body.string("namespace")
        memoryType = body.choice("memory_type", MemoryType.self)
        topics = body.strings("topics")
        entities = body.strings("entities")
        pinned = body.bool("pinned")
        eventDate = body.date("event_date")
        // The empty string removes it, as with the other fields that may be absent.
        if body.member("expires_at")?.stringValue == "" {
            expiresAt = .set(nil)
        } else {
            expiresAt = body.date("expires_at").map { .set($0) } ?? .unchanged
        }
        if let seconds = body.member("ttl_seconds") {
            body.note(
                "extra_forbidden", at: body.location(of: "ttl_seconds"),
                "ttl_seconds is for new memories; set expires_at", input: seconds)
        }
        // The rules of the domain are applied here too, so that one response lists every mistake.
        if !body.hasIssues {
            _ = try body.make(echoing: true) { () throws(MemoryError) in try changes(updatedAt: .earliest) }
        }
        try body.finish()
        if try changes(updatedAt: nil).isEmpty {
            throw MemoryError(.invalidCombination, "No fields provided for update")
        }
    }

    /// The changes that the body asks for.
    ///
    /// - Throws: nothing for a request that was read, because its rules have been applied.
    public func changes(updatedAt: Timestamp?) throws(MemoryError) -> RecordChanges {
        try RecordChanges(
            text: text, sessionID: Self.change(sessionID), userID: Self.change(userID),
            namespace: Self.change(namespace),
            memoryType: memoryType, topics: topics, entities: entities, pinned: pinned,
            eventDate: eventDate.map { .set($0) } ?? .unchanged, expiresAt: expiresAt, updatedAt: updatedAt)
    }

    private static func change(_ value: String?) -> FieldChange<String?> {
        value.map { .set($0) } ?? .unchanged
    }
}
