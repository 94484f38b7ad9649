import AgentMemory
import HTTPTypes
import Hummingbird
import MemoryAPI
import MemoryService

/// The routes that describe the server itself.
struct SystemController: Sendable {
    let readiness: Readiness
    /// How callers are authenticated; `nil` if they are not.
    let authentication: String?
    let now: @Sendable () -> Timestamp

    /// Extra parameters of these routes are ignored, because probes of all kinds call them.
    func addRoutes(to routes: RouteBuilder) {
        routes.add("/v1/health", [.get: { _, _ in health() }], isOpen: true)
        routes.add("/v1/ready", [.get: { _, context in await ready(context) }], isOpen: true)
        routes.add("/v1/usage", [.get: routes.handler { call in try await usage(for: call.context.caller) }])
    }

    /// What language models have used, as far as the caller may see it.
    private func usage(for caller: Caller) async throws -> Response {
        .json(UsageResponse(try await readiness.languageUsage(for: caller)))
    }

    /// Whether the process responds; calls no store.
    private func health() -> Response {
        .json(HealthResponse(now: now()))
    }

    /// 200 if the store, the index and the embedder can do their work, else 503; each with ok or a
    /// reason. Without the parts for who is not authenticated.
    private func ready(_ context: APIContext) async -> Response {
        let response = ReadinessResponse(
            backend: readiness.backend, embeddingModel: readiness.embeddingModel, components: await readiness.check(),
            authentication: authentication, hasDetails: context.refusal == nil)
        return .json(response, status: response.isReady ? .ok : .serviceUnavailable)
    }
}
