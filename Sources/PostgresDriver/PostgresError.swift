/// The one error of this driver.
///
/// `message` and `description` have no parameter of a query, no stored value and no password: the
/// server's statements about values (its DETAIL and CONTEXT lines) are left out.
public struct PostgresError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What kind of failure this is.
    public enum Code: String, Sendable, CaseIterable {
        /// The connection string is not valid for libpq.
        case invalidConfiguration
        /// No connection could be made.
        case connectionFailed
        /// The server refuses the login: the password, the user or the database is wrong.
        case loginRefused
        /// A pooler between this client and the server gives each transaction another session,
        /// where work needs one of its own; or it allows no transactions.
        case unsupportedPooler
        /// The connection broke during a query, or was found broken.
        case connectionLost
        /// No connection of the pool became free in time.
        case poolTimedOut
        /// The deadline of the call passed; the query was cancelled.
        case timedOut
        /// The pool or the connection was closed by this program.
        case closed
        /// The server refused the statement; `sqlState` says why.
        case server
        /// The result does not have the shape that the caller asked for.
        case unexpectedResult
    }

    public let code: Code
    /// The five characters of the server's error code, such as `23505`; `nil` if the error is not
    /// from the server.
    public let sqlState: String?
    /// One sentence for readers.
    public let message: String
    /// The underlying error, in the words of libpq or the server, without values.
    public let underlying: String?
    /// Whether it is certain that the server did nothing.
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

    /// Whether the server's definition of a prepared statement differs from the one expected here:
    /// it dropped the statement, its result has another shape, or one of its types was dropped.
    public var tellsStaleStatement: Bool {
        switch sqlState {
        case "26000", "0A000": true
        case "XX000": underlying?.contains("cache lookup failed") == true
        default: false
        }
    }

    /// A session is needed, and a pooler gives none.
    static let sharedSessions = PostgresError(
        .unsupportedPooler,
        """
        the connection goes through a pooler that pools by transaction, where sessions get each other's settings and \
        locks; set its pool_mode to session, or connect to PostgreSQL itself
        """, provablyNotExecuted: true)

    /// Whether the same work may succeed when it is retried at once: a deadlock or a conflict of
    /// transactions, which the server has rolled back.
    public var isTransactionConflict: Bool {
        sqlState == "40001" || sqlState == "40P01"
    }

    /// Whether the server refuses writes: it is a standby, or was made read-only.
    public var isReadOnlyServer: Bool {
        sqlState == "25006"
    }

    /// Whether the server has no room for another connection, in all or for this user.
    public var isOutOfConnections: Bool {
        sqlState == "53300"
    }

    /// Whether the session is over: the server is shutting down, crashed, ended it or refuses
    /// writes, or the connection is lost.
    public var endsSession: Bool {
        switch code {
        case .connectionFailed, .loginRefused, .unsupportedPooler, .connectionLost, .timedOut, .closed: true
        case .server:
            // A server that refuses writes may have handed its role to another, which a new
            // connection finds.
            isReadOnlyServer || sqlState?.hasPrefix("57P") == true || sqlState?.hasPrefix("08") == true
        case .invalidConfiguration, .poolTimedOut, .unexpectedResult: false
        }
    }
}
