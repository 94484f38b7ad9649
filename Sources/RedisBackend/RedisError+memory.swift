import AgentMemory
import RedisDriver

extension RedisError {
    /// RediSearch words it in five ways, by version and command.
    var saysIndexIsMissing: Bool {
        guard let text = serverText?.lowercased() else { return false }
        return text.contains("no such index") || text.contains("unknown index name") || text.contains("index not found")
            || text.contains("search_index_not_found")
    }

    var saysIndexExists: Bool {
        guard let text = serverText?.lowercased() else { return false }
        return text.contains("index already exists") || text.contains("search_index_exists")
    }

    private var saysQueryTimedOut: Bool {
        guard let text = serverText?.lowercased() else { return false }
        return text.contains("timeout limit was reached") || text.contains("search_timeout")
    }

    /// Of a command that was sent, or that a script called; only the scripts of working memory call commands of modules.
    private var saysJSONIsMissing: Bool {
        guard let text = serverText?.lowercased() else { return false }
        return text.contains("unknown command 'json.") || text.contains("unknown command `json.")
            || text.contains("unknown redis command called from script")
    }

    private var saysSearchIsMissing: Bool {
        guard let text = serverText?.lowercased() else { return false }
        return text.contains("unknown command") && text.contains("ft.")
    }

    /// The error in the words that leave the backend.
    var memoryError: MemoryError {
        let mayHaveBeenDone =
            switch self.code {
            case .connectionLost, .timedOut, .closed, .protocolViolation: true
            // Told by the server instead of doing it, or before anything was sent.
            case .invalidEndpoint, .unsupportedServer, .connectionFailed, .authenticationFailed, .overloaded,
                .outOfMemory, .readOnly, .notReady, .noPermission, .transactionAborted, .noScript, .server:
                false
            }
        func error(_ code: MemoryError.Code, _ message: String? = nil) -> MemoryError {
            MemoryError(
                code, message ?? self.message, underlying: description, mayHaveBeenDone: mayHaveBeenDone)
        }
        switch code {
        case .invalidEndpoint, .unsupportedServer, .authenticationFailed:
            return error(.misconfigured)
        case .timedOut:
            return error(.timedOut)
        case .connectionFailed, .connectionLost, .overloaded, .closed, .protocolViolation, .outOfMemory, .readOnly,
            .notReady,
            .noPermission, .transactionAborted, .noScript:
            return error(.storeUnavailable)
        case .server:
            if saysQueryTimedOut { return error(.timedOut, "a query ran out of time in Redis") }
            if saysJSONIsMissing {
                return error(
                    .misconfigured,
                    "the Redis server has no RedisJSON, which working memory needs: use Redis 8, Redis Stack, or load the "
                        + "module RedisJSON")
            }
            if saysSearchIsMissing {
                return error(
                    .misconfigured,
                    "the Redis server has no search: use Redis 8, Redis Stack, or load the module RediSearch")
            }
            if serverText?.contains("db != 0") == true {
                return error(
                    .misconfigured, "Redis searches database 0 only: give a Redis URL without another database number")
            }
            if saysIndexIsMissing { return error(.storeUnavailable, "the Redis index is missing") }
            return error(.internalError, "the Redis server refused a command")
        }
    }
}

extension RedisClient {
    /// Ends the work after `limit`, and lets errors of the driver leave as errors of the domain.
    func translating<Answer: Sendable>(
        within limit: Duration, _ body: () async throws -> Answer
    ) async throws -> Answer {
        do {
            return try await Self.$deadline.withValue(.now + limit) { try await body() }
        } catch let error as RedisError {
            throw error.memoryError
        }
    }
}
