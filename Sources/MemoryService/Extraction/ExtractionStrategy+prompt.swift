import AgentMemory
import Prompts

extension ExtractionStrategy {
    /// Whose messages a prompt shows.
    struct Place {
        let sessionID: String?
        let namespace: String?
        let userID: String?
    }

    /// What the model is asked.
    ///
    /// - Parameters:
    ///   - prompts: those of the server.
    ///   - lines: the new messages (``MessageLines``).
    ///   - earlier: messages before them, or the summary so far.
    ///   - topics: of a memory at most.
    ///   - place: of the messages.
    ///   - now: for prompts of the strategy `custom`.
    func prompt(
        _ prompts: PromptSet, lines: String, earlier: String, topics: Int, in place: Place, now: Timestamp
    ) -> String {
        let values = [
            "earlier": earlier, "messages": lines, "top_k_topics": String(topics),
            "max_summary_length": String(summaryLength),
        ]
        switch name {
        case .discrete: return prompts[.extractionDiscrete].filled(with: values)
        case .preferences: return prompts[.extractionPreferences].filled(with: values)
        case .summary: return prompts[.extractionSummary].filled(with: values)
        case .custom:
            var own = variables
            own["message"] = "\n=====\n\(lines)\n=====\n"
            own["current_datetime"] = "\(now.weekday) \(now.iso8601)"
            own["session_id"] = place.sessionID ?? ""
            own["namespace"] = place.namespace ?? ""
            own["user_id"] = place.userID ?? ""
            let instructions = prompt?.filled(with: own) ?? ""
            return prompts[.extractionCustom].filled(with: ["instructions": instructions])
        }
    }
}
