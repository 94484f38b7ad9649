/// Why there is no response. A response with an error status is not an error here.
public struct HTTPClientError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Code: String, Sendable, CaseIterable {
        /// The name does not resolve, the connection was refused, or it was not established within
        /// the connect timeout.
        case couldNotConnect
        /// The request's timeout passed, its time in the queue included.
        case timedOut
        /// The TLS handshake failed or the certificate was not accepted.
        case tls
        /// The body is larger than the client accepts.
        case tooLarge
        /// The URL cannot be read, or its scheme is not http or https.
        case invalidURL
        /// A header's name or value has a character that would end it, or the timeout is not
        /// positive.
        case invalidRequest
        /// The task was cancelled.
        case cancelled
        /// The limit of waiting requests is reached.
        case queueFull
        /// The client was shut down.
        case shutDown
        /// The connection broke, or the peer does not speak HTTP.
        case other
    }

    public let code: Code
    /// One sentence that names the host at most: never a header, nor the URL's user, password, path
    /// or query.
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { "\(code.rawValue): \(message)" }
}
