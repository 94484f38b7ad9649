import AgentMemory
import RedisDriver

/// The commands of the search engine, built from queries, without a connection to a server.
struct SearchCommands: Sendable {
    let index: String
    /// For the engine, in milliseconds; 0 is none.
    let timeout: Int
    let algorithm: RedisMemoryDatabase.Configuration.Algorithm
    /// Whether the index can be queried for records without a vector.
    var findsMissingVectors = false
    /// How many results the engine returns, counted from the first; builders refuse a window that
    /// reaches beyond them.
    var maximumResults = EngineSettings.unlimited

    /// Whether the number at the start of a sorted result is that of all matches.
    var countsSorted = false

    /// The name of the distance in results.
    static let distance = "distance"

    /// The method of searching the nearest neighbours.
    enum Scan: Sendable, Equatable {
        /// Every matching record is measured.
        case exact
        /// Along the graph, with this many candidates, unless the engine expects that measuring
        /// the records that match the filter is quicker.
        case approximate(breadth: Int)
        /// Along the graph in any case.
        case graph(breadth: Int)
    }

    /// The end of a ranking to return, and how much of it.
    struct Window: Sendable, Equatable {
        let offset: Int
        let limit: Int

        init(offset: Int = 0, limit: Int) {
            self.offset = offset
            self.limit = limit
        }

        init(_ page: PageRequest) {
            offset = page.offset
            limit = page.limit
        }

        /// - Throws: ``MemoryError`` with code `unsupported` if the engine does not return as many
        ///   results.
        func end(within maximumResults: Int) throws(MemoryError) -> Int {
            let (end, overflow) = offset.addingReportingOverflow(limit)
            guard !overflow, end <= maximumResults else { throw EngineSettings.refusal(beyond: maximumResults) }
            return end
        }
    }

    /// How many records match: a result without rows.
    ///
    /// - Parameter keys: if given, only records at these keys.
    func count(_ query: QueryText, amongKeys keys: [String]? = nil) -> RedisCommand {
        var command = RedisCommand("FT.SEARCH", index, query.text, "NOCONTENT", "VERBATIM")
        restrict(&command, keys)
        command.append(["LIMIT", "0", "0"])
        finish(&command, query)
        return command
    }

    /// Ids, newest first, then by id.
    func newest(_ query: QueryText, _ window: Window) throws(MemoryError) -> RedisCommand {
        try sorted(query, ["@created_at", "DESC", "@id_", "ASC"], window)
    }

    /// Ids, in their order.
    func identified(_ query: QueryText, _ window: Window) throws(MemoryError) -> RedisCommand {
        try sorted(query, ["@id_", "ASC"], window)
    }

    /// Ids, by fields that can be sorted by, each with `ASC` or `DESC`; `@id_` must be among them.
    func sorted(_ query: QueryText, _ order: [String], _ window: Window) throws(MemoryError) -> RedisCommand {
        var command = RedisCommand("FT.AGGREGATE", index, query.text, "VERBATIM")
        try sort(&command, order, window)
        finish(&command, query)
        return command
    }

    /// Ids with distances, nearest first, then by id.
    ///
    /// - Parameters:
    ///   - candidates: how many neighbours the engine collects before the window is cut out of
    ///     them.
    ///   - keys: if given, only records at these keys.
    func nearestQuery(
        _ query: QueryText, to vector: [UInt8], candidates: Int, scan: Scan, _ window: Window, keys: [String]? = nil
    ) throws(MemoryError) -> RedisCommand {
        var query = query
        let name = query.parameter(bytes: vector)
        var filter = query.text
        var options = ""
        switch (scan, algorithm) {
        case (.exact, .hnsw):
            // The engine measures everything only with a filter, so there always is one: no record
            // has this id.
            if query.isEmpty { filter = "-@id_:{\(query.tag("\u{1F}"))}" }
            options = " HYBRID_POLICY ADHOC_BF"
        case (.approximate(let breadth), .hnsw):
            options = " EF_RUNTIME \(max(breadth, candidates))"
        case (.graph(let breadth), .hnsw):
            options = " HYBRID_POLICY BATCHES EF_RUNTIME \(max(breadth, candidates))"
        case (_, .flat):
            break
        }
        let source = filter == "*" ? filter : "(\(filter))"
        var command = RedisCommand(
            "FT.AGGREGATE", index,
            "\(source)=>[KNN \(candidates) @\(RecordHash.vector) \(name)\(options) AS \(Self.distance)]")
        restrict(&command, keys)
        try sort(&command, ["@\(Self.distance)", "ASC", "@id_", "ASC"], window)
        finish(&command, query)
        return command
    }

