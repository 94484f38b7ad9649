/// The one error of this driver.
///
/// `message` and `description` hold no parameter of a query, no stored value and no password: what
/// the server says about values (its DETAIL and CONTEXT lines) is left out.
public struct PostgresError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What kind of failure this is.
    public enum Code: String, Sendable, CaseIterable {
        /// The connection string is not one that libpq understands.
        case invalidConfiguration
        /// No connection could be made.
        case connectionFailed
        /// The server does not let this user in: the password, the user or the database is wrong.
        case loginRefused
        /// Between this side and the server, a pooler gives each transaction another session.
        case unsupportedPooler
        /// The connection broke while a query was under way, or was found broken.
        case connectionLost
        /// No connection of the pool became free in time.
        case poolTimedOut
        /// The deadline of the call passed; the query was cancelled.
        case timedOut
        /// The pool or the connection was closed by this side.
        case closed
        /// The server refused the statement; `sqlState` says why.
        case server
        /// The answer does not have the shape that the caller asked for.
        case unexpectedResult
    }

    public let code: Code
    /// The five characters of the server's error code, such as `23505`; `nil` if the server did not
    /// speak.
    public let sqlState: String?
    /// One sentence for people.
    public let message: String
    /// What lies below, in the words of libpq or the server, without values.
    public let underlying: String?
    /// Whether it is certain that the server did nothing of what was asked.
    public let provablyNotExecuted: Bool

    public init(
        _ code: Code, _ message: String, sqlState: String? = nil, underlying: String? = nil,
        provablyNotExecuted: Bool = false
    ) {
        self.code = code
        self.sqlState = sqlState
        self.message = message
        self.underlying = underlying
        self.provablyNotExecuted = provablyNotExecuted
    }

    public var description: String {
        var text = "\(code.rawValue): \(message)"
        if let sqlState { text += " [SQLSTATE \(sqlState)]" }
        if let underlying { text += " (\(underlying))" }
        return text
    }

    /// Whether the server has another idea of a prepared statement than this side: it forgot it,
    /// its result has another shape, or a type that it speaks of was dropped.
    public var tellsStaleStatement: Bool {
        switch sqlState {
        case "26000", "0A000": true
        case "XX000": underlying?.contains("cache lookup failed") == true
        default: false
        }
    }

    /// Whether the same work may succeed when it is tried again at once: a deadlock or a conflict
    /// of transactions, which the server has undone.
    public var isTransactionConflict: Bool {
        sqlState == "40001" || sqlState == "40P01"
    }

    /// Whether the server takes no writes: it is a standby, or was made read-only.
    public var isReadOnlyServer: Bool {
        sqlState == "25006"
    }

    /// Whether the server has no room for another connection, of all or of this user.
    public var isOutOfConnections: Bool {
        sqlState == "53300"
    }

    /// Whether the session is over: the server is shutting down, crashed, ended it or takes no
    /// writes any more, or the line is cut.
    public var endsSession: Bool {
        switch code {
        case .connectionFailed, .loginRefused, .unsupportedPooler, .connectionLost, .timedOut, .closed: true
        case .server:
            // A server that takes no writes may have given its role to another, which a new
            // connection finds.
            isReadOnlyServer || sqlState?.hasPrefix("57P") == true || sqlState?.hasPrefix("08") == true
        case .invalidConfiguration, .poolTimedOut, .unexpectedResult: false
        }
    }
}
