import CCurl

/// An absolute http or https URL, read by the parser that also makes the request, so that the check
/// and the request agree.
public struct HTTPURL: Sendable, Equatable, CustomStringConvertible {
    /// `http` or `https`.
    public let scheme: String
    /// The user name and password as they are written, if there are any.
    public let userInfo: String?
    /// Lower-case; an IPv6 address keeps its brackets.
    public let host: String
    /// `nil` for the scheme's own.
    public let port: Int?
    /// Starts with a slash.
    public var path: String
    /// Without the question mark.
    public var query: String?

    /// - Throws: ``HTTPClientError`` with code `invalidURL`; its message does not repeat the text.
    public init(_ text: String) throws(HTTPClientError) {
        guard let handle = curl_url() else { throw HTTPClientError(.invalidURL, "the URL could not be read") }
        defer { curl_url_cleanup(handle) }
        let status = curl_url_set(handle, CURLUPART_URL, text, UInt32(CURLU_NON_SUPPORT_SCHEME))
        guard status == CURLUE_OK else {
            throw HTTPClientError(.invalidURL, "the URL is malformed: \(String(cString: curl_url_strerror(status)))")
        }
        func part(_ part: CURLUPart) -> String? {
            var value: UnsafeMutablePointer<CChar>?
            guard curl_url_get(handle, part, &value, 0) == CURLUE_OK, let value else { return nil }
            defer { curl_free(value) }
            return String(cString: value)
        }
        guard let scheme = part(CURLUPART_SCHEME), scheme == "http" || scheme == "https" else {
            throw HTTPClientError(.invalidURL, "the URL's scheme is neither http nor https")
        }
        guard let host = part(CURLUPART_HOST), !host.isEmpty else {
            throw HTTPClientError(.invalidURL, "the URL names no host")
        }
        self.scheme = scheme
        self.host = host.lowercased()
        if let user = part(CURLUPART_USER) {
            userInfo = part(CURLUPART_PASSWORD).map { "\(user):\($0)" } ?? user
        } else {
            userInfo = nil
        }
        port = part(CURLUPART_PORT).flatMap { Int($0) }
        path = part(CURLUPART_PATH) ?? "/"
        query = part(CURLUPART_QUERY)
    }

    /// The whole URL, credentials included: for requests, not for messages.
    public var text: String {
        var text = "\(scheme)://"
        if let userInfo { text += "\(userInfo)@" }
        text += authority + path
        if let query { text += "?\(query)" }
        return text
    }

    /// The host, and the port if it is written: safe to show.
    public var authority: String { port.map { "\(host):\($0)" } ?? host }

    /// The part that is safe to show.
    public var description: String { "\(scheme)://\(authority)" }
}
