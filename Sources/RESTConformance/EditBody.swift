import AgentMemory
import MemoryConformance

/// The body of a PATCH.
struct EditBody {
    let json: JSONObject
    /// In the server's names; `nil` if it does not change.
    let namespace: String?

    /// - Throws: ``NotApplicable`` for changes that REST has no field for. `updated_at` does not
    ///   count: the server sets it at every edit, and the scope shows the check its own value.
    init(_ changes: RecordChanges, _ scope: RESTScope) throws(NotApplicable) {
        for (field, isSet) in [
            ("metadata", changes.metadata != nil), ("extracted_from", changes.extractedFrom != nil),
            ("discrete_memory_extracted", changes.discreteMemoryExtracted != nil),
            ("last_accessed", changes.access != nil), ("an absent event_date", changes.eventDate == .set(nil)),
        ] where isSet {
            throw NotApplicable("REST has no way to set \(field)")
        }
        func list(_ values: [String]) -> JSONValue { .array(values.map { .string($0) }) }
        var json: JSONObject = [:]
        if let text = changes.text { json["text"] = .string(text) }
        // null means "not given"; the empty string counts as absent (rule R5), and so removes a
        // value.
        if case .set(let value) = changes.sessionID { json["session_id"] = .string(value ?? "") }
        if case .set(let value) = changes.userID { json["user_id"] = .string(value ?? "") }
        var namespace: String?
        if case .set(let value) = changes.namespace { namespace = try scope.namespace(value) }
        if let namespace { json["namespace"] = .string(namespace) }
        if let type = changes.memoryType { json["memory_type"] = .string(type.rawValue) }
        if let topics = changes.topics { json["topics"] = list(topics) }
        if let entities = changes.entities { json["entities"] = list(entities) }
        if let pinned = changes.pinned { json["pinned"] = .bool(pinned) }
        if case .set(let date?) = changes.eventDate { json["event_date"] = .string(date.iso8601) }
        if case .set(let date) = changes.expiresAt { json["expires_at"] = .string(date?.iso8601 ?? "") }
        if json.isEmpty { throw NotApplicable("REST refuses an edit that sets no field of its own") }
        self.json = json
        self.namespace = namespace
    }
}
