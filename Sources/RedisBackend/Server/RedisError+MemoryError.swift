import AgentMemory
import RedisDriver

extension RedisError {
    /// RediSearch has five texts for it, by version and command.
    var saysIndexIsMissing: Bool {
        guard let text = serverText?.lowercased() else { return false }
        return text.contains("no such index") || text.contains("unknown index name") || text.contains("index not found")
            || text.contains("search_index_not_found")
    }

    var saysIndexExists: Bool {
        guard let text = serverText?.lowercased() else { return false }
        return text.contains("index already exists") || text.contains("search_index_exists")
    }

    /// An index has the field that was to be added to it.
    var saysFieldExists: Bool {
        serverText?.lowercased().contains("duplicate") == true
    }

    /// The window of a query reaches beyond MAXSEARCHRESULTS or MAXAGGREGATERESULTS.
    var saysLimitIsExceeded: Bool {
        serverText?.contains("exceeds maximum of") == true
    }

    /// Of a script of working memory.
    private var saysKeysAreTaken: Bool {
        serverText?.contains("the keys of the session are taken") == true
    }

    private var saysQueryTimedOut: Bool {
        guard let text = serverText?.lowercased() else { return false }
        return text.contains("timeout limit was reached") || text.contains("search_timeout")
    }

    /// Of a command that was sent, or that a script called; only the scripts of working memory call
    /// commands of modules.
    private var saysJSONIsMissing: Bool {
        guard let text = serverText?.lowercased() else { return false }
        return text.contains("unknown command 'json.") || text.contains("unknown command `json.")
            || text.contains("unknown redis command called from script")
    }

    private var saysSearchIsMissing: Bool {
        guard let text = serverText?.lowercased() else { return false }
        return text.contains("unknown command") && text.contains("ft.")
    }

    /// The error of a start, as the backend throws it: problems that an operator must fix stop the
    /// start.
    var preparationError: MemoryError {
        switch code {
        case .invalidEndpoint, .unsupportedServer, .authenticationFailed, .noPermission, .wrongType:
            MemoryError(.misconfigured, message, underlying: description)
        case .connectionFailed, .connectionLost, .overloaded, .closed, .protocolViolation, .outOfMemory, .readOnly,
            .notReady, .transactionAborted, .noScript, .timedOut, .server:
            memoryError
        }
    }

    /// The error of a request, as the backend throws it. A server that has worked and now refuses
    /// the credentials, a right or a command counts as a store that cannot be used now.
    var memoryError: MemoryError {
        let mayHaveBeenDone =
            switch self.code {
            case .connectionLost, .timedOut, .closed, .protocolViolation: true
            // The server reported it instead of the work, or nothing was sent.
            case .invalidEndpoint, .unsupportedServer, .connectionFailed, .authenticationFailed, .overloaded,
                .outOfMemory, .readOnly, .notReady, .noPermission, .transactionAborted, .noScript, .wrongType,
                .server:
                false
            }
        func error(_ code: MemoryError.Code, _ message: String? = nil) -> MemoryError {
            MemoryError(
                code, message ?? self.message, underlying: description, mayHaveBeenDone: mayHaveBeenDone)
        }
        switch code {
        case .timedOut:
            return error(.timedOut)
        case .invalidEndpoint, .unsupportedServer, .authenticationFailed, .connectionFailed, .connectionLost,
            .overloaded, .closed, .protocolViolation, .outOfMemory, .readOnly, .notReady, .noPermission,
            .transactionAborted, .noScript, .wrongType:
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
            if saysLimitIsExceeded {
                return error(
                    .unsupported,
                    "the page is beyond the results that the Redis server returns: set MAXSEARCHRESULTS and "
                        + "MAXAGGREGATERESULTS higher")
            }
            if saysKeysAreTaken {
                return error(
                    .conflict,
                    "both keys of the session have data of another program: use another session id or key prefix")
            }
            if saysIndexIsMissing { return error(.storeUnavailable, "the Redis index is missing") }
            return error(.internalError, "the Redis server refused a command")
        }
    }
}

extension Duration {
    /// The deadline of a write grows with its work, so that a batch of any accepted size can be
    /// stored.
    ///
    /// - Parameters:
    ///   - records: 5 ms for each.
    ///   - bytes: 250 ms for each MiB.
    func grown(records: Int = 0, bytes: Int = 0) -> Duration {
        self + Duration.milliseconds(5) * records + Duration.milliseconds(250) * (bytes >> 20)
    }
}
