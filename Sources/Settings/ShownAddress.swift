/// The part of a URL or a libpq connection string that may be shown: its parts without their
/// secrets, if every part is understood. Otherwise nothing, because a part that is not understood
/// may be the rest of a password.
public enum ShownAddress {
    /// Replaces a text that is not understood.
    static let notUnderstood = "(set, not shown: unknown form)"

    public static func of(_ text: String) -> String {
        let scalars = text.unicodeScalars[...]
        let shown = scalars.contains("=") && !text.contains("://") ? keywords(scalars) : url(text)
        return shown ?? notUnderstood
    }

    private typealias Text = Substring.UnicodeScalarView

    private static let hidden = "***"

    private static let schemes: Set<String> = [
        "redis", "rediss", "unix", "postgresql", "postgres", "http", "https",
    ]

    /// Parameters whose value may be shown: libpq's, and those of Redis and embedding services.
    private static let plainParameters: Set<String> = [
        "api-version", "application_name", "channel_binding", "client_encoding", "connect_timeout", "db", "dbname",
        "fallback_application_name", "gssdelegation", "gssencmode", "gsslib", "host", "hostaddr", "keepalives",
        "keepalives_count", "keepalives_idle", "keepalives_interval", "krbsrvname", "load_balance_hosts",
        "max_protocol_version", "min_protocol_version", "oauth_client_id", "oauth_issuer", "oauth_scope", "options",
        "passfile", "port", "replication", "require_auth", "requirepeer", "service", "servicefile", "ssl",
        "ssl_max_protocol_version", "ssl_min_protocol_version", "sslcert", "sslcertmode", "sslcompression", "sslcrl",
        "sslcrldir", "sslkey", "sslkeylogfile", "sslmode", "sslnegotiation", "sslrootcert", "sslsni",
        "target_session_attrs", "tcp_user_timeout", "user",
    ]

    /// Parameters that are known to be secrets.
    private static let secretParameters: Set<String> = [
        "oauth_client_secret", "password", "scram_client_key", "scram_server_key", "sslpassword",
    ]

    // MARK: URLs

    private static func url(_ text: String) -> String? {
        guard let colon = text.firstRange(of: "://") else { return nil }
        let scheme = String(text[..<colon.lowerBound])
        guard schemes.contains(scheme) else { return nil }
        var rest = text[colon.upperBound...].unicodeScalars
        // More than one, or one after the authority: something before it should have been escaped.
        guard rest.count(where: { $0 == "@" }) <= 1, !rest.contains("#") else { return nil }
        var query: Text?
        if let mark = rest.firstIndex(of: "?") {
            query = rest[rest.index(after: mark)...]
            rest = rest[..<mark]
        }
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        let path = rest[slash...]
        var authority = rest[..<slash]
        guard !path.contains("@"), query?.contains("@") != true, path.allSatisfy({ isPlain($0) || $0 == "/" }) else {
            return nil
        }
        var shown = "\(scheme)://"
        if let at = authority.firstIndex(of: "@") {
            shown += "\(user(authority[..<at]))@"
            authority = authority[authority.index(after: at)...]
        }
        guard isHosts(authority, scheme), isPath(path, scheme) else { return nil }
        shown += String(authority) + String(path)
        if let query {
            guard let parameters = parameters(query) else { return nil }
            shown += "?\(parameters)"
        }
        return shown
    }

    /// A single word may be a name, a token, or a name and a password whose colon is missing.
    private static func user(_ text: Text) -> String {
        guard let colon = text.firstIndex(of: ":") else { return hidden }
        let name = text[..<colon]
        return "\(name.allSatisfy(isPlain) ? String(name) : hidden):\(hidden)"
    }

    /// In a Redis URL this is only the number of a database.
    private static func isPath(_ text: Text, _ scheme: String) -> Bool {
        !scheme.hasPrefix("redis") || text.dropFirst().allSatisfy { ("0"..."9").contains($0) }
    }