    /// Ids with text scores, best first, then by id. `query` must have the words.
    func bestMatches(
        _ query: QueryText, scorer: String, _ window: Window, keys: [String]? = nil
    ) throws(MemoryError) -> RedisCommand {
        var command = RedisCommand("FT.AGGREGATE", index, query.text)
        restrict(&command, keys)
        command.append(["VERBATIM", "SCORER", scorer, "ADDSCORES"])
        try sort(&command, ["@__score", "DESC", "@id_", "ASC"], window)
        finish(&command, query)
        return command
    }

    /// Ids with the words of the records, in no order; at most ``maximumResults``.
    func terms(_ query: QueryText) -> RedisCommand {
        var command = RedisCommand(
            "FT.AGGREGATE", index, query.text, "VERBATIM", "LOAD", "2", "@id_", "@\(RecordHash.keywordTerms)")
        command.append(["LIMIT", "0", String(maximumResults)])
        finish(&command, query)
        return command
    }

    /// Keys of hashes without words.
    func withoutTerms(limit: Int) -> RedisCommand {
        RedisCommand(
            "FT.SEARCH", index, "ismissing(@\(RecordHash.keywordTerms))", "NOCONTENT", "LIMIT", "0", String(limit),
            "TIMEOUT",
            String(timeout), "DIALECT", "2")
    }

    /// Keys of hashes without a vector.
    func withoutVector(_ window: Window) -> RedisCommand {
        RedisCommand(
            "FT.SEARCH", index, "ismissing(@\(RecordHash.vector))", "NOCONTENT", "LIMIT", String(window.offset),
            String(window.limit), "TIMEOUT", String(timeout), "DIALECT", "2")
    }

    /// Keys of hashes that were updated at a date or later.
    func updated(since date: Timestamp, _ window: Window) -> RedisCommand {
        var query = QueryText()
        query.add("@updated_at:[\(query.plain(RedisDate.text(date))) +inf]")
        var command = RedisCommand("FT.SEARCH", index, query.text, "NOCONTENT")
        command.append(["LIMIT", String(window.offset), String(window.limit)])
        finish(&command, query)
        return command
    }

    /// Keys of hashes that expired at a date or earlier.
    func expired(at date: Timestamp, limit: Int) -> RedisCommand {
        var query = QueryText()
        query.add("@\(RecordHash.name(.expiresAt)):[-inf \(query.plain(RedisDate.text(date)))]")
        var command = RedisCommand("FT.SEARCH", index, query.text, "NOCONTENT")
        command.append(["LIMIT", "0", String(limit)])
        finish(&command, query)
        return command
    }

    /// Finds nothing, at once: checks whether the index exists.
    var probe: RedisCommand {
        RedisCommand(
            "FT.SEARCH", index, "@id_:{$p0}", "NOCONTENT", "LIMIT", "0", "0", "PARAMS", "2", "p0", "\u{1F}", "DIALECT",
            "2")
    }

    private func restrict(_ command: inout RedisCommand, _ keys: [String]?) {
        guard let keys else { return }
        command.append("INKEYS")
        command.append(keys.count)
        command.append(keys)
    }

    private func sort(_ command: inout RedisCommand, _ order: [String], _ window: Window) throws(MemoryError) {
        let end = try window.end(within: maximumResults)
        command.append(["SORTBY", String(order.count)] + order + ["MAX", String(end)])
        command.append(["LIMIT", String(window.offset), String(window.limit)])
    }

    func finish(_ command: inout RedisCommand, _ query: QueryText) {
        command.append(["TIMEOUT", String(timeout)])
        query.appendParameters(to: &command)
        command.append(["DIALECT", "2"])
    }
}
