/// Every error between a call and its reply.
///
/// `message` and `description` never show an argument of a command or a password. The server's full
/// text is in ``serverText``, because callers must be able to distinguish its errors; do not print
/// it.
public struct RedisError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Code: String, Sendable, CaseIterable {
        /// The URL, or a file that it names, cannot be used.
        case invalidEndpoint
        /// The server cannot be used, for example because it is a node of a Redis Cluster.
        case unsupportedServer
        /// No connection could be made.
        case connectionFailed
        /// The connection broke; the command may or may not have been executed.
        case connectionLost
        /// The server refuses the credentials.
        case authenticationFailed
        /// The deadline passed; the command may or may not have been executed.
        case timedOut
        /// Too many calls are waiting.
        case overloaded
        /// The client was closed.
        case closed
        /// The reply was not RESP2.
        case protocolViolation
        /// The server has no memory left for a write (`OOM`).
        case outOfMemory
        /// The server refuses writes now (`READONLY`, `MISCONF`, `NOREPLICAS`).
        case readOnly
        /// The server is not ready to work (`LOADING`, `BUSY`, `MASTERDOWN`, `TRYAGAIN`,
        /// `UNBLOCKED`).
        case notReady
        /// The user may not run the command, or not use the key (`NOPERM`).
        case noPermission
        /// The key has a value of another type (`WRONGTYPE`).
        case wrongType
        /// A transaction was aborted (`EXECABORT`).
        case transactionAborted
        /// The script is not in the server's cache (`NOSCRIPT`).
        case noScript
        /// Any other error of the server.
        case server
    }

    public let code: Code
    /// One sentence without arguments and without secrets.
    public let message: String
    /// The underlying error, in its own words, without arguments and without secrets.
    public let underlying: String?
    /// The server's own text, complete. It can quote arguments: compare it, do not print it.
    public let serverText: String?

    public init(_ code: Code, _ message: String, underlying: String? = nil) {
        self.code = code
        self.message = message
        self.underlying = underlying
        serverText = nil
    }

    /// An error reply, classified by its first word.
    public init(server text: String) {
        // The reason why EXEC was refused says more than the refusal.
        let abort = "EXECABORT Transaction discarded because of: "
        let text = text.hasPrefix(abort) ? String(text.dropFirst(abort.count)) : text
        let word = Self.firstWord(of: text)
        switch word {
        case "OOM", "READONLY", "MISCONF", "NOREPLICAS":
            code = word == "OOM" ? .outOfMemory : .readOnly
            message = "the Redis server refuses writes: \(Self.refusal(word) ?? word)"
        case "LOADING", "BUSY", "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN", "UNBLOCKED":
            code = .notReady
            message = "the Redis server is not ready (\(word))"
        case "WRONGPASS", "NOAUTH":
            code = .authenticationFailed
            message = "the Redis server refuses the credentials (\(word))"
        case "NOPERM":
            code = .noPermission
            message = Self.missingRight(text)
        case "EXECABORT":
            code = .transactionAborted
            message = "the Redis server aborted the transaction"
        case "NOSCRIPT":
            code = .noScript
            message = "the Redis server does not have the script"
        case "MOVED", "ASK", "CROSSSLOT":
            code = .unsupportedServer
            message = "the Redis server is a node of a Redis Cluster, which is not supported"
        case "WRONGTYPE":
            code = .wrongType
            message = Self.otherType
        default:
            if text.hasPrefix("ERR ACL failure in script") {
                code = .noPermission
                message = Self.missingRight(text)
            } else if text.hasPrefix("Existing key has wrong Redis type") {
                // RedisJSON's own message for it.
                code = .wrongType
                message = Self.otherType
            } else {
                code = .server
                message = "the Redis server returned an error"
            }
        }
        underlying = Self.withoutArguments(text)
        serverText = text
    }

    /// Why the server refuses writes, as the end of a sentence; `nil` for every other error.
    public var writeRefusal: String? {
        serverText.flatMap { Self.refusal(Self.firstWord(of: $0)) }
    }

    /// Whether another server may have taken over: this one became a replica, lost the replicas or
    /// the primary that it needs, or restarted.
    public var saysRoleChanged: Bool {
        guard let serverText else { return false }
        return ["READONLY", "MASTERDOWN", "NOREPLICAS", "LOADING", "UNBLOCKED", "CLUSTERDOWN"]
            .contains(Self.firstWord(of: serverText))
    }

    private static let otherType = "a key in Redis has a value of another type than this server writes"

    private static func firstWord(of text: String) -> String { String(text.prefix { $0 != " " }) }

    private static func refusal(_ word: String) -> String? {
        switch word {
        case "OOM": "no memory is left for writes (OOM: maxmemory is reached)"
        case "READONLY": "it is a read-only replica (READONLY)"
        case "MISCONF": "it cannot save to its disk (MISCONF)"
        case "NOREPLICAS": "it has fewer replicas than min-replicas-to-write (NOREPLICAS)"
        default: nil
        }
    }

    /// Names the command that the user may not run; the server's text does not have the key.
    private static func missingRight(_ text: String) -> String {
        let quoted = text.split(separator: "'", maxSplits: 2, omittingEmptySubsequences: false)
        guard quoted.count == 3, quoted[0].hasSuffix("to run the "), !quoted[1].isEmpty,
            quoted[1].utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { return "the Redis user may not use a key that it needs: the ACL lacks a key pattern" }
        return "the Redis user may not run the command \(quoted[1].lowercased().prefix(40)): the ACL lacks it"
    }

    public var description: String {
        "\(code.rawValue): \(message)" + (underlying.map { " (\($0))" } ?? "")
    }

    /// The beginning of a server's text, up to the first part that may quote the request.
    private static func withoutArguments(_ text: String) -> String {
        var end = text.endIndex
        for quote: Character in ["'", "`", "\"", ":"] {
            if let position = text.firstIndex(of: quote), position < end { end = position }
        }
        var words = text[..<end].split(separator: " ", omittingEmptySubsequences: true)
        if let near = words.firstIndex(of: "near") { words = Array(words[..<near]) }
        return words.prefix(16).joined(separator: " ")
    }
}
