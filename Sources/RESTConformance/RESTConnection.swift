import AgentMemory
import HTTPClient

/// Requests to one server of the REST API.
struct RESTConnection: Sendable {
    struct Answer: Sendable {
        let status: Int
        /// `nil` where the body is not JSON.
        let body: JSONValue?
    }

    /// The base URL of the API, without a slash at its end.
    let origin: HTTPURL
    private let token: String?
    private let timeout: Duration
    private let client = HTTPClient()

    /// - Throws: ``MemoryError`` with code `misconfigured` for an invalid URL.
    init(url: String, token: String?, timeout: Duration) throws(MemoryError) {
        do throws(HTTPClientError) {
            var origin = try HTTPURL(url)
            while origin.path.hasSuffix("/") { origin.path.removeLast() }
            origin.query = nil
            self.origin = origin
        } catch {
            throw MemoryError(.misconfigured, error.message)
        }
        self.token = token
        self.timeout = timeout
    }

    private init(sameServerAs other: RESTConnection) {
        origin = other.origin
        token = other.token
        timeout = other.timeout
    }

    /// The same server over TCP connections of its own.
    func reopened() -> RESTConnection { RESTConnection(sameServerAs: self) }

    func close() async { await client.shutdown() }

    /// The response, with any status.
    ///
    /// - Parameters:
    ///   - path: from `/v1` on, with its query.
    ///   - body: sent unchanged as `application/json`.
    /// - Throws: ``MemoryError`` if there is no response: `storeUnavailable`, `timedOut`,
    ///   `misconfigured`.
    func send(_ method: HTTPClient.Method, _ path: String, body: [UInt8]? = nil) async throws -> Answer {
        var headers: HTTPHeaders = [:]
        if body != nil { headers.append("Content-Type", "application/json") }
        if let token { headers.append("Authorization", "Bearer \(token)") }
        let request = HTTPClient.Request(
            method: method, url: origin.text + path, headers: headers, body: body ?? [], timeout: timeout)
        do throws(HTTPClientError) {
            let response = try await client.send(request)
            return Answer(status: response.status, body: try? JSONValue(parsing: response.body))
        } catch {
            throw Self.failure(error)
        }
    }

    /// The body of a response with status 200.
    ///
    /// - Throws: ``MemoryError`` by the rules of ``Answer/failure``.
    func call(_ method: HTTPClient.Method, _ path: String, _ body: JSONValue? = nil) async throws -> JSONValue {
        let answer = try await send(method, path, body: body.map { Array($0.jsonText.utf8) })
        guard answer.status == 200 else { throw answer.failure }
        guard let body = answer.body else {
            throw MemoryError(.internalError, "\(method.rawValue) \(path) got status 200 with a body that is not JSON")
        }
        return body
    }

    private static func failure(_ error: HTTPClientError) -> any Error {
        switch error.code {
        case .cancelled: CancellationError()
        case .timedOut: MemoryError(.timedOut, error.message)
        case .couldNotConnect, .tls, .queueFull, .shutDown, .other: MemoryError(.storeUnavailable, error.message)
        case .invalidURL, .invalidRequest: MemoryError(.misconfigured, error.message)
        case .tooLarge: MemoryError(.internalError, error.message)
        }
    }
}

extension RESTConnection.Answer {
    /// The error of a response with a status other than 200, as a backend called directly would
    /// throw it.
    var failure: MemoryError {
        let entry = body?["detail"]?.arrayValue?.first
        let detail = body?["detail"]?.stringValue ?? entry?["msg"]?.stringValue ?? "status \(status)"
        switch status {
        case 422:
            // A missing capability has the same status as bad input; only the message distinguishes
            // them.
            return MemoryError(detail.contains("not support") ? .unsupported : .invalidInput, detail, path: path(entry))
        case 413: return MemoryError(.invalidInput, detail)
        case 400: return MemoryError(.invalidCombination, detail)
        case 401, 403: return MemoryError(.misconfigured, "the server asks for authentication: \(detail)")
        case 404: return MemoryError(.notFound, detail)
        case 501: return MemoryError(.unsupported, detail)
        case 502, 503, 504:
            if detail.contains("embedding") { return MemoryError(.embeddingFailed, detail) }
            let ranOut = ["in time", "out of time", "too long", "deadline", "timed out"].contains(
                where: detail.contains)
            return MemoryError(ranOut ? .timedOut : .storeUnavailable, detail)
        default: return MemoryError(.internalError, "the server responded with \(status): \(detail)")
        }
    }

    /// The place of the value at fault in the body.
    private func path(_ entry: JSONValue?) -> [MemoryError.PathComponent] {
        (entry?["loc"]?.arrayValue ?? []).dropFirst().compactMap { step in
            step.stringValue.map { .key($0) } ?? step.intValue.map { .index($0) }
        }
    }
}
