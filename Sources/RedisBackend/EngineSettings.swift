import AgentMemory
import RedisDriver

/// The search engine's own settings that the contract needs. They hold for the whole server, and a restart forgets
/// them, so every new connection sets them again.
///
/// RediSearch 2.x has them in FT.CONFIG, Redis 8 in CONFIG; both are tried, and where setting is refused it is enough
/// that someone else has set them.
struct EngineSettings: Sendable, Equatable {
    /// A query that runs out of time is an error, not a short answer.
    var failsOnTimeout = false
    /// A prefix of one character finds every value that begins so.
    var completesPrefixes = false

    /// More values than an index can hold.
    private static let expansions = "1000000000"

    private struct Setting {
        let name: String
        let modernName: String
        let value: String
    }

    private static let settings = [
        Setting(name: "ON_TIMEOUT", modernName: "search-on-timeout", value: "fail"),
        Setting(name: "MINPREFIX", modernName: "search-min-prefix", value: "1"),
        Setting(name: "MAXEXPANSIONS", modernName: "search-max-prefix-expansions", value: expansions),
    ]

    /// For each setting: set it in both ways, then read it in both ways.
    static let commands: [RedisCommand] = settings.flatMap { setting in
        [
            RedisCommand("FT.CONFIG", "SET", setting.name, setting.value.uppercased()),
            RedisCommand("CONFIG", "SET", setting.modernName, setting.value),
            RedisCommand("FT.CONFIG", "GET", setting.name),
            RedisCommand("CONFIG", "GET", setting.modernName),
        ]
    }

    /// What the server does after it has answered ``commands``.
    init(replies: [RedisValue]) {
        func holds(_ index: Int) -> Bool {
            guard replies.count >= index * 4 + 4 else { return false }
            let own = replies[index * 4..<index * 4 + 4]
            let setting = Self.settings[index]
            if own.prefix(2).contains(where: { $0.string == "OK" }) { return true }
            return own.suffix(2).contains { reply in
                // [[NAME, value]] or [name, value]
                let pair = reply.array?.first?.array ?? reply.array ?? []
                guard pair.count == 2, let value = pair[1].string else { return false }
                if let wanted = Int(setting.value), wanted > 1 { return (Int(value) ?? 0) >= wanted }
                return value.lowercased() == setting.value
            }
        }
        failsOnTimeout = holds(0)
        completesPrefixes = holds(1) && holds(2)
    }

    init(failsOnTimeout: Bool = false, completesPrefixes: Bool = false) {
        self.failsOnTimeout = failsOnTimeout
        self.completesPrefixes = completesPrefixes
    }

    /// Refuses a filter that this server would answer short.
    func check(_ filter: MemoryFilter) throws(MemoryError) {
        guard !completesPrefixes, filter.tags.values.contains(where: { $0.startsWith != nil }) else { return }
        throw MemoryError(
            .unsupported,
            "the Redis server does not let this user set MINPREFIX and MAXEXPANSIONS, so a startswith filter "
                + "would miss records: set both on the server, or allow the user to run CONFIG SET and FT.CONFIG")
    }
}
