import AgentMemory

/// The body of PATCH /v1/long-term-memory/{id}: what is given is set, `null` counts as not given.
struct EditRequest {
    private let text: String?
    private let sessionID: String?
    private let userID: String?
    private let namespace: String?
    private let memoryType: MemoryType?
    private let topics: [String]?
    private let entities: [String]?
    private let pinned: Bool?
    private let eventDate: Timestamp?

    /// - Throws: ``ValidationFailure``; ``MemoryError`` with code `invalidCombination` if there is nothing to change.
    init(_ body: JSONValue) throws {
        var issues = IssueList()
        guard let reader = ObjectReader(body, at: [.key("body")], &issues) else {
            throw ValidationFailure(issues: issues.issues)
        }
        text = reader.string("text", &issues)
        sessionID = reader.string("session_id", &issues)
        userID = reader.string("user_id", &issues)
        namespace = reader.string("namespace", &issues)
        memoryType = reader.choice("memory_type", MemoryType.self, &issues)
        topics = reader.strings("topics", &issues)
        entities = reader.strings("entities", &issues)
        pinned = reader.bool("pinned", &issues)
        eventDate = reader.date("event_date", &issues)
        // The rules of the domain are tried here too, so that one answer holds every mistake.
        if issues.issues.isEmpty {
            _ = try issues.collect(at: [.key("body")], input: body) { () throws(MemoryError) in
                try changes(updatedAt: .earliest)
            }
        }
        try issues.check()
        if try changes(updatedAt: nil).isEmpty {
            throw MemoryError(.invalidCombination, "No fields provided for update")
        }
    }

    func changes(updatedAt: Timestamp?) throws(MemoryError) -> RecordChanges {
        try RecordChanges(
            text: text, sessionID: Self.change(sessionID), userID: Self.change(userID),
            namespace: Self.change(namespace),
            memoryType: memoryType, topics: topics, entities: entities, pinned: pinned,
            eventDate: eventDate.map { .set($0) } ?? .unchanged, updatedAt: updatedAt)
    }

    private static func change(_ value: String?) -> FieldChange<String?> {
        value.map { .set($0) } ?? .unchanged
    }
}
