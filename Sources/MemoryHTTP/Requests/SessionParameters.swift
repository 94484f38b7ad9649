import AgentMemory
import MemoryService

/// The query string of the routes under /v1/working-memory.
struct SessionParameters {
    let namespace: String?
    let userID: String?
    let model: ModelName?
    let contextWindowMaximum: Int?
    let recentMessagesLimit: Int?

    private static let scope = ["namespace", "user_id"]

    /// What the routes take. JavaScript clients of the reference send `background` with a PUT, which has never meant anything.
    static let ofList = QueryParameters.Expected(names: scope + ["limit", "offset"])
    static let ofGet = QueryParameters.Expected(
        names: scope + ["model_name", "context_window_max", "recent_messages_limit"])
    static let ofPut = QueryParameters.Expected(
        names: scope + ["model_name", "context_window_max"], ignored: ["background"])
    static let ofAppend = QueryParameters.Expected(names: scope)
    static let ofDelete = QueryParameters.Expected(names: scope)

    /// - Throws: ``ValidationFailure`` for a model that is not known, or what is no number.
    init(_ query: QueryParameters) throws {
        var issues = IssueList()
        let reader = query.reader
        namespace = reader.string("namespace", &issues)
        userID = reader.string("user_id", &issues)
        model = reader.choice("model_name", ModelName.self, &issues)
        contextWindowMaximum = reader.int("context_window_max", in: Int.min...Int.max, &issues)
        // The reference takes any number. No session has more messages than this, and stores can count on it.
        recentMessagesLimit = reader.int("recent_messages_limit", in: Int.min...Int.max, &issues)
            .map { min($0, Int(Int32.max)) }
        try issues.check()
    }

    /// Namespace, user id and page of a list.
    static func list(_ query: QueryParameters) throws -> (namespace: String?, userID: String?, page: PageRequest) {
        var issues = IssueList()
        let reader = query.reader
        let namespace = reader.scope("namespace", &issues)
        let userID = reader.scope("user_id", &issues)
        let limit = reader.int("limit", in: 1...100, &issues) ?? 20
        let offset = reader.int("offset", in: 0...Int.max, &issues) ?? 0
        let page = try issues.collect(at: reader.location) { () throws(MemoryError) in
            // The rules of a key tell what can be a namespace or a user id.
            let key = try SessionKey(sessionID: "any", namespace: namespace, userID: userID)
            return (key.namespace, key.userID, try PageRequest(limit: limit, offset: offset))
        }
        try issues.check()
        guard let page else { throw ValidationFailure(issues: issues.issues) }
        return page
    }

    /// - Throws: ``ValidationFailure``.
    func selector(sessionID: String) throws -> SessionSelector {
        do {
            return try SessionSelector(
                sessionID: sessionID, namespace: .init(parameter: namespace), userID: .init(parameter: userID))
        } catch {
            var issues = IssueList()
            try issues.add(error, at: [.key(error.path == [.key("session_id")] ? "path" : "query")])
            throw ValidationFailure(issues: issues.issues)
        }
    }
}
