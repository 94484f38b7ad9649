import AgentMemory
import HTTPTypes
import Hummingbird
import MemoryAPI
import MemoryService

/// The routes under /v1/tasks, and POST /v1/erase. All but GET /v1/tasks/{id} are additions to the
/// API of the reference.
struct TaskController: Sendable {
    let tasks: ServerTasks
    let erasures: Erasures

    private static let cancel = "/cancel"

    func addRoutes(to routes: RouteBuilder) {
        routes.add(
            "/v1/tasks",
            [.get: routes.handler(RouteInputs(query: SummaryViewRequest.parametersOfList), list)])
        routes.add(
            "/v1/tasks/**",
            [
                .get: routes.handler(RouteInputs(), task),
                .post: routes.handler(RouteInputs(right: .write), cancel),
            ]
        ) { request, method in
            method != .post || request.ends(with: Self.cancel)
        }
        routes.add("/v1/erase", [.post: routes.handler(RouteInputs(takesBody: true, right: .administer), erase)])
    }

    private func list(_ call: RouteCall) async throws -> Response {
        let page = try SummaryViewRequest.page(call.query.reader)
        let tasks = try await tasks.tasks(page: page, for: call.context.caller)
        return .counted(.json(TaskResponse(tasks.items)), tasks.total)
    }

    private func task(_ call: RouteCall) async throws -> Response {
        .json(TaskResponse(try await tasks.task(id: try call.id("task_id"), for: call.context.caller)))
    }

    private func cancel(_ call: RouteCall) async throws -> Response {
        let id = try call.id("task_id", before: Self.cancel)
        return .json(TaskResponse(try await tasks.cancel(id: id, for: call.context.caller)))
    }

    private func erase(_ call: RouteCall) async throws -> Response {
        let scope = try EraseRequest.scope(try call.json())
        let task = try await erasures.start(scope, for: call.context.caller)
        return .task(task)
    }
}

extension Response {
    /// 200 with a task that is over, and 202 with one that goes on.
    static func task(_ task: ServerTask) -> Response {
        var response = Response.json(TaskResponse(task))
        if task.completedAt == nil { response.status = .accepted }
        return response
    }

    /// Lists of the reference have no total in their bodies.
    static func counted(_ response: Response, _ total: Int) -> Response {
        var response = response
        response.headers[.totalCount] = String(total)
        return response
    }
}