    private static func isHosts(_ text: Text, _ scheme: String) -> Bool {
        if text.isEmpty { return scheme == "unix" || scheme.hasPrefix("postgres") }
        return text.split(separator: ",", omittingEmptySubsequences: false).allSatisfy(isHost)
    }

    private static func isHost(_ text: Text) -> Bool {
        var name = text
        if text.first == "[" {
            guard let end = text.firstIndex(of: "]"),
                text[..<end].dropFirst().allSatisfy({ $0.properties.isASCIIHexDigit || $0 == ":" || $0 == "." })
            else { return false }
            name = text[text.index(after: end)...]
            if name.isEmpty { return true }
            guard name.first == ":" else { return false }
        }
        let colon = name.firstIndex(of: ":") ?? name.endIndex
        // Only the folder of a socket may be escaped in the place of a host.
        let host = String(name[..<colon]).replacing("%2F", with: "").replacing("%2f", with: "")
        guard host.unicodeScalars.allSatisfy(isPlain) else { return false }
        guard colon < name.endIndex else { return true }
        return Int(String(name[colon...].dropFirst())).map { (1...65_535).contains($0) } ?? false
    }

    private static func parameters(_ query: Text) -> String? {
        var shown: [String] = []
        for parameter in query.split(separator: "&", omittingEmptySubsequences: false) {
            guard let equals = parameter.firstIndex(of: "=") else { return nil }
            let value = parameter[parameter.index(after: equals)...]
            guard !value.contains("="), let part = assignment(String(parameter[..<equals]), value) else { return nil }
            shown.append(part)
        }
        return shown.joined(separator: "&")
    }

    private static func assignment(_ name: String, _ value: Text) -> String? {
        if secretParameters.contains(name) { return "\(name)=\(hidden)" }
        guard plainParameters.contains(name) else { return nil }
        return "\(name)=\(value.allSatisfy(isPlainInValue) ? String(value) : hidden)"
    }

    // MARK: libpq's keywords

    /// `name = value` pairs with blanks between them; values with blanks in single quotes, with
    /// backslashes as escapes.
    private static func keywords(_ text: Text) -> String? {
        var shown: [String] = []
        var rest = text.drop(while: isBlank)
        while !rest.isEmpty {
            let name = rest.prefix { !isBlank($0) && $0 != "=" }
            rest = rest[name.endIndex...].drop(while: isBlank)
            guard rest.first == "=" else { return nil }
            rest = rest.dropFirst().drop(while: isBlank)
            guard let value = value(&rest), let part = assignment(String(name), value.unicodeScalars[...]) else {
                return nil
            }
            shown.append(part)
            rest = rest.drop(while: isBlank)
        }
        return shown.joined(separator: " ")
    }

    private static func value(_ rest: inout Text) -> String? {
        let isQuoted = rest.first == "'"
        if isQuoted { rest = rest.dropFirst() }
        var value = String.UnicodeScalarView()
        while let scalar = rest.first {
            if isQuoted ? scalar == "'" : isBlank(scalar) { break }
            rest = rest.dropFirst()
            guard scalar == "\\" else {
                value.append(scalar)
                continue
            }
            guard let escaped = rest.first else { return nil }
            value.append(escaped)
            rest = rest.dropFirst()
        }
        guard isQuoted else { return String(value) }
        guard rest.first == "'" else { return nil }
        rest = rest.dropFirst()
        // libpq would read on, but a value that continues after its quote is a mistake.
        return rest.first.map(isBlank) ?? true ? String(value) : nil
    }

    // MARK: Characters

    private static func isBlank(_ scalar: Unicode.Scalar) -> Bool {
        " \t\n\r\u{B}\u{C}".unicodeScalars.contains(scalar)
    }

    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "A"..."Z", "a"..."z", "0"..."9", "-", "_", ".", "~": true
        default: false
        }
    }

    private static func isPlainInValue(_ scalar: Unicode.Scalar) -> Bool {
        isPlain(scalar) || "/,:+".unicodeScalars.contains(scalar)
    }
}
