import AgentMemory
import HTTPTypes
import Hummingbird
import MemoryAPI
import MemoryService

extension HTTPField.Name {
    static let deprecationWarning = HTTPField.Name("X-Deprecation-Warning")!
}

/// The routes under /v1/working-memory.
struct WorkingMemoryController: Sendable {
    let sessions: WorkingMemorySessions
    let rules: MessageRules
    let summarizationThreshold: Double
    let now: @Sendable () -> Timestamp

    /// The part after the id in the path of the route that appends.
    private static let append = "/messages"

    func addRoutes(to routes: RouteBuilder) {
        routes.add(
            "/v1/working-memory",
            [.get: routes.handler(RouteInputs(query: SessionParameters.ofList), list)])
        let session = [
            HTTPRequest.Method.get: routes.handler(RouteInputs(query: SessionParameters.ofGet), get),
            .put: routes.handler(
                RouteInputs(query: SessionParameters.ofPut, takesBody: true, takesConditions: true, right: .write), put),
            .delete: routes.handler(
                RouteInputs(query: SessionParameters.ofDelete, takesConditions: true, right: .write), delete),
            .post: routes.handler(
                RouteInputs(query: SessionParameters.ofAppend, takesBody: true, right: .write), append),
        ]
        routes.add("/v1/working-memory/**", session) { request, method in
            method != .post || request.resource.utf8.suffix(Self.append.utf8.count).elementsEqual(Self.append.utf8)
        }
    }

    private func list(_ call: RouteCall) async throws -> Response {
        let (namespace, userID, page) = try SessionParameters.list(call.query.reader)
        return .json(
            SessionListResponse(
                try await sessions.list(namespace: namespace, userID: userID, page: page, for: call.context.caller)))
    }

    private func get(_ call: RouteCall) async throws -> Response {
        let id = try call.id("session_id")
        let parameters = try SessionParameters(call.query.reader)
        let view = try await sessions.session(
            try parameters.selector(sessionID: id), recentMessages: parameters.recentMessagesLimit,
            budget: parameters.budget(summarizationThreshold: summarizationThreshold), for: call.context.caller)
        return Self.response(view)
    }

    private func put(_ call: RouteCall) async throws -> Response {
        let id = try call.id("session_id")
        let parameters = try SessionParameters(call.query.reader)
        let reading = try SessionRequest(rules: rules, now: now()).put(
            try call.json(), sessionID: id, parameters: parameters,
            condition: try WriteCondition(call.request.headers))
        let view = try await sessions.put(
            reading.content, budget: parameters.budget(summarizationThreshold: summarizationThreshold),
            for: call.context.caller)
        return Self.warning(Self.response(view), if: reading.lacksDates)
    }

    /// Adds messages without sending the existing ones. An addition to the API of the reference.
    private func append(_ call: RouteCall) async throws -> Response {
        let id = try call.id("session_id", before: Self.append)
        let parameters = try SessionParameters(call.query.reader)
        let reading = try SessionRequest(rules: rules, now: now()).append(
            try call.json(), sessionID: id, parameters: parameters)
        let session = try await sessions.append(
            reading.content.messages, to: reading.content.key, for: call.context.caller)
        var response = Response.json(AppendResponse(session))
        response.headers[.eTag] = Self.tag(session)
        return Self.warning(response, if: reading.lacksDates)
    }

    private func delete(_ call: RouteCall) async throws -> Response {
        let id = try call.id("session_id")
        let parameters = try SessionParameters(call.query.reader)
        try await sessions.delete(
            try parameters.selector(sessionID: id), condition: try WriteCondition(call.request.headers),
            for: call.context.caller)
        return .json(StatusResponse("ok"))
    }

    private static func response(_ view: WorkingMemorySessions.View) -> Response {
        var response = Response.json(SessionResponse(view))
        response.headers[.eTag] = tag(view.session)
        // A cache would send If-None-Match, which a GET does not use: persisted_at changes without
        // a new revision.
        response.headers[.cacheControl] = "no-store"
        return response
    }

    private static func tag(_ session: StoredSession) -> String {
        "\"\(session.current.number)\""
    }

    private static func warning(_ response: Response, if lacksDates: Bool) -> Response {
        guard lacksDates else { return response }
        var response = response
        response.headers[.deprecationWarning] =
            "messages[].created_at will become required in the next major version. Please provide timestamps for all messages."
        return response
    }
}
