public import AgentMemory
import RedisDriver

extension RedisMemoryDatabase {
    public func health() async -> [ComponentHealth] {
        let half = database.timeout / 2
        let version = try? await RedisClient.$deadline.withValue(.now + half) { try await versions() }
        do {
            return try await RedisClient.$deadline.withValue(.now + half) {
                let refusal = try await probe.refusal(client)
                let warning = await probe.evictionWarning(client)
                let reason = try await keeper.unavailability(client)
                return [
                    ComponentHealth("store", reason: refusal, version: version, warning: warning),
                    ComponentHealth(
                        "index", reason: reason,
                        warning: keeper.shortcoming ?? reanalysis.warning ?? tokenSweep.notice),
                ]
            }
        } catch let error as MemoryError where error.code == .misconfigured && version != nil {
            return [ComponentHealth("store", version: version), ComponentHealth("index", reason: error.message)]
        } catch {
            let known = error as? MemoryError ?? (error as? RedisError)?.memoryError
            let reason = known?.message ?? "the Redis server did not respond"
            return [ComponentHealth("store", reason: reason, version: version)]
        }
    }

    /// Such as `Redis 7.4.1, RediSearch 2.10.5`; `nil` if the user may not ask.
    private func versions() async throws -> String? {
        let replies = try await client.pipeline(
            [RedisCommand("INFO", "server"), RedisCommand("INFO", "modules")], isRead: true)
        var parts: [String] = []
        let server = InfoText(replies[0].string ?? "")
        for (field, product) in [("valkey_version", "Valkey"), ("redis_version", "Redis")] {
            if parts.isEmpty, let version = server[field] { parts.append("\(product) \(version)") }
        }
        let modules = (replies[1].string ?? "").split(whereSeparator: \.isNewline)
        if let search = modules.first(where: { $0.hasPrefix("module:name=search,ver=") }) {
            let digits = search.dropFirst("module:name=search,ver=".count).prefix(while: \.isNumber)
            if let number = Int(digits) {
                parts.append("RediSearch \(number / 10_000).\(number / 100 % 100).\(number % 100)")
            }
        }
        return parts.isEmpty ? nil : parts.joined(separator: ", ")
    }
}
