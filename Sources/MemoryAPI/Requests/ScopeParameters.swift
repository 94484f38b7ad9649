public import AgentMemory

/// The parameters that limit a route to the memories of a namespace, a user and a session.
public enum ScopeParameters {
    public static let names = ["namespace", "user_id", "session_id"]

    /// Reads them; what is wrong with them becomes issues of the reader.
    public static func filter(_ query: BodyReader) throws -> MemoryFilter {
        var tags: [TagField: TagCondition] = [:]
        for (name, field) in [("namespace", TagField.namespace), ("user_id", .userID), ("session_id", .sessionID)] {
            guard let value = query.scope(name) else { continue }
            tags[field] = try query.make(at: query.location(of: name)) { () throws(MemoryError) in
                try TagCondition(field: field, eq: value)
            }
        }
        return MemoryFilter(tags: tags)
    }
}
