import AgentMemory

/// How tokens are printed, with the members and lines of the reference's command.
struct TokenReport {
    private let token: AccessToken

    init(_ token: AccessToken) {
        self.token = token
    }

    /// Prints a new token with its secret.
    func printNew(secret: String, _ format: OutputFormat) {
        switch format {
        case .json:
            var object = JSONObject()
            object["token"] = .string(secret)
            for member in members where !["status", "last_used_at"].contains(member.name) {
                object[member.name] = member.value
            }
            Swift.print(JSONValue.object(object).jsonText)
        case .text:
            Swift.print(
                """
                Token created successfully!
                Token: \(secret)
                Hash: \(token.hash)
                Description: \(token.description)
                Expires: \(token.expiresAt?.pythonText ?? "Never")
                \(limits)

                WARNING: Save this token securely. It will not be shown again.
                """)
        }
    }

    func print(_ format: OutputFormat) {
        switch format {
        case .json: Swift.print(JSONValue.object(object).jsonText)
        case .text: Swift.print("Token Details:\n==============================\n\(lines)")
        }
    }

    static func print(_ tokens: [AccessToken], _ format: OutputFormat) {
        switch format {
        case .json:
            Swift.print(JSONValue.array(tokens.map { .object(TokenReport($0).object) }).jsonText)
        case .text:
            Swift.print("Authentication Tokens:\n==================================================")
            for token in tokens { Swift.print(TokenReport(token).lines + "\n") }
        }
    }

    static func print(error: String, _ format: OutputFormat) {
        switch format {
        case .json: Swift.print(JSONValue.object(["error": .string(error)]).jsonText)
        case .text: Swift.print(error)
        }
    }

    private var status: String { token.hasExpired(at: .now()) ? "EXPIRED" : "Active" }

    private var limits: String {
        """
        Rights: \(token.rights.names.joined(separator: ","))
        Namespaces: \(token.scope.namespaces.patterns.joined(separator: " "))
        User ids: \(token.scope.users.patterns.joined(separator: " "))
        """
    }

    private var lines: String {
        """
        Hash: \(token.hash)
        Description: \(token.description)
        Created: \(token.createdAt.pythonText)
        Expires: \(token.expiresAt?.pythonText ?? "Never")
        Last used: \(token.lastUsedAt?.pythonText ?? "Never")
        \(limits)
        Status: \(status)
        """
    }

    private var members: [(name: String, value: JSONValue)] {
        func date(_ date: Timestamp?) -> JSONValue { date.map { .string($0.pythonText) } ?? .null }
        func texts(_ texts: [String]) -> JSONValue { .array(texts.map { .string($0) }) }
        return [
            ("description", .string(token.description)), ("created_at", date(token.createdAt)),
            ("expires_at", date(token.expiresAt)), ("hash", .string(token.hash)), ("status", .string(status)),
            ("rights", texts(token.rights.names)), ("namespaces", texts(token.scope.namespaces.patterns)),
            ("user_ids", texts(token.scope.users.patterns)), ("last_used_at", date(token.lastUsedAt)),
        ]
    }

    private var object: JSONObject {
        var object = JSONObject()
        for member in members { object[member.name] = member.value }
        return object
    }
}

extension Timestamp {
    /// ISO 8601 with the offset that Python's `isoformat` writes, and older versions of it need to
    /// read the date.
    var pythonText: String { iso8601.hasSuffix("Z") ? iso8601.dropLast() + "+00:00" : iso8601 }
}
