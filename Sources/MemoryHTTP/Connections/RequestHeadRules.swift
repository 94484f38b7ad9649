import NIOHTTP1

/// The rules for the head of every request, independent of its route.
struct RequestHeadRules {
    let limits: ConnectionLimits

    /// How the body of a request is delimited.
    enum BodyLength: Equatable {
        case none
        case known(Int)
        case chunked
    }

    /// - Throws: ``Rejection`` with the response to a head that breaks a rule.
    func bodyLength(of head: HTTPRequestHead) throws(Rejection) -> BodyLength {
        let hosts = head.headers["Host"]
        guard hosts.count <= 1 else { throw Rejection(.badRequest, "the request has more than one Host") }
        guard head.version == .http1_0 || hosts.count == 1 else {
            throw Rejection(.badRequest, "the request has no Host, which HTTP/1.1 needs")
        }
        guard head.method != .CONNECT else {
            throw Rejection(
                .methodNotAllowed, "the server is not a proxy: CONNECT is not allowed",
                fields: [("Allow", "DELETE, GET, HEAD, PATCH, POST, PUT")])
        }
        let length = try framing(of: head)
        if case .known(let bytes) = length, bytes > bodyLimit(of: head) {
            throw Rejection(.bodyTooLarge(limits))
        }
        if length != .none, length != .known(0) {
            let codings = head.headers[canonicalForm: "Content-Encoding"].filter { $0.lowercased() != "identity" }
            guard codings.isEmpty else {
                throw Rejection(
                    .unsupportedMediaType, "a Content-Encoding is not supported; send the body without one",
                    fields: [("Accept-Encoding", "identity")])
            }
        }
        guard head.version == .http1_0 || expectations(of: head).allSatisfy({ $0 == "100-continue" }) else {
            throw Rejection(.expectationFailed, "of the expectations only 100-continue is supported")
        }
        return length
    }

    /// Bytes that the body may have; as many as it wants where it is read as it arrives.
    func bodyLimit(of head: HTTPRequestHead) -> Int {
        head.method == .POST && StreamedBody.isStreamed(head.uri) ? .max : limits.bodyBytes
    }

    /// Whether the client waits for an interim response before it sends the body. HTTP/1.0 does not
    /// have it.
    func awaitsContinue(_ head: HTTPRequestHead) -> Bool {
        head.version != .http1_0 && !expectations(of: head).isEmpty
    }

    /// Whether the connection ends after the response.
    func closes(_ head: HTTPRequestHead) -> Bool {
        head.version == .http1_0 || tokens(of: head, "Connection").contains("close")
    }

    /// Whether the client would continue with another protocol.
    func offersProtocol(_ head: HTTPRequestHead) -> Bool {
        head.method == .CONNECT || head.headers.contains(name: "Upgrade")
    }

    private func framing(of head: HTTPRequestHead) throws(Rejection) -> BodyLength {
        let lengths = head.headers["Content-Length"]
        if head.headers.contains(name: "Transfer-Encoding") {
            guard head.version != .http1_0 else {
                throw Rejection(.badRequest, "HTTP/1.0 has no Transfer-Encoding")
            }
            guard lengths.isEmpty else {
                throw Rejection(.badRequest, "the request has both Content-Length and Transfer-Encoding")
            }
            // Treating "gzip, chunked" as "chunked" would read compressed bytes as the body.
            guard tokens(of: head, "Transfer-Encoding") == ["chunked"] else {
                throw Rejection(.notImplemented, "of the transfer codings only chunked is supported")
            }
            return .chunked
        }
        guard let text = lengths.first else { return .none }
        guard lengths.count == 1, let length = Int(text), length >= 0 else {
            throw Rejection(.badRequest, "the Content-Length of the request cannot be used")
        }
        return .known(length)
    }

    private func expectations(of head: HTTPRequestHead) -> [String] { tokens(of: head, "Expect") }

    private func tokens(of head: HTTPRequestHead, _ name: String) -> [String] {
        head.headers[canonicalForm: name].map { $0.lowercased() }
    }

    /// Carries a ``Refusal`` out of a check.
    struct Rejection: Error {
        let refusal: Refusal

        init(_ refusal: Refusal) { self.refusal = refusal }

        init(_ status: HTTPResponseStatus, _ detail: String, fields: [(String, String)] = []) {
            refusal = Refusal(status: status, detail: detail, fields: fields)
        }
    }
}
