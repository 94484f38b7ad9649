import AgentMemory
import HTTPTypes
import Hummingbird
import MemoryService

extension HTTPField.Name {
    static let deprecationWarning = HTTPField.Name("X-Deprecation-Warning")!
}

/// The routes under /v1/working-memory.
struct WorkingMemoryController: Sendable {
    let sessions: WorkingMemorySessions
    let body: RequestBody
    let rules: MessageRules
    let summarizationThreshold: Double
    let now: @Sendable () -> Timestamp

    func list(_ query: QueryParameters) async throws -> Response {
        let (namespace, userID, page) = try SessionParameters.list(query)
        let ids = try await sessions.list(namespace: namespace, userID: userID, page: page)
        return .json { writer in
            writer.object { writer in
                writer.name("sessions")
                writer.strings(ids.items)
                writer.name("total")
                writer.int(ids.total)
            }
        }
    }

    func get(id: String, _ query: QueryParameters) async throws -> Response {
        let parameters = try SessionParameters(query)
        let view = try await sessions.session(
            try parameters.selector(sessionID: id), recentMessages: parameters.recentMessagesLimit,
            budget: budget(parameters))
        return response(view)
    }

    func put(_ request: Request, id: String, _ query: QueryParameters) async throws -> Response {
        let parameters = try SessionParameters(query)
        let reading = try SessionRequest(rules: rules, now: now()).put(
            try await body.json(request), sessionID: id, parameters: parameters,
            condition: try WriteCondition(request.headers))
        let view = try await sessions.put(reading.content, budget: budget(parameters))
        return warning(response(view), if: reading.lacksDates)
    }

    /// Adds messages without sending those that are there. An addition to the API of the reference.
    func append(_ request: Request, id: String, _ query: QueryParameters) async throws -> Response {
        let parameters = try SessionParameters(query)
        let reading = try SessionRequest(rules: rules, now: now()).append(
            try await body.json(request), sessionID: id, parameters: parameters)
        let session = try await sessions.append(reading.content.messages, to: reading.content.key)
        var response = Response.json { writer in
            writer.object { writer in
                session.memory.writeMembers(to: &writer, withMessages: false)
                writer.name("message_count")
                writer.int(session.messageCount)
            }
        }
        response.headers[.eTag] = Self.tag(session)
        return warning(response, if: reading.lacksDates)
    }

    func delete(_ request: Request, id: String, _ query: QueryParameters) async throws -> Response {
        let parameters = try SessionParameters(query)
        try await sessions.delete(
            try parameters.selector(sessionID: id), condition: try WriteCondition(request.headers))
        return .status("ok")
    }

    private func budget(_ parameters: SessionParameters) -> ContextBudget? {
        ContextBudget(
            model: parameters.model, maximum: parameters.contextWindowMaximum,
            summarizationThreshold: summarizationThreshold)
    }

    private func response(_ view: WorkingMemorySessions.View) -> Response {
        let memory = view.session.memory
        var response = Response.json(capacity: 1024 + 256 * memory.messages.count) { writer in
            writer.object { writer in
                memory.writeMembers(to: &writer)
                writer.name("context_percentage_total_used")
                if let usage = view.usage { writer.double(usage.totalUsed) } else { writer.null() }
                writer.name("context_percentage_until_summarization")
                if let usage = view.usage { writer.double(usage.untilSummarization) } else { writer.null() }
            }
        }
        response.headers[.eTag] = Self.tag(view.session)
        // A cache would ask again with If-None-Match, which a GET does not look at: persisted_at changes without a new revision.
        response.headers[.cacheControl] = "no-store"
        return response
    }

    private static func tag(_ session: StoredSession) -> String {
        "\"\(session.current.number)\""
    }

    private func warning(_ response: Response, if lacksDates: Bool) -> Response {
        guard lacksDates else { return response }
        var response = response
        response.headers[.deprecationWarning] =
            "messages[].created_at will become required in the next major version. Please provide timestamps for all messages."
        return response
    }
}

extension WriteCondition {
    /// What If-Match and If-None-Match ask for (RFC 9110, 13.1). A tag that no answer of ours carried matches no revision.
    ///
    /// - Throws: ``MemoryError`` with code `invalidCombination` for both at once, or If-None-Match with anything but `*`.
    fileprivate init(_ headers: HTTPFields) throws(MemoryError) {
        switch (headers[.ifMatch], headers[.ifNoneMatch]) {
        case (nil, nil): self = .none
        case ("*"?, nil): self = .exists
        case (nil, "*"?): self = .absent
        case (let tags?, nil):
            self = .revision(
                tags.split(separator: ",").compactMap { tag in
                    let tag = tag.drop { $0 == " " || $0 == "\t" }.prefix { $0 != " " && $0 != "\t" }
                    guard tag.count > 2, tag.first == "\"", tag.last == "\"" else { return nil }
                    return Int(tag.dropFirst().dropLast())
                })
        default:
            throw MemoryError(
                .invalidCombination, "a write takes If-Match with tags or *, or If-None-Match: *, not both")
        }
    }
}
