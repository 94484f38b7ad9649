import AgentMemory
import MemoryService

/// The body of POST /v1/memory/prompt.
enum PromptRequest {
    /// - Throws: ``ValidationFailure``; ``MemoryError`` with code `invalidCombination` where there is neither a session nor a search.
    static func read(_ body: JSONValue, summarizationThreshold: Double) throws -> MemoryPrompt.Request {
        var issues = IssueList()
        guard let reader = ObjectReader(body, at: [.key("body")], &issues) else {
            throw ValidationFailure(issues: issues.issues)
        }
        // A name that is none of these might be a user or a namespace misspelt: the prompt would hold what others have said.
        reader.refuseUnknown(["query", "session", "long_term_search"], "Unknown field", &issues)
        let query = reader.requiredString("query", &issues)
        let session = try readSession(reader, summarizationThreshold, &issues)
        var search: MemoryPrompt.Request.Search?
        if case .object(let wishes)? = reader.member("long_term_search") {
            do {
                let location = reader.location(of: "long_term_search") + [.key("SearchRequest")]
                search = .custom(
                    try SearchRequest.read(.object(wishes), at: location, replacingText: query ?? ""))
            } catch let failure as ValidationFailure {
                for issue in failure.issues { issues.add(issue) }
            }
        } else if reader.bool("long_term_search", &issues) == true {
            search = .standard
        }
        try issues.check()
        return try MemoryPrompt.Request(query: query ?? "", session: session, search: search)
    }

    private static func readSession(
        _ reader: ObjectReader, _ threshold: Double, _ issues: inout IssueList
    ) throws -> MemoryPrompt.Request.Session? {
        guard let value = reader.member("session"),
            let session = ObjectReader(value, at: reader.location(of: "session"), &issues)
        else { return nil }
        let before = issues.issues.count
        session.refuseUnknown(
            [
                "session_id", "namespace", "user_id", "model_name", "context_window_max", "long_term_memory_strategy",
            ], "Unknown field", &issues)
        let id = session.requiredString("session_id", &issues)
        let namespace = session.scope("namespace", &issues)
        let userID = session.scope("user_id", &issues)
        let model = session.choice("model_name", ModelName.self, &issues)
        let maximum = session.int("context_window_max", in: Int.min...Int.max, &issues)
        guard let id, issues.issues.count == before else { return nil }
        return try issues.collect(at: session.location) { () throws(MemoryError) in
            MemoryPrompt.Request.Session(
                selector: try SessionSelector(
                    sessionID: id, namespace: .init(parameter: namespace), userID: .init(parameter: userID)),
                budget: ContextBudget(model: model, maximum: maximum, summarizationThreshold: threshold))
        }
    }
}
