import NIOCore

extension RedisClient.Configuration {
    /// The first commands of a new connection, in one write.
    func connectionCommands(for endpoint: RedisEndpoint) -> [RedisCommand] {
        var commands: [RedisCommand] = []
        if let password = endpoint.password {
            commands.append(RedisCommand(endpoint.user.map { ["AUTH", $0, password] } ?? ["AUTH", password]))
        }
        if endpoint.database != 0 { commands.append(RedisCommand("SELECT", String(endpoint.database))) }
        commands.append(RedisCommand("PING"))
        commands.append(RedisCommand("INFO", "cluster"))
        commands.append(RedisCommand("CLIENT", "SETNAME", endpoint.clientName ?? clientName ?? ""))
        return commands + (setup?.commands ?? [])
    }

    /// Checks whether the connection can be used.
    ///
    /// - Throws: why it cannot.
    func checkConnectionReplies(_ replies: [RedisValue], for endpoint: RedisEndpoint) throws(RedisError) {
        var replies = replies[...]
        if endpoint.password != nil {
            do throws(RedisError) {
                _ = try replies.removeFirst().get()
            } catch {
                guard error.code != .notReady else { throw error }
                throw RedisError(
                    .authenticationFailed, "the Redis server refuses the credentials", underlying: error.underlying)
            }
        }
        if endpoint.database != 0 {
            do throws(RedisError) {
                _ = try replies.removeFirst().get()
            } catch {
                guard error.code == .server else { throw error }
                throw RedisError(
                    .invalidEndpoint, "the Redis server has no database \(endpoint.database)",
                    underlying: error.underlying)
            }
        }
        // A user may lack the right to PING and to INFO; later commands then show any problem. A
        // server that refuses writes may refuse PING too (MISCONF), but responds to reads.
        if case .error(let error) = replies.removeFirst(), error.code != .noPermission, error.writeRefusal == nil {
            throw error
        }
        if let info = replies.removeFirst().string, info.contains("cluster_enabled:1") {
            throw RedisError(
                .unsupportedServer, "the Redis server is a node of a Redis Cluster, which is not supported")
        }
        // The name only helps the operator.
        _ = replies.removeFirst()
        if let setup { try setup.check(Array(replies)) }
    }

    /// Doubles after each failure, with a random half, so that many clients do not connect at once.
    func backoff(afterFailures failures: Int) -> TimeAmount {
        let full = min(TimeAmount(maximumBackoff).nanoseconds, 10_000_000 << Int64(min(failures, 12)))
        return .nanoseconds(full / 2 + Int64.random(in: 0...max(0, full / 2)))
    }
}
