import CPostgres

/// A connection string as libpq reads it. It is checked for errors that libpq would report too
/// late, and for secrets that libpq would misread and repeat in its messages.
struct ConnectionString: Sendable {
    let text: String
    /// Secrets that must not appear in messages.
    let password: String?
    /// Whether there may be several addresses to try.
    let mayHaveSeveralAddresses: Bool
    /// Whether several hosts are named without `target_session_attrs`, which says which of them are
    /// meant.
    let leavesHostOpen: Bool

    /// - Throws: ``PostgresError`` with code `invalidConfiguration`; its message does not repeat
    ///   values of the string.
    init(_ text: String) throws(PostgresError) {
        self.text = text
        try Self.checkCredentials(of: text)
        let values = try Self.values(of: text)
        try Self.check(values)
        password = values["password"]
        let hosts = values["hostaddr"] ?? values["host"] ?? ""
        let namesSeveral = hosts.contains(",")
        mayHaveSeveralAddresses = namesSeveral || Self.isName(hosts)
        leavesHostOpen =
            namesSeveral && values["target_session_attrs"] == nil && values["service"] == nil
            && !Self.environmentChoosesHost
    }

    /// Whether `PGTARGETSESSIONATTRS`, or the service that `PGSERVICE` names, selects among several
    /// hosts.
    private static var environmentChoosesHost: Bool {
        guard let options = PQconndefaults() else { return false }
        defer { PQconninfoFree(options) }
        var option = options
        while let keyword = option.pointee.keyword {
            if String(cString: keyword) == "target_session_attrs" {
                return option.pointee.val.map { String(cString: $0) != "any" } ?? false
            }
            option += 1
        }
        return false
    }

    private static let schemes = ["postgresql://", "postgres://"]

    /// libpq ends the user and the password of a URL at the first `@` or `/`. The rest counts as
    /// the host, the port or the database, which messages show.
    private static func checkCredentials(of text: String) throws(PostgresError) {
        guard var rest = afterScheme(text) else { return }
        if let end = rest.firstIndex(where: { $0 == "@" || $0 == "/" }), rest[end] == "@" {
            rest = rest[rest.index(after: end)...]
        }
        guard rest.prefix(while: { $0 != "?" }).contains("@") else { return }
        throw refusal("has more than one @: in a user name or password, write @ as %40, / %2F and : %3A")
    }

    private static func afterScheme(_ text: String) -> Substring? {
        schemes.first { text.hasPrefix($0) }.map { text.dropFirst($0.count) }
    }

    private static func values(of text: String) throws(PostgresError) -> [String: String] {
        var message: UnsafeMutablePointer<CChar>?
        guard let options = PQconninfoParse(text, &message) else {
            // The message repeats parts of the string, so it is only searched for a name.
            let name = message.flatMap { unknownParameter(in: String(cString: $0), of: text) }
            PQfreemem(message)
            throw refusal(
                name.map { "has a parameter that libpq does not know: \($0)" }
                    ?? "cannot be read by libpq (its form, or a parameter that libpq does not know)")
        }
        defer { PQconninfoFree(options) }
        var values: [String: String] = [:]
        var option = options
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val {
                let value = String(cString: value)
                if !value.isEmpty { values[String(cString: keyword)] = value }
            }
            option += 1
        }
        return values
    }

    /// The name of the parameter that libpq complains of, unless it may be a piece of a password.
    private static func unknownParameter(in message: String, of text: String) -> String? {
        let parts = message.split(separator: "\"", omittingEmptySubsequences: false)
        guard parts.count >= 3, ["invalid URI query parameter: ", "invalid connection option "].contains(parts[0])
        else { return nil }
        let name = parts[1]
        guard !name.isEmpty, name.count <= 40, name.utf8.allSatisfy({ isNameByte($0) }) else { return nil }
        // The rest of a password with an unquoted blank reads as the next name.
        let mayBePassword =
            afterScheme(text).map { $0.drop { $0 != "?" }.contains("@") } ?? text.contains("password")
        return mayBePassword ? nil : String(name)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        (0x61...0x7A).contains(byte) || (0x41...0x5A).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x5F
    }

    private static let wholeNumbers = [
        "connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count",
        "tcp_user_timeout",
    ]

    private static let choices = [
        "sslmode": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"],
        "target_session_attrs": ["any", "read-write", "read-only", "primary", "standby", "prefer-standby"],
    ]

    /// libpq checks these only when it connects, and repeats them in its messages.
    private static func check(_ values: [String: String]) throws(PostgresError) {
        for port in values["port"]?.split(separator: ",") ?? [] {
            guard let number = Int(port), (1...65_535).contains(number) else {
                throw refusal("has a port that is not a number from 1 to 65535")
            }
        }
        for name in wholeNumbers {
            guard let value = values[name] else { continue }
            guard Int32(value) != nil else { throw refusal("has a value of \(name) that is not a whole number") }
        }
        for (name, allowed) in choices.sorted(by: { $0.key < $1.key }) {
            guard let value = values[name] else { continue }
            guard allowed.contains(value) else {
                throw refusal("has a value of \(name) that is not one of \(allowed.joined(separator: ", "))")
            }
        }
    }

    /// Whether the host is neither an address nor a folder of sockets.
    private static func isName(_ host: String) -> Bool {
        guard let first = host.first, first != "/", first != "@", host != "localhost" else { return false }
        return !host.contains(":") && !host.utf8.allSatisfy { (0x30...0x39).contains($0) || $0 == 0x2E }
    }

    private static func refusal(_ text: String) -> PostgresError {
        PostgresError(.invalidConfiguration, "the database URL \(text)")
    }
}
