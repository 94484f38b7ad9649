import AgentMemory
import HTTPTypes
import Hummingbird
import MemoryAPI
import MemoryService

extension HTTPField.Name {
    static let totalCount = HTTPField.Name("X-Total-Count")!
}

/// The routes under /v1/summary-views.
struct SummaryViewController: Sendable {
    /// `nil` on a server without a language model: then every route responds with 501.
    let views: SummaryViews?

    private static let partitions = "/partitions"
    private static let runPartition = "/partitions/run"
    private static let run = "/run"

    func addRoutes(to routes: RouteBuilder) {
        routes.add(
            "/v1/summary-views",
            enabled([
                .post: routes.handler(RouteInputs(takesBody: true, right: .write), create),
                .get: routes.handler(RouteInputs(query: SummaryViewRequest.parametersOfList), list),
            ]))
        routes.add(
            "/v1/summary-views/{id}",
            enabled([
                .get: routes.handler(RouteInputs(), get),
                .put: routes.handler(RouteInputs(takesBody: true, right: .write), replace),
                .delete: routes.handler(RouteInputs(right: .write), delete),
            ]))
        routes.add(
            "/v1/summary-views/{id}/partitions",
            enabled([
                .get: routes.handler(RouteInputs(query: SummaryViewRequest.parametersOfPartitions), listPartitions)
            ]))
        routes.add(
            "/v1/summary-views/{id}/partitions/run",
            enabled([.post: routes.handler(RouteInputs(takesBody: true, right: .write), renewPartition)]))
        routes.add(
            "/v1/summary-views/{id}/run",
            enabled([.post: routes.handler(RouteInputs(takesBody: true, right: .write), start)]))
    }

    private func enabled(
        _ handlers: [HTTPRequest.Method: RouteBuilder.Handler]
    ) -> [HTTPRequest.Method: RouteBuilder.Handler] {
        guard views == nil else { return handlers }
        return handlers.mapValues { _ in
            { request, _ in
                .error(
                    .notImplemented,
                    "\(request.method.rawValue) \(request.uri.path) needs a language model, and this server has none")
            }
        }
    }

    /// The views of a server that has them; ``enabled(_:)`` lets no other call through.
    private func existing() throws -> SummaryViews {
        guard let views else { throw MemoryError(.internalError, "this server has no summary views") }
        return views
    }

    private func create(_ call: RouteCall) async throws -> Response {
        let definition = try SummaryViewRequest.definition(try call.json())
        return .json(SummaryResponse(try await existing().create(definition, for: call.context.caller)))
    }

    private func replace(_ call: RouteCall) async throws -> Response {
        let id = try call.id("view_id")
        let definition = try SummaryViewRequest.definition(try call.json())
        return .json(SummaryResponse(try await existing().replace(id: id, definition, for: call.context.caller)))
    }

    private func list(_ call: RouteCall) async throws -> Response {
        let page = try SummaryViewRequest.page(call.query.reader)
        let views = try await existing().views(page: page, for: call.context.caller)
        return .counted(.json(SummaryResponse(views.items)), views.total)
    }

    private func get(_ call: RouteCall) async throws -> Response {
        let id = try call.id("view_id")
        return .json(SummaryResponse(try await existing().view(id: id, for: call.context.caller)))
    }

    private func delete(_ call: RouteCall) async throws -> Response {
        try await existing().delete(id: try call.id("view_id"), for: call.context.caller)
        return .json(StatusResponse("ok"))
    }

    private func listPartitions(_ call: RouteCall) async throws -> Response {
        let id = try call.id("view_id", before: Self.partitions)
        let query = call.query.reader
        let group = SummaryViewRequest.group(query)
        let page = try SummaryViewRequest.page(query)
        let partitions = try await existing().partitions(of: id, where: group, page: page, for: call.context.caller)
        return .counted(.json(SummaryResponse(partitions.items)), partitions.total)
    }

    private func renewPartition(_ call: RouteCall) async throws -> Response {
        let id = try call.id("view_id", before: Self.runPartition)
        let (group, isForced) = try SummaryViewRequest.partition(try call.json())
        let partition = try await existing().run(id: id, group: group, isForced: isForced, for: call.context.caller)
        return .json(SummaryResponse(partition))
    }

    private func start(_ call: RouteCall) async throws -> Response {
        let id = try call.id("view_id", before: Self.run)
        let (taskID, isForced) = try SummaryViewRequest.run(try call.json())
        let task = try await existing().start(id: id, taskID: taskID, isForced: isForced, for: call.context.caller)
        return .json(TaskResponse(task))
    }
}
