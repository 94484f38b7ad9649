import HTTPTypes
import Hummingbird

/// Routes of the API that this version does not have yet.
struct PlannedController: Sendable {
    func addRoutes(to routes: RouteBuilder) {
        let planned: [(RouterPath, [HTTPRequest.Method])] = [
            ("/v1/summary-views", [.post, .get]),
            ("/v1/summary-views/{id}", [.get, .delete]),
            ("/v1/summary-views/{id}/partitions", [.get]),
            ("/v1/summary-views/{id}/partitions/run", [.post]),
            ("/v1/summary-views/{id}/run", [.post]),
            ("/v1/tasks/{id}", [.get]),
        ]
        for (path, methods) in planned {
            routes.add(path, Dictionary(uniqueKeysWithValues: methods.map { ($0, RouteBuilder.notBuilt) }))
        }
    }
}
