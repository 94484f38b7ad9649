import AgentMemory
import Hummingbird
import NIOCore

/// Reads the JSON body of a request.
struct RequestBody: Sendable {
    /// Bytes that a body may have; more is answered with 413.
    let limit: Int

    /// - Throws: ``ValidationFailure`` for a body that is missing or not JSON; ``MemoryError`` with code `invalidCombination` (400) for
    ///   one that is not UTF-8; Hummingbird's error for one that is too large.
    func json(_ request: Request) async throws -> JSONValue {
        let buffer = try await request.body.collect(upTo: limit)
        guard buffer.readableBytes > 0 else {
            throw ValidationFailure(issues: [
                ValidationIssue("missing", at: [.key("body")], "Field required", input: .null)
            ])
        }
        guard Self.isJSON(request.headers[.contentType]) else {
            // FastAPI hands such a body on as one string, which no route takes.
            throw ValidationFailure(issues: [
                ValidationIssue(
                    "model_attributes_type", at: [.key("body")],
                    "Input should be a valid dictionary or object to extract fields from; send it with Content-Type: application/json"
                )
            ])
        }
        do {
            return try JSONValue(parsing: buffer.readableBytesView)
        } catch {
            if error.isEncodingError {
                throw MemoryError(.invalidCombination, "There was an error parsing the body: it is not UTF-8")
            }
            throw ValidationFailure(issues: [
                ValidationIssue(
                    "json_invalid", at: [.key("body"), .index(error.offset)], "JSON decode error", input: [:],
                    context: ["error": .string(error.message)])
            ])
        }
    }

    /// `application/json`, `application/anything+json`, or no type at all.
    private static func isJSON(_ contentType: String?) -> Bool {
        guard let contentType else { return true }
        let type = contentType.prefix { $0 != ";" }.lowercased().filter { $0 != " " }
        return type == "application/json" || (type.hasPrefix("application/") && type.hasSuffix("+json"))
    }
}
