public import AgentMemory
public import MemoryService

/// The query parameters of the routes under /v1/working-memory.
public struct SessionParameters {
    public let namespace: String?
    public let userID: String?
    public let model: ModelName?
    public let contextWindowMaximum: Int?
    public let recentMessagesLimit: Int?

    private static let scope = ["namespace", "user_id"]

    /// The parameters of the routes. JavaScript clients of the reference send `background` with a
    /// PUT, which has never had an effect.
    public static let ofList = ParameterNames(taken: scope + ["limit", "offset"])
    public static let ofGet = ParameterNames(
        taken: scope + ["model_name", "context_window_max", "recent_messages_limit"])
    public static let ofPut = ParameterNames(
        taken: scope + ["model_name", "context_window_max"], ignored: ["background"])
    public static let ofAppend = ParameterNames(taken: scope)
    public static let ofDelete = ParameterNames(taken: scope)

    /// - Throws: ``ValidationFailure`` for an unknown model, or a value that is not a number.
    public init(_ query: BodyReader) throws {
        namespace = query.string("namespace")
        userID = query.string("user_id")
        model = query.choice("model_name", ModelName.self)
        contextWindowMaximum = query.int("context_window_max", in: Int.min...Int.max)
        // The reference accepts any number. No session has more messages than this, and stores rely
        // on it.
        recentMessagesLimit = query.int("recent_messages_limit", in: Int.min...Int.max).map { min($0, Int(Int32.max)) }
        try query.finish()
    }

    /// Namespace, user id and page of a list.
    ///
    /// - Throws: ``ValidationFailure``.
    public static func list(_ query: BodyReader) throws -> (namespace: String?, userID: String?, page: PageRequest) {
        let namespace = query.scope("namespace")
        let userID = query.scope("user_id")
        let limit = query.int("limit", in: 1...100) ?? 20
        let offset = query.int("offset", in: 0...Int.max) ?? 0
        let list = try query.make { () throws(MemoryError) in
            // The rules of a key define what is valid as a namespace or a user id.
            let key = try SessionKey(sessionID: "any", namespace: namespace, userID: userID)
            return (key.namespace, key.userID, try PageRequest(limit: limit, offset: offset))
        }
        return try query.finish(with: list)
    }

    /// The session that the parameters and the id in the path name.
    ///
    /// - Throws: ``ValidationFailure``.
    public func selector(sessionID: String) throws -> SessionSelector {
        do {
            return try SessionSelector(
                sessionID: sessionID, namespace: .init(parameter: namespace), userID: .init(parameter: userID))
        } catch {
            let issues = IssueList()
            try issues.add(error, at: [.key(error.path == [.key("session_id")] ? "path" : "query")])
            throw ValidationFailure(issues: issues.issues)
        }
    }

    /// How much of the context window the messages may take; `nil` if the request names no model
    /// and no window.
    ///
    /// - Parameter summarizationThreshold: the share of the window at which conversations are
    ///   summarised, from 0 to 1.
    public func budget(summarizationThreshold: Double) -> ContextBudget? {
        ContextBudget(model: model, maximum: contextWindowMaximum, summarizationThreshold: summarizationThreshold)
    }
}
