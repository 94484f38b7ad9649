public import AgentMemory
public import MemoryService

/// The body of POST /v1/memory/prompt.
public enum PromptRequest {
    /// Reads a prompt.
    ///
    /// - Parameter summarizationThreshold: the share of the context window at which conversations
    ///   are summarised.
    /// - Throws: ``ValidationFailure``; ``MemoryError`` with code `invalidCombination` if there is
    ///   neither a session nor a search.
    public static func read(_ json: JSONValue, summarizationThreshold: Double) throws -> MemoryPrompt.Request {
        let body = BodyReader(json)
        // An unknown name might be a misspelt user or namespace: the prompt would show the memories
        // of others.
        body.refuseUnknown(["query", "session", "long_term_search"], "Unknown field")
        let query = body.requiredString("query")
        let session = try body.object("session").flatMap { try readSession($0, summarizationThreshold) }
        var search: MemoryPrompt.Request.Search?
        if case .object(let wishes)? = body.member("long_term_search") {
            do {
                let location = body.location(of: "long_term_search") + [.key("SearchRequest")]
                search = .custom(
                    try SearchRequest.read(.object(wishes), at: location, replacingText: query ?? ""))
            } catch let failure as ValidationFailure {
                body.note(failure)
            }
        } else if body.bool("long_term_search") == true {
            search = .standard
        }
        try body.finish()
        return try MemoryPrompt.Request(query: query ?? "", session: session, search: search)
    }

    private static func readSession(
        _ session: BodyReader, _ threshold: Double
    ) throws -> MemoryPrompt.Request.Session? {
        session.refuseUnknown(
            [
                "session_id", "namespace", "user_id", "model_name", "context_window_max", "long_term_memory_strategy",
            ], "Unknown field")
        let id = session.requiredString("session_id")
        let namespace = session.scope("namespace")
        let userID = session.scope("user_id")
        let model = session.choice("model_name", ModelName.self)
        let maximum = session.int("context_window_max", in: Int.min...Int.max)
        guard let id, !session.hasIssues else { return nil }
        return try session.make { () throws(MemoryError) in
            MemoryPrompt.Request.Session(
                selector: try SessionSelector(
                    sessionID: id, namespace: .init(parameter: namespace), userID: .init(parameter: userID)),
                budget: ContextBudget(model: model, maximum: maximum, summarizationThreshold: threshold))
        }
    }
}
