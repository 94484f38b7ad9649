import AgentMemory

/// A filter with conditions of equality on namespace, user and session alone, as jobs and
/// operations keep it.
extension MemoryFilter {
    private static let ownerFields: [TagField] = [.namespace, .userID, .sessionID]

    /// The members that name the owner, which is all of such a filter.
    var ownerJSON: JSONObject {
        var json = JSONObject()
        for field in Self.ownerFields {
            if let value = tags[field]?.all.first { json[field.rawValue] = .string(value) }
        }
        return json
    }

    /// Reads ``ownerJSON``; other members do not matter.
    ///
    /// - Throws: ``MemoryError`` with code `invalidInput` for values that are none of a record.
    init(ownerJSON json: JSONObject) throws(MemoryError) {
        var tags: [TagField: TagCondition] = [:]
        for field in Self.ownerFields {
            if let value = json[field.rawValue]?.stringValue { tags[field] = try TagCondition(field: field, eq: value) }
        }
        self.init(tags: tags)
    }
}
