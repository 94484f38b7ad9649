import HTTPTypes
import Hummingbird

/// Counts every request that has a head, with what the other middlewares refuse.
struct MetricsMiddleware: RouterMiddleware {
    typealias Context = APIContext

    let metrics: RequestMetrics

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        // The router has found the route already, and names one where there is none only later.
        let route = context.endpointPath
        let start = ContinuousClock.now
        var status = 0
        metrics.begin()
        defer { metrics.end(route, request.method, status: status, after: ContinuousClock.now - start) }
        let response = try await next(request, context)
        status = response.status.code
        return response
    }
}
