import AgentMemory
import HTTPTypes
import Hummingbird
import MemoryAPI

extension HTTPField.Name {
    static let memoryPosition = HTTPField.Name("X-Memory-Position")!
}

/// Tells clients how far their writes have come, and lets reads that say so go to a copy of the
/// store.
struct ReadPositionMiddleware: RouterMiddleware {
    typealias Context = APIContext

    let store: any ReplicatedStore

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        let given = request.headers[.memoryPosition]
        if let given, !store.isPosition(given) {
            let name = HTTPField.Name.memoryPosition.rawName
            throw ValidationFailure(issues: [
                ValidationIssue(
                    "value_error", at: [.key("header"), .key(name)],
                    "Value error, \(name) must be the value of an earlier response, or 0-0")
            ])
        }
        let position = ReadPosition(required: given)
        var response = try await ReadPosition.$current.withValue(position) { try await next(request, context) }
        // A client that gets none reads from the store itself.
        if position.hasWritten { response.headers[.memoryPosition] = try? await store.position() }
        return response
    }
}
