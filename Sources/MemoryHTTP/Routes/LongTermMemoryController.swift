import AgentMemory
import HTTPTypes
import Hummingbird
import MemoryAPI
import MemoryService

/// The routes under /v1/long-term-memory.
struct LongTermMemoryController: Sendable {
    let memory: LongTermMemory
    /// Whether there is long-term memory; without it every route responds with 400, as the
    /// reference's do.
    let isEnabled: Bool
    let now: @Sendable () -> Timestamp

    /// JavaScript clients send a namespace, which has never had an effect here: ids are unique
    /// without it.
    private static let namespaced = ParameterNames(ignored: ["namespace"])
    private static let ids = ParameterNames(lists: ["memory_ids"], ignored: ["namespace"])

    func addRoutes(to routes: RouteBuilder) {
        let record = [
            HTTPRequest.Method.get: routes.handler(RouteInputs(query: Self.namespaced), get),
            .patch: routes.handler(RouteInputs(takesBody: true, right: .write), edit),
        ]
        routes.add(
            "/v1/long-term-memory",
            enabled([
                .post: routes.handler(RouteInputs(query: Self.namespaced, takesBody: true, right: .write), create),
                .delete: routes.handler(RouteInputs(query: Self.ids, takesBody: true, right: .write), delete),
            ]))
        let actions = [
            (
                "search",
                routes.handler(RouteInputs(query: SearchRequest.parametersOfQuery, takesBody: true), search)
            ),
            ("list", routes.handler(RouteInputs(takesBody: true), list)),
            ("count", routes.handler(RouteInputs(takesBody: true), count)),
            // For clients that cannot send a body with DELETE.
            ("delete", routes.handler(RouteInputs(takesBody: true, right: .write), deleteNamed)),
            ("compact", RouteBuilder.notBuilt),
            ("forget", RouteBuilder.notBuilt),
        ]
        for (name, handler) in actions {
            // A record may have the id "search": reading and editing it must not reach the action
            // of that name.
            let handlers = record.merging([.post: handler]) { $1 }
            routes.add(RouterPath("/v1/long-term-memory/\(name)"), enabled(handlers))
        }
        routes.add("/v1/long-term-memory/**", enabled(record))
    }

    private func enabled(_ handlers: [HTTPRequest.Method: RouteBuilder.Handler]) -> [HTTPRequest.Method: RouteBuilder
        .Handler]
    {
        guard !isEnabled else { return handlers }
        return handlers.mapValues { _ in
            { _, _ in .error(.badRequest, "Long-term memory is disabled") }
        }
    }

    private func create(_ call: RouteCall) async throws -> Response {
        let create = try CreateRequest(try call.json(), now: now())
        try await memory.create(create.records, deduplicate: create.deduplicate, for: call.context.caller)
        return .json(StatusResponse("ok"))
    }

    private func search(_ call: RouteCall) async throws -> Response {
        let optimizes = try SearchRequest.optimizesQuery(call.query.reader)
        var search = try SearchRequest.read(try call.json())
        search.optimizesQuery = optimizes
        return .json(MemoryPageResponse(try await memory.search(search, for: call.context.caller)))
    }

    private func list(_ call: RouteCall) async throws -> Response {
        let query = try SearchRequest.readList(try call.json())
        return .json(MemoryPageResponse(try await memory.list(query, for: call.context.caller)))
    }

    private func count(_ call: RouteCall) async throws -> Response {
        let filter = try SearchRequest.readCount(try call.json())
        return .json(CountResponse(try await memory.count(filter, for: call.context.caller)))
    }

    private func get(_ call: RouteCall) async throws -> Response {
        .json(RecordResponse(try await memory.record(id: try call.id("memory_id"), for: call.context.caller)))
    }

    private func edit(_ call: RouteCall) async throws -> Response {
        let id = try call.id("memory_id")
        let edit = try EditRequest(try call.json())
        let record = try await memory.edit(id: id, for: call.context.caller) { now throws(MemoryError) in
            try edit.changes(updatedAt: now)
        }
        return .json(RecordResponse(record))
    }

    private func delete(_ call: RouteCall) async throws -> Response {
        let request = try DeleteRequest(try call.jsonIfAny(), query: call.query.all("memory_ids"))
        return try await deleted(request, call)
    }

    private func deleteNamed(_ call: RouteCall) async throws -> Response {
        try await deleted(try DeleteRequest(try call.json()), call)
    }

    private func deleted(_ request: DeleteRequest, _ call: RouteCall) async throws -> Response {
        let deleted = try await memory.delete(ids: request.ids, for: call.context.caller)
        return .json(StatusResponse("ok, deleted \(deleted) memories"))
    }
}
