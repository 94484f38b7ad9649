extension HTTPClient {
    public enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
        case put = "PUT"
        case patch = "PATCH"
        case delete = "DELETE"
    }

    public struct Request: Sendable {
        public var method: Method
        /// Absolute, http or https.
        public var url: String
        public var headers: HTTPHeaders
        /// Never sent with `get`; an empty body is sent as such with `post`, `put` and `patch`.
        public var body: [UInt8]
        /// From the call to the last byte of the body, the time in the queue included. Default: 30
        /// s.
        public var timeout: Duration

        public init(
            method: Method = .get, url: String, headers: HTTPHeaders = [:], body: [UInt8] = [],
            timeout: Duration = .seconds(30)
        ) {
            self.method = method
            self.url = url
            self.headers = headers
            self.body = body
            self.timeout = timeout
        }
    }

    public struct Response: Sendable {
        /// Any status, 3xx included: redirects are not followed, because they could send
        /// credentials elsewhere.
        public let status: Int
        public let headers: HTTPHeaders
        /// As it was sent: no content coding is requested.
        public let body: [UInt8]
    }
}
