import AgentMemory
import Logging
import RedisDriver
import Synchronization

/// Checks that the server accepts this user's writes, and whether it keeps them.
///
/// A separate key, which no index covers, is written and removed in one transaction, so that
/// nothing remains.
final class WriteProbe: Sendable {
    private let commands: [RedisCommand]
    private let logger: Logger
    /// The eviction policy of the last warning.
    private let warned = Mutex<String?>(nil)

    /// - Parameter isDocument: writes a JSON document, as sessions are, instead of a hash.
    init(key: String, isDocument: Bool = false, logger: Logger) {
        commands = [
            isDocument ? RedisCommand("JSON.SET", key, "$", "1") : RedisCommand("HSET", key, "ready", "1"),
            RedisCommand("DEL", key),
        ]
        self.logger = logger
    }

    /// - Throws: ``RedisError`` if the write is refused.
    func run(_ client: RedisClient) async throws {
        let (replies, _) = try await client.transaction(commands)
        for reply in replies { _ = try reply.get() }
    }

    /// Why a store that responds is not ready: it refuses writes; `nil` if it accepts them.
    ///
    /// - Throws: ``RedisError`` for all other errors.
    func refusal(_ client: RedisClient) async throws -> String? {
        do {
            try await run(client)
            return nil
        } catch let error as RedisError {
            if let reason = error.writeRefusal { return "takes no writes: \(reason)" }
            if error.code == .noPermission || error.code == .wrongType { return "takes no writes: \(error.message)" }
            throw error
        }
    }

    /// The warning about a server that may evict memories; `nil` if it does not, or does not report
    /// it.
    func evictionWarning(_ client: RedisClient) async -> String? {
        let reply = try? await client.send(RedisCommand("INFO", "memory"), isRead: true)
        guard let policy = InfoText(reply?.string ?? "")["maxmemory_policy"], policy != "noeviction" else { return nil }
        return
            "the Redis server may evict what is stored here (maxmemory-policy \(policy)): set maxmemory-policy noeviction"
    }

    /// Logs the warning of ``evictionWarning(_:)``, once for each policy.
    func warnOfEviction(_ client: RedisClient) async {
        let warning = await evictionWarning(client)
        let isNew = warned.withLock { warned in
            defer { warned = warning }
            return warned != warning
        }
        if isNew, let warning { logger.warning("\(warning)") }
    }
}
