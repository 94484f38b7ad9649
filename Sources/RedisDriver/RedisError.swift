/// Everything that can go wrong between a call and its reply.
///
/// `message` and `description` never show an argument of a command or a password. What the server said in full is in
/// ``serverText``, because callers must be able to tell its errors apart; do not print it.
public struct RedisError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Code: String, Sendable, CaseIterable {
        /// The URL, or a file that it names, cannot be used.
        case invalidEndpoint
        /// What answers cannot be used, such as a node of a Redis Cluster.
        case unsupportedServer
        /// No connection could be made.
        case connectionFailed
        /// The connection broke; the command may or may not have been executed.
        case connectionLost
        /// The server refuses the credentials.
        case authenticationFailed
        /// The deadline passed; the command may or may not have been executed.
        case timedOut
        /// Too many calls wait already.
        case overloaded
        /// The client was closed.
        case closed
        /// What came was not RESP2.
        case protocolViolation
        /// The server has no memory left for a write (`OOM`).
        case outOfMemory
        /// The server takes no writes now (`READONLY`, `MISCONF`, `NOREPLICAS`).
        case readOnly
        /// The server is not ready to work (`LOADING`, `BUSY`, `MASTERDOWN`, `TRYAGAIN`).
        case notReady
        /// The user may not run the command (`NOPERM`).
        case noPermission
        /// A transaction was given up (`EXECABORT`).
        case transactionAborted
        /// The script is not in the server's cache (`NOSCRIPT`).
        case noScript
        /// Any other error of the server.
        case server
    }

    public let code: Code
    /// One sentence without arguments and without secrets.
    public let message: String
    /// What lay below, in its own words, without arguments and without secrets.
    public let underlying: String?
    /// The server's own text, whole. It can quote arguments: compare it, do not print it.
    public let serverText: String?

    public init(_ code: Code, _ message: String, underlying: String? = nil) {
        self.code = code
        self.message = message
        self.underlying = underlying
        serverText = nil
    }

    /// An error reply, classified by its first word.
    public init(server text: String) {
        let word = String(text.prefix { $0 != " " })
        switch word {
        case "OOM":
            code = .outOfMemory
            message = "the Redis server has no memory left for writes"
        case "READONLY", "MISCONF", "NOREPLICAS":
            code = .readOnly
            message = "the Redis server takes no writes now (\(word))"
        case "LOADING", "BUSY", "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN":
            code = .notReady
            message = "the Redis server is not ready (\(word))"
        case "WRONGPASS", "NOAUTH":
            code = .authenticationFailed
            message = "the Redis server refuses the credentials (\(word))"
        case "NOPERM":
            code = .noPermission
            message = "the Redis user may not run this command"
        case "EXECABORT":
            code = .transactionAborted
            message = "the Redis server gave the transaction up"
        case "NOSCRIPT":
            code = .noScript
            message = "the Redis server does not know the script"
        case "MOVED", "ASK", "CROSSSLOT":
            code = .unsupportedServer
            message = "the Redis server is a node of a Redis Cluster, which is not supported"
        default:
            code = .server
            message = "the Redis server answered an error"
        }
        underlying = Self.withoutArguments(text)
        serverText = text
    }

    public var description: String {
        "\(code.rawValue): \(message)" + (underlying.map { " (\($0))" } ?? "")
    }

    /// The beginning of a server's text, up to where it may quote what it was sent.
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
