import AgentMemory
import HTTPTypes
import Hummingbird
import MemoryAPI

/// The inputs of a request that a route uses. Other inputs that would narrow or guard the request
/// are refused, because ignoring them would do more than the client asked for.
struct RouteInputs: Sendable {
    var query = ParameterNames()
    var takesBody = false
    /// Whether the route evaluates If-Match and If-None-Match.
    var takesConditions = false
    /// What the caller must be permitted to do; checked before the body is read.
    var right: Caller.Rights = .read
    /// Whether a copy of the store may answer; not where a read decides what is written.
    var permitsCopies = false

    /// - Throws: ``ValidationFailure`` that names the inputs that the route does not have.
    private func check(_ request: Request) async throws -> QueryParameters {
        let issues = IssueList()
        let ignored: [HTTPField.Name] = takesConditions ? [] : [.ifMatch, .ifNoneMatch]
        for name in ignored + [.ifUnmodifiedSince] where request.headers[name] != nil {
            issues.add(
                ValidationIssue(
                    "value_error", at: [.key("header"), .key(name.rawName)],
                    "Value error, this route does not support \(name.rawName)"))
        }
        if !takesBody, try await Self.hasBody(request) {
            issues.add(ValidationIssue("extra_forbidden", at: [.key("body")], "This route does not accept a body"))
        }
        try issues.check()
        return try QueryParameters(request.rawQuery, expecting: query)
    }

    /// Checks a request, waits for its body, and makes the call for its handler.
    ///
    /// - Parameter bodyLimit: bytes that a request body may have; `nil` leaves the body to the
    ///   handler.
    /// - Throws: as ``check(_:)`` and ``RequestBody/init(of:upTo:)``; ``MemoryError`` with code
    ///   `forbidden`.
    func call(_ request: Request, _ context: APIContext, bodyLimit: Int?) async throws -> RouteCall {
        try context.caller.require(right)
        let query = try await check(request)
        guard takesBody, let bodyLimit else {
            return RouteCall(request: request, context: context, query: query, body: nil)
        }
        let body = try await RequestBody(of: request, upTo: bodyLimit)
        return RouteCall(request: request, context: context, query: query, body: body)
    }

    private static func hasBody(_ request: Request) async throws -> Bool {
        if let length = request.headers[.contentLength] { return Int(length) != 0 }
        guard request.headers[.transferEncoding] != nil else { return false }
        for try await chunk in request.body where chunk.readableBytes > 0 { return true }
        return false
    }
}

/// A request whose route is known and whose inputs have been checked.
struct RouteCall: Sendable {
    let request: Request
    let context: APIContext
    let query: QueryParameters
    fileprivate let body: RequestBody?

    /// The body as JSON.
    ///
    /// - Throws: as ``RequestBody/json()``.
    func json() throws -> JSONValue {
        guard let json = try jsonIfAny() else {
            throw ValidationFailure(issues: [
                ValidationIssue("missing", at: [.key("body")], "Field required", input: .null)
            ])
        }
        return json
    }

    /// The body as JSON; `nil` for a request without one, and once it has been read.
    ///
    /// - Throws: as ``RequestBody/json()``.
    func jsonIfAny() throws -> JSONValue? {
        try body?.json()
    }

    /// The id at the end of the path, decoded.
    ///
    /// - Parameters:
    ///   - name: the name in errors.
    ///   - action: the part after the id in the path, such as `/messages`.
    /// - Throws: ``ValidationFailure`` if it is not percent-encoded UTF-8.
    func id(_ name: String, before action: String = "") throws -> String {
        let raw = request.resource.dropLast(action.utf8.count)
        guard let id = percentDecoded(raw.utf8) else {
            throw ValidationFailure(issues: [
                ValidationIssue(
                    "string_unicode", at: [.key("path"), .key(name)], "\(name) should be percent-encoded UTF-8",
                    input: .string(String(raw)))
            ])
        }
        return id
    }
}

extension Request {
    /// The part after the first `?` of the request's target, still encoded.
    fileprivate var rawQuery: Substring {
        Substring(uri.string[...].utf8.drop { $0 != UInt8(ascii: "?") }.dropFirst())
    }

    /// The part after the collection in the path (`/v1/<collection>/`), still encoded, slashes
    /// included: the reference's Python client does not encode those of ids. One slash at the end
    /// does not count.
    var resource: Substring {
        let slash = UInt8(ascii: "/")
        var rest = uri.path[...].utf8
        for _ in 0..<2 { rest = rest.drop { $0 == slash }.drop { $0 != slash } }
        rest = rest.dropFirst()
        return Substring(rest.last == slash ? rest.dropLast() : rest)
    }
}
