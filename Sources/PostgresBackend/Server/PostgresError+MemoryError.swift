import AgentMemory
import PostgresDriver

extension MemoryError {
    /// The error of the store's interface for a failure of the driver.
    ///
    /// - Parameter mayHaveBeenDone: if the caller knows more than the error.
    init(_ error: PostgresError, mayHaveBeenDone: Bool? = nil) {
        let plain = MemoryError(plain: error)
        self.init(
            plain.code, plain.message, underlying: plain.underlying,
            mayHaveBeenDone: mayHaveBeenDone ?? error.mayHaveBeenDone)
    }

    private init(plain error: PostgresError) {
        let detail = error.description
        switch error.code {
        case .invalidConfiguration, .unsupportedPooler:
            self.init(.misconfigured, error.message)
        case .connectionFailed, .loginRefused:
            self.init(.storeUnavailable, error.message, underlying: detail)
        case .connectionLost:
            self.init(.storeUnavailable, "PostgreSQL cannot be reached", underlying: detail)
        case .poolTimedOut:
            self.init(.timedOut, error.message, underlying: detail)
        case .timedOut:
            self.init(.timedOut, "PostgreSQL did not respond in time", underlying: detail)
        case .closed:
            self.init(.storeUnavailable, "the connection to PostgreSQL is closed", underlying: detail)
        case .unexpectedResult:
            self.init(.internalError, "PostgreSQL sent a result of an unexpected shape", underlying: detail)
        case .server:
            self.init(serverError: error, detail: detail)
        }
    }

    private init(serverError error: PostgresError, detail: String) {
        let state = error.sqlState ?? ""
        switch state {
        case "57014", "55P03", "25P03", "25P04":
            self.init(.timedOut, "PostgreSQL did not finish in time", underlying: detail)
        case "25006":
            self.init(
                .storeUnavailable, "PostgreSQL refuses writes: it is a standby or read-only", underlying: detail)
        case "42501":
            // Names of tables and schemas, not their content.
            let what = error.underlying.map { ": \($0)" } ?? ""
            self.init(
                .storeUnavailable, "the PostgreSQL user lacks a right that the server needs\(what)",
                underlying: detail)
        case "28000", "28P01":
            self.init(.storeUnavailable, "PostgreSQL refuses the login of this user", underlying: detail)
        case "42P01", "42703", "42704", "42883", "3F000", "3D000":
            self.init(.storeUnavailable, "the database lacks the tables of agent-memory", underlying: detail)
        case "22003", "22012":
            self.init(
                .invalidInput, "a number in the request is outside PostgreSQL's range", underlying: detail)
        case "XX000" where error.tellsStaleStatement:
            self.init(.storeUnavailable, "the extension vector was replaced in the database", underlying: detail)
        default:
            switch state.prefix(2) {
            // Connection, transaction rollback, resources, operator intervention, system error,
            // read-only transaction.
            case "08", "40", "53", "57", "58", "25":
                self.init(.storeUnavailable, "PostgreSQL cannot do the work now", underlying: detail)
            default:
                self.init(.internalError, "PostgreSQL refused a statement", underlying: detail)
            }
        }
    }
}

extension PostgresError {
    /// Whether the statements may have been committed although they failed.
    fileprivate var mayHaveBeenDone: Bool {
        if provablyNotExecuted { return false }
        return switch code {
        case .invalidConfiguration, .connectionFailed, .loginRefused, .unsupportedPooler, .poolTimedOut: false
        case .connectionLost, .timedOut, .closed, .unexpectedResult: true
        // Any other error of the server rolls the transaction back.
        case .server: endsSession
        }
    }

    /// The same with advice.
    func advising(_ advice: String) -> PostgresError {
        PostgresError(
            code, message, sqlState: sqlState, underlying: (underlying.map { "\($0); " } ?? "") + advice,
            provablyNotExecuted: provablyNotExecuted)
    }

    /// Whether a table, a column, a type or the schema is missing: the database was emptied while
    /// the server ran.
    var isMissingSchema: Bool {
        switch sqlState {
        case "42P01", "42704", "42883", "3F000": true
        default: false
        }
    }
}

/// Runs `body` and maps every error of the driver to a ``MemoryError``.
func mappingErrors<Value>(
    isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> sending Value
) async throws -> sending Value {
    do {
        return try await body()
    } catch let error as PostgresError {
        throw MemoryError(error)
    }
}
