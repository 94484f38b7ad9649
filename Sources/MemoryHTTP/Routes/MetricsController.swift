import AgentMemory
import Hummingbird
import Metering
import NIOCore

/// The route that Prometheus reads.
///
/// It is outside of the limits of requests in work and of large ones: what is counted matters most
/// when they are reached.
struct MetricsController: Sendable {
    static let path = "/metrics"

    let requests: RequestMetrics
    /// What is shown next to the requests.
    let others: @Sendable () async -> [MetricFamily]

    func addRoutes(to routes: RouteBuilder) {
        routes.add(RouterPath(Self.path), [.get: { _, context in try await page(for: context.caller) }])
    }

    /// - Throws: ``MemoryError`` with code `forbidden`.
    private func page(for caller: Caller) async throws -> Response {
        try caller.requireMetrics()
        let text = MetricText.text(requests.families + (await others()))
        return Response(
            status: .ok, headers: [.contentType: MetricText.contentType, .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
