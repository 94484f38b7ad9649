import AgentMemory
import HTTPTypes
import Hummingbird
import MemoryAPI
import MemoryService

/// The routes under /v1/long-term-memory.
struct LongTermMemoryController: Sendable {
    let memory: LongTermMemory
    let operations: OpenOperations
    let compactions: Compactions
    /// Whether there is long-term memory; without it every route responds with 400, as the
    /// reference's do.
    let isEnabled: Bool
    let now: @Sendable () -> Timestamp

    /// JavaScript clients send a namespace, which has never had an effect here: ids are unique
    /// without it.
    private static let namespaced = ParameterNames(ignored: ["namespace"])
    private static let ids = ParameterNames(lists: ["memory_ids"], ignored: ["namespace"])

    func addRoutes(to routes: RouteBuilder) {
        let readRecord = routes.handler(RouteInputs(query: Self.namespaced, permitsCopies: true), get)
        let readHistory = routes.handler(RouteInputs(query: HistoryRequest.parametersOfPage), history)
        let record: [HTTPRequest.Method: RouteBuilder.Handler] = [
            .get: { (request: Request, context: APIContext) in
                request.ends(with: Self.history)
                    ? try await readHistory(request, context) : try await readRecord(request, context)
            },
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
                routes.handler(
                    RouteInputs(query: SearchRequest.parametersOfQuery, takesBody: true, permitsCopies: true), search)
            ),
            ("list", routes.handler(RouteInputs(takesBody: true, permitsCopies: true), list)),
            ("count", routes.handler(RouteInputs(takesBody: true, permitsCopies: true), count)),
            // For clients that cannot send a body with DELETE.
            ("delete", routes.handler(RouteInputs(takesBody: true, right: .write), deleteNamed)),
            ("compact", routes.handler(RouteInputs(query: Self.scope, right: .write), compact)),
        ]
        for (name, handler) in actions {
            // A record may have the id "search": reading and editing it must not reach the action
            // of that name.
            let handlers = record.merging([.post: handler]) { $1 }
            routes.add(RouterPath("/v1/long-term-memory/\(name)"), enabled(handlers))
        }
        // The reference forgets also where long-term memory is disabled.
        let forget = routes.handler(RouteInputs(query: ForgetRequest.parameters, takesBody: true), forget)
        routes.add("/v1/long-term-memory/forget", enabled(record).merging([.post: forget]) { $1 })
        let writeEarlier = routes.handler(RouteInputs(takesBody: true, right: .write), restore)
        routes.add("/v1/long-term-memory/**", enabled(record.merging([.post: writeEarlier]) { $1 })) {
            request, method in
            method != .post || request.ends(with: Self.restore)
        }
        let undo = routes.handler(RouteInputs(takesBody: true, right: .write), undo)
        routes.add("/v1/operations/**", enabled([.post: undo])) { request, _ in request.ends(with: Self.undo) }
        routes.add(
            "/v1/events", enabled([.get: routes.handler(RouteInputs(query: HistoryRequest.parametersOfFeed), events)]))
    }

    private static let history = "/history"
    private static let restore = "/restore"
    private static let undo = "/undo"
    private static let scope = ParameterNames(taken: ScopeParameters.names)

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

    /// The events of one memory. An addition to the API of the reference.
    private func history(_ call: RouteCall) async throws -> Response {
        let id = try call.id("memory_id", before: Self.history)
        let page = try HistoryRequest.page(call.query.reader)
        return .json(HistoryResponse(try await memory.history(of: id, page: page, for: call.context.caller)))
    }

    /// Brings a memory back to an earlier state. An addition to the API of the reference.
    private func restore(_ call: RouteCall) async throws -> Response {
        let id = try call.id("memory_id", before: Self.restore)
        let target = try HistoryRequest.target(try call.json())
        return .json(RestoreResponse(try await memory.restore(id: id, to: target, for: call.context.caller)))
    }

    /// The events of all memories. An addition to the API of the reference.
    private func events(_ call: RouteCall) async throws -> Response {
        let (after, limit) = try HistoryRequest.feed(call.query.reader)
        let events = try await memory.events(after: after, limit: limit, for: call.context.caller)
        return .json(FeedResponse(events, after: after))
    }

    /// Takes back all changes of one operation. An addition to the API of the reference.
    private func undo(_ call: RouteCall) async throws -> Response {
        let operation = try call.id("operation", before: Self.undo)
        let isForced = try HistoryRequest.isForced(try call.jsonIfAny())
        let outcome = try await operations.undo(operation: operation, isForced: isForced, for: call.context.caller)
        return .json(UndoResponse(outcome))
    }

    private func forget(_ call: RouteCall) async throws -> Response {
        let forget = try ForgetRequest(try call.json(), query: call.query.reader)
        let outcome = try await operations.forget(
            forget.policy, in: forget.filter, batch: forget.batch, isDryRun: forget.isDryRun, for: call.context.caller)
        return .json(ForgetResponse(outcome, isDryRun: forget.isDryRun))
    }

    private func compact(_ call: RouteCall) async throws -> Response {
        let query = call.query.reader
        let filter = try ScopeParameters.filter(query)
        try query.finish()
        switch try await compactions.compact(filter, for: call.context.caller) {
        case .done(let outcome): return .json(CompactResponse(outcome))
        case .started(let task): return .task(task)
        }
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

extension Request {
    /// Whether the path, without a slash at its end, ends with this part.
    func ends(with action: String) -> Bool {
        resource.utf8.suffix(action.utf8.count).elementsEqual(action.utf8)
    }
}
