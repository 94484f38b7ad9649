import AgentMemory
import RedisDriver

/// The search engine's own settings that the contract needs. They apply to the whole server, and a
/// restart resets them, so every new connection sets them again, and so does the maintenance at
/// intervals.
///
/// RediSearch 2.x has them in FT.CONFIG, Redis 8 in CONFIG; both are tried, and if setting is
/// refused it is enough that another client has set them. The values in force are read in both ways
/// as well, and in INFO, which needs the fewest rights.
struct EngineSettings: Sendable, Equatable {
    /// A query that exceeds its time limit is an error, not a short result.
    var failsOnTimeout = false
    /// A prefix of one character finds every value with it.
    var completesPrefixes = false
    /// How many results the engine returns at most, counted from the first: beyond them it returns
    /// an error, or a short result.
    var maximumResults = EngineSettings.engineDefault

    /// Whether FT.AGGREGATE with an order tells how many records match. RediSearch 2.10 looks at
    /// all of them, and does; of later versions that is not known.
    var countsSorted = false

    /// RediSearch's MAXSEARCHRESULTS if nothing is known; its default for MAXAGGREGATERESULTS is
    /// higher.
    static let engineDefault = 1_000_000
    /// More values and results than an index can hold.
    static let unlimited = 1_000_000_000

    private struct Setting {
        let name: String
        let modernName: String
        /// In INFO.
        let field: String
        let value: String
    }

    private static let settings = [
        Setting(
            name: "ON_TIMEOUT", modernName: "search-on-timeout", field: "search_timeout_policy", value: "fail"),
        Setting(
            name: "MINPREFIX", modernName: "search-min-prefix", field: "search_minimal_term_prefix", value: "1"),
        Setting(
            name: "MAXEXPANSIONS", modernName: "search-max-prefix-expansions",
            field: "search_maximal_prefix_expansions", value: String(unlimited)),
        Setting(
            name: "MAXSEARCHRESULTS", modernName: "search-max-search-results", field: "search_max_search_results",
            value: String(unlimited)),
        Setting(
            name: "MAXAGGREGATERESULTS", modernName: "search-max-aggregate-results",
            field: "search_max_aggregate_results", value: String(unlimited)),
    ]

    /// For each setting: set it in both ways, then read it in both ways; then read all of them in
    /// INFO.
    static let commands: [RedisCommand] =
        settings.flatMap { setting in
            [
                RedisCommand("FT.CONFIG", "SET", setting.name, setting.value.uppercased()),
                RedisCommand("CONFIG", "SET", setting.modernName, setting.value),
                RedisCommand("FT.CONFIG", "GET", setting.name),
                RedisCommand("CONFIG", "GET", setting.modernName),
            ]
        } + [RedisCommand("INFO", "modules")]

    /// Reads the server's replies to ``commands``.
    init(replies: [RedisValue]) {
        let info = replies.count == Self.commands.count ? replies.last?.string ?? "" : ""
        /// Whether the setting was set, and else its value.
        func state(_ index: Int) -> (isSet: Bool, values: [String]) {
            guard replies.count >= index * 4 + 4 else { return (false, []) }
            let own = replies[index * 4..<index * 4 + 4]
            if own.prefix(2).contains(where: { $0.string == "OK" }) { return (true, []) }
            let read = own.suffix(2).compactMap { reply -> String? in
                // [[NAME, value]] or [name, value]
                let pair = reply.array?.first?.array ?? reply.array ?? []
                return pair.count == 2 ? pair[1].string : nil
            }
            let shown = InfoText(info)[Self.settings[index].field]
            return (false, shown.map { read + [$0] } ?? read)
        }
        func holds(_ index: Int) -> Bool {
            let (isSet, values) = state(index)
            let wanted = Self.settings[index].value
            if isSet { return true }
            return values.contains { value in
                if let least = Int(wanted), least > 1 { return Self.limit(value) >= least }
                return value.lowercased() == wanted
            }
        }
        func limit(_ index: Int) -> Int? {
            let (isSet, values) = state(index)
            return isSet ? Self.unlimited : values.first.map(Self.limit)
        }
        failsOnTimeout = holds(0)
        completesPrefixes = holds(1) && holds(2)
        countsSorted = InfoText(info)["search_version"].map { $0.hasPrefix("2.10.") } ?? false
        maximumResults = min(limit(3) ?? Self.engineDefault, limit(4) ?? Self.unlimited, Self.unlimited)
    }

    init(
        failsOnTimeout: Bool = false, completesPrefixes: Bool = false,
        maximumResults: Int = EngineSettings.engineDefault
    ) {
        self.failsOnTimeout = failsOnTimeout
        self.completesPrefixes = completesPrefixes
        self.maximumResults = maximumResults
    }

    /// `unlimited`, a negative number, and one beyond an integer's range mean no limit.
    private static func limit(_ text: String) -> Int {
        if let number = Int(text) { return number < 0 ? unlimited : number }
        return unlimited
    }

    /// Refuses a filter whose result on this server would be short.
    func check(_ filter: MemoryFilter) throws(MemoryError) {
        let hasPrefix =
            filter.tags.values.contains { $0.startsWith != nil }
            || filter.scope.limits.contains { !$0.values.prefixes.isEmpty }
        guard !completesPrefixes, hasPrefix else { return }
        throw MemoryError(
            .unsupported,
            "the Redis server does not let this user set MINPREFIX and MAXEXPANSIONS, so a startswith filter "
                + "would miss records: set both on the server, or allow the user to run CONFIG SET and FT.CONFIG")
    }

    /// Refuses requests for which the engine's result would be short or an error.
    static func refusal(beyond maximumResults: Int) -> MemoryError {
        MemoryError(
            .unsupported,
            "the Redis server returns \(maximumResults) results at most, and does not let this user set "
                + "MAXSEARCHRESULTS and MAXAGGREGATERESULTS: set both higher on the server, or allow the user to run "
                + "CONFIG SET and FT.CONFIG")
    }

    /// Which requests are refused, as a hint for the operator; `nil` if none are.
    var shortcoming: String? {
        var names: [String] = []
        if !completesPrefixes { names += ["MINPREFIX", "MAXEXPANSIONS"] }
        if maximumResults < Self.engineDefault { names += ["MAXSEARCHRESULTS", "MAXAGGREGATERESULTS"] }
        guard !names.isEmpty else { return nil }
        return "the Redis server does not let this user set \(names.joined(separator: ", ")): "
            + "requests that need them are refused"
    }
}

/// The reply to INFO: one line `field:value` each.
struct InfoText {
    private let lines: [Substring]

    init(_ text: String) {
        lines = text.split(whereSeparator: \.isNewline)
    }

    subscript(field: String) -> String? {
        let name = field + ":"
        return lines.first { $0.hasPrefix(name) }.map { String($0.dropFirst(name.count)) }
    }
}
