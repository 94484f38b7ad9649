import MemoryAPI
import NIOCore
import NIOHTTP1

/// A response of the HTTP layer itself, after which the connection is closed.
struct Refusal: Equatable {
    let status: HTTPResponseStatus
    let detail: String
    /// Header fields in addition to those of every refusal.
    var fields: [(String, String)] = []

    static func == (one: Refusal, other: Refusal) -> Bool {
        one.status == other.status && one.detail == other.detail
    }

    /// `{"detail": text}`, as all errors of the API.
    var body: ByteBuffer {
        ByteBuffer(bytes: ErrorResponse.detail(detail).bytes)
    }

    func head(contentLength: Int) -> HTTPResponseHead {
        HTTPResponseHead(
            version: .http1_1, status: status,
            headers: HTTPHeaders(
                [
                    ("Content-Type", "application/json"), ("Content-Length", "\(contentLength)"),
                    ("Connection", "close"),
                ] + fields))
    }
}

extension Refusal {
    static func bodyTooLarge(_ limits: ConnectionLimits) -> Refusal {
        Refusal(
            status: .payloadTooLarge,
            detail:
                "the request body is larger than the server allows, \(limits.bodyBytes) bytes (\(limits.names.bodyBytes))"
        )
    }

    static func headTooSlow(_ limits: ConnectionLimits) -> Refusal {
        Refusal(
            status: .requestTimeout,
            detail: "the head of the request did not arrive in time (\(limits.names.headTimeout))")
    }

    static func bodyTooSlow(_ limits: ConnectionLimits) -> Refusal {
        Refusal(
            status: .requestTimeout, detail: "the body of the request arrived too slowly (\(limits.names.bodyTimeout))")
    }

    static let shuttingDown = Refusal(
        status: .serviceUnavailable, detail: "the server is shutting down", fields: [("Retry-After", "1")])

    /// - Parameter isInRequestLine: whether the part of the head that was too long is its first
    ///   line.
    init(_ error: HTTPParserError, isInRequestLine: Bool, _ limits: ConnectionLimits) {
        let limit = "\(limits.headBytes) bytes"
        let name = limits.names.headBytes
        switch error {
        case .headerOverflow:
            self =
                isInRequestLine
                ? Refusal(
                    status: .uriTooLong,
                    detail: "the URL is longer than the server allows, \(limit) (\(name))")
                : Refusal(
                    status: .requestHeaderFieldsTooLarge,
                    detail:
                        "the head of the request is larger than the server allows, \(limit) or \(RequestDecoder.maximumFields) fields (\(name))"
                )
        case .invalidVersion:
            self = Refusal(status: .httpVersionNotSupported, detail: "the server speaks HTTP/1.1 and HTTP/1.0")
        case .invalidEOFState, .closedConnection:
            self = Refusal(status: .badRequest, detail: "the connection ended within the request")
        case .invalidContentLength, .unexpectedContentLength:
            self = Refusal(status: .badRequest, detail: "the Content-Length of the request cannot be used")
        case .invalidChunkSize:
            self = Refusal(status: .badRequest, detail: "a chunk of the request body has no valid size")
        default:
            self = Refusal(status: .badRequest, detail: "the request is not valid HTTP")
        }
    }
}
