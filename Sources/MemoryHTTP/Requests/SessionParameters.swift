import AgentMemory
import MemoryService

/// The query string of the routes under /v1/working-memory.
struct SessionParameters {
    let namespace: String?
    let userID: String?
    let model: ModelName?
    let contextWindowMaximum: Int?
    let recentMessagesLimit: Int?

    /// - Throws: ``ValidationFailure`` for a model that is not known, or what is no number.
    init(_ query: String) throws {
        var issues = IssueList()
        let reader = try Self.reader(query)
        namespace = reader.string("namespace", &issues)
        userID = reader.string("user_id", &issues)
        model = reader.choice("model_name", ModelName.self, &issues)
        contextWindowMaximum = reader.int("context_window_max", in: Int.min...Int.max, &issues)
        recentMessagesLimit = reader.int("recent_messages_limit", in: Int.min...Int.max, &issues)
        try issues.check()
    }

    /// Namespace, user id and page of a list.
    static func list(_ query: String) throws -> (namespace: String?, userID: String?, page: PageRequest) {
        var issues = IssueList()
        let reader = try Self.reader(query)
        let namespace = reader.string("namespace", &issues)
        let userID = reader.string("user_id", &issues)
        let limit = reader.int("limit", in: 1...100, &issues) ?? 20
        let offset = reader.int("offset", in: 0...Int.max, &issues) ?? 0
        let page = try issues.collect(at: reader.location) { () throws(MemoryError) in
            // The rules of a key tell what can be a namespace or a user id; blank ones filter nothing.
            let key = try SessionKey(sessionID: "any", namespace: namespace, userID: userID)
            return (key.namespace, key.userID, try PageRequest(limit: limit, offset: offset))
        }
        try issues.check()
        guard let page else { throw ValidationFailure(issues: issues.issues) }
        return page
    }

    /// - Throws: ``ValidationFailure``.
    func selector(sessionID: String) throws -> SessionSelector {
        var issues = IssueList()
        let selector = try issues.collect(at: [.key("path")]) { () throws(MemoryError) in
            try SessionSelector(
                sessionID: sessionID, namespace: .init(parameter: namespace), userID: .init(parameter: userID))
        }
        try issues.check()
        guard let selector else { throw ValidationFailure(issues: issues.issues) }
        return selector
    }

    /// The parameters as an object of texts; of a name given twice the last value counts.
    private static func reader(_ query: String) throws -> ObjectReader {
        var issues = IssueList()
        let parameters = QueryParameters(query).object
        guard let reader = ObjectReader(.object(parameters), at: [.key("query")], &issues) else {
            throw ValidationFailure(issues: issues.issues)
        }
        return reader
    }
}
