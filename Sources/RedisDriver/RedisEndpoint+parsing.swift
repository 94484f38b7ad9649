extension RedisEndpoint {
    /// Reads `redis://[user[:password]@]host[:port][/database]`, `rediss://` (TLS) and
    /// `unix://[user:password@]/path` (also spelt `redis+unix://`), all with percent-encoding and
    /// with the query parameters that redis-py knows: `db`, `client_name`, `ssl_cert_reqs` (none,
    /// optional, required), `ssl_check_hostname`, `ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile`.
    /// Parameters that only tune redis-py are accepted and have no effect.
    ///
    /// - Throws: ``RedisError`` with code `invalidEndpoint`, or `unsupportedServer` for clusters
    ///   and sentinels. Its text never shows the URL, which contains the password.
    public init(url: String) throws(RedisError) {
        guard let colon = url.range(of: "://") else {
            throw Self.invalid("begins with redis://, rediss:// or unix://")
        }
        let scheme = url[..<colon.lower].lowercased()
        var rest = url[colon.upper...]
        var parameters: [(name: String, value: String)] = []
        if let fragment = rest.firstIndex(of: "#") { rest = rest[..<fragment] }
        if let question = rest.firstIndex(of: "?") {
            let query = rest[rest.index(after: question)...]
            // Then the question mark is part of a password, and the rest of it must not be shown as
            // a parameter's name.
            guard !query.contains("@") else {
                throw Self.invalid("writes ?, # and @ as %3F, %23 and %40 in credentials")
            }
            parameters = try Self.parameters(of: query)
            rest = rest[..<question]
        }
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        // A password that was not encoded may contain an @, never a /.
        var authority = rest[..<slash]
        let path = rest[slash...]
        var user: String?
        var password: String?
        if let at = authority.lastIndex(of: "@") {
            let credentials = authority[..<at]
            authority = authority[authority.index(after: at)...]
            let split = credentials.firstIndex(of: ":") ?? credentials.endIndex
            user = try Self.decoded(credentials[..<split], "user")
            if split < credentials.endIndex {
                password = try Self.decoded(credentials[credentials.index(after: split)...], "password")
            }
        }

        switch scheme {
        case "redis", "rediss":
            let (host, port) = try Self.hostAndPort(authority)
            self.init(.tcp(host: host, port: port), tls: scheme == "rediss" ? TLS() : nil)
            let name = path.drop { $0 == "/" }
            if !name.isEmpty { database = try Self.database(String(name)) }
        case "unix", "redis+unix", "redis-socket":
            guard authority.isEmpty, path.count > 1 else {
                throw Self.invalid("for a Unix socket has the form unix:///path/to/socket")
            }
            self.init(.unixSocket(path: try Self.decoded(path, "path")))
        case _ where scheme.contains("cluster"):
            throw RedisError(
                .unsupportedServer, "Redis Cluster is not supported: give the URL of a single Redis server")
        case _ where scheme.contains("sentinel"):
            throw RedisError(
                .unsupportedServer, "Redis Sentinel is not supported: give the URL of the Redis server itself")
        default:
            throw Self.invalid("begins with redis://, rediss:// or unix://")
        }
        self.user = user?.isEmpty == false ? user : nil
        self.password = password?.isEmpty == false ? password : nil
        if self.user != nil, self.password == nil {
            throw Self.invalid("has a user but no password; a password alone is written redis://:password@host")
        }
        for (name, value) in parameters { try apply(name, value) }
    }

    private mutating func apply(_ name: String, _ value: String) throws(RedisError) {
        if name.hasPrefix("ssl_"), tls == nil {
            throw Self.invalid("has the parameter \(name), which needs rediss://")
        }
        switch name {
        case "db": database = try Self.database(value)
        case "client_name": clientName = value
        case "ssl_cert_reqs":
            switch value.lowercased() {
            case "none", "cert_none": tls?.verification = .none
            case "optional", "cert_optional": tls?.verification = .withoutHostname
            case "required", "cert_required": if tls?.verification == .some(.none) { tls?.verification = .full }
            default: throw Self.invalid("has ssl_cert_reqs, which is one of none, optional, required")
            }
        case "ssl_check_hostname":
            switch value.lowercased() {
            case "true", "1", "yes": break
            case "false", "0", "no": if tls?.verification == .full { tls?.verification = .withoutHostname }
            default: throw Self.invalid("has ssl_check_hostname, which is true or false")
            }
        case "ssl_ca_certs": tls?.authorities = value
        case "ssl_certfile": tls?.certificate = value
        case "ssl_keyfile": tls?.key = value
        case "protocol", "decode_responses", "encoding", "health_check_interval", "retry_on_timeout", "max_connections",
            "socket_timeout", "socket_connect_timeout", "socket_keepalive":
            break
        default:
            throw Self.invalid("has a query parameter that is not known: \(name.prefix(40))")
        }
    }

    private static func invalid(_ what: String) -> RedisError {
        RedisError(.invalidEndpoint, "a Redis URL \(what)")
    }

    private static func hostAndPort(_ authority: Substring) throws(RedisError) -> (String, Int) {
        guard !authority.contains(",") else {
            throw RedisError(
                .unsupportedServer,
                "several Redis hosts in one URL (Cluster, Sentinel) are not supported: give one server")
        }
        var host = authority
        var portText = Substring()
        if authority.first == "[" {
            guard let end = authority.firstIndex(of: "]") else { throw invalid("has an IPv6 address without its ]") }
            host = authority[authority.index(after: authority.startIndex)..<end]
            portText = authority[authority.index(after: end)...]
            guard portText.isEmpty || portText.first == ":" else { throw invalid("has text between ] and the port") }
            portText = portText.dropFirst()
        } else if let colon = authority.lastIndex(of: ":") {
            host = authority[..<colon]
            portText = authority[authority.index(after: colon)...]
            guard !host.contains(":") else { throw invalid("writes an IPv6 address in brackets") }
        }
        var port = 6379
        if !portText.isEmpty {
            guard let number = number(portText), (1...65_535).contains(number) else {
                throw invalid("has a port between 1 and 65535")
            }
            port = number
        }
        let name = try decoded(host, "host")
        return (name.isEmpty ? "localhost" : name, port)
    }

    private static func database(_ text: String) throws(RedisError) -> Int {
        guard let number = number(text[...]) else { throw invalid("has a database number from 0 on") }
        return number
    }

    /// A number of digits only, without a sign.
    private static func number(_ text: Substring) -> Int? {
        text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? Int(text) : nil
    }

    private static func parameters(of query: Substring) throws(RedisError) -> [(name: String, value: String)] {
        var result: [(name: String, value: String)] = []
        for pair in query.split(separator: "&") {
            let equals = pair.firstIndex(of: "=") ?? pair.endIndex
            let value = equals < pair.endIndex ? pair[pair.index(after: equals)...] : ""
            result.append((try decoded(pair[..<equals], "query"), try decoded(value, "query")))
        }
        return result
    }

    private static func decoded(_ text: some StringProtocol, _ part: String) throws(RedisError) -> String {
        var bytes: [UInt8] = []
        var input = text.utf8.makeIterator()
        while let byte = input.next() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = input.next().flatMap(hexDigit), let low = input.next().flatMap(hexDigit) else {
                throw invalid("has a % in its \(part) that is not followed by two hex digits (write %25)")
            }
            bytes.append(high << 4 | low)
        }
        guard let decoded = String(validating: bytes, as: UTF8.self) else { throw invalid("is UTF-8 in its \(part)") }
        return decoded
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

extension String {
    /// The first occurrence of `text`.
    fileprivate func range(of text: String) -> (lower: Index, upper: Index)? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return (start, index(start, offsetBy: text.count)) }
            start = index(after: start)
        }
        return nil
    }
}
