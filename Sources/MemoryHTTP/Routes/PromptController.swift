import AgentMemory
import HTTPTypes
import Hummingbird
import MemoryAPI
import MemoryService

/// The route /v1/memory/prompt.
struct PromptController: Sendable {
    let prompt: MemoryPrompt
    let summarizationThreshold: Double
    let longTermMemory: Bool

    func addRoutes(to routes: RouteBuilder) {
        routes.add(
            "/v1/memory/prompt",
            [
                .post: routes.handler(
                    RouteInputs(query: SearchRequest.parametersOfQuery, takesBody: true), hydrate)
            ])
    }

    private func hydrate(_ call: RouteCall) async throws -> Response {
        let optimizes = try SearchRequest.optimizesQuery(call.query.reader)
        var request = try PromptRequest.read(
            try call.json(), summarizationThreshold: summarizationThreshold)
        request.optimizesQuery = optimizes
        guard longTermMemory || request.search == nil else {
            throw MemoryError(.invalidCombination, "Long-term memory is disabled")
        }
        return .json(PromptResponse(try await prompt.answer(request, for: call.context.caller)))
    }
}
