import AgentMemory
import HTTPTypes
import Hummingbird
import MemoryAPI
import NIOCore
import Synchronization

/// The JSON body of a request, complete.
final class RequestBody: Sendable {
    private let headers: HTTPFields
    private let unread: Mutex<ByteBuffer>

    /// Waits for the whole body.
    ///
    /// - Parameter limit: bytes that a body may have.
    /// - Throws: Hummingbird's error (413) for one that is larger.
    init(of request: Request, upTo limit: Int) async throws {
        headers = request.headers
        unread = Mutex(try await request.body.collect(upTo: limit))
    }

    /// Reads UTF-8, with or without a byte order mark.
    ///
    /// - Returns: `nil` for an empty body, and for one that was read before.
    /// - Throws: ``ValidationFailure`` for a body that is not JSON; ``UnsupportedBody`` for one in
    ///   another encoding; ``MemoryError`` with code `invalidCombination` (400) for one that is not
    ///   UTF-8.
    func json() throws -> JSONValue? {
        // The bytes are not kept while what is made of them is in work.
        let buffer = unread.withLock { unread in
            defer { unread = ByteBuffer() }
            return unread
        }
        guard buffer.readableBytes > 0 else { return nil }
        guard Self.isJSON(headers[.contentType]) else {
            // FastAPI passes such a body on as one string, which no route accepts.
            throw ValidationFailure(issues: [
                ValidationIssue(
                    "model_attributes_type", at: [.key("body")],
                    "Input should be a valid dictionary or object to extract fields from; send it with Content-Type: application/json"
                )
            ])
        }
        var bytes = buffer.readableBytesView
        try Self.checkEncoding(bytes, headers)
        let mark = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        bytes = bytes.dropFirst(mark)
        do {
            return try JSONValue(parsing: bytes, repeatedNames: .refused)
        } catch {
            if error.isEncodingError {
                throw MemoryError(.invalidCombination, "There was an error parsing the body: it is not UTF-8")
            }
            throw ValidationFailure(issues: [
                ValidationIssue(
                    "json_invalid", at: [.key("body"), .index(mark + error.offset)], "JSON decode error", input: [:],
                    context: ["error": .string(error.message)])
            ])
        }
    }

    /// - Throws: ``UnsupportedBody``.
    private static func checkEncoding(_ bytes: ByteBufferView, _ headers: HTTPFields) throws {
        if let coding = headers[.contentEncoding], coding.lowercased() != "identity" {
            throw UnsupportedBody("the body has the Content-Encoding \(coding); send it without one")
        }
        let charset = headers[.contentType]?.split(separator: ";").dropFirst().lazy
            .map { $0.lowercased().filter { $0 != " " && $0 != "\t" && $0 != "\"" } }
            .first { $0.hasPrefix("charset=") }?.dropFirst("charset=".count)
        if let charset, !["utf-8", "utf8", "us-ascii"].contains(charset) {
            throw UnsupportedBody("the body has the charset \(charset); send it in UTF-8")
        }
        // A JSON text in UTF-8 starts with none of these, and has no NUL among its first two bytes.
        if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) || bytes.prefix(2).contains(0) {
            throw UnsupportedBody("the body is in UTF-16 or UTF-32; send it in UTF-8")
        }
    }

    /// `application/json`, `application/anything+json`, or no type at all.
    private static func isJSON(_ contentType: String?) -> Bool {
        guard let contentType else { return true }
        let type = contentType.prefix { $0 != ";" }.lowercased().filter { $0 != " " }
        return type == "application/json" || (type.hasPrefix("application/") && type.hasSuffix("+json"))
    }
}

/// A body in an encoding that the server does not read: 415.
struct UnsupportedBody: Error {
    let message: String

    init(_ message: String) {
        self.message = message
    }
}
