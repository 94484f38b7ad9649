import AgentMemory
import HTTPTypes
import Hummingbird
import MemoryAPI
import MemoryService

/// The routes that describe the server itself.
struct SystemController: Sendable {
    let readiness: Readiness
    let now: @Sendable () -> Timestamp

    /// Extra parameters of these routes are ignored, because probes of all kinds call them.
    func addRoutes(to routes: RouteBuilder) {
        routes.add("/v1/health", [.get: { _, _ in health() }])
        routes.add("/v1/ready", [.get: { _, _ in await ready() }])
    }

    /// Whether the process responds; calls no store.
    private func health() -> Response {
        .json(HealthResponse(now: now()))
    }

    /// 200 if the store, the index and the embedder can do their work, else 503; each with ok or a
    /// reason.
    private func ready() async -> Response {
        let response = ReadinessResponse(
            backend: readiness.backend, embeddingModel: readiness.embeddingModel, components: await readiness.check())
        return .json(response, status: response.isReady ? .ok : .serviceUnavailable)
    }
}
