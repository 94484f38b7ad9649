public import AgentMemory
import RedisDriver

extension RedisMemoryDatabase {
    public func search(_ query: SearchQuery) async throws -> Page<SearchHit> {
        switch query.ranking {
        case .semantic(nil): return try await semanticSearch(query)
        case .semantic(let threshold?): return try await thresholdSearch(threshold, query)
        case .semanticWithRecency(let weights): return try await recencySearch(query, weights)
        case .keyword(let scorer): return try await keywordSearch(query, scorer)
        case .hybrid(let alpha, let scorer): return try await hybridSearch(query, alpha: alpha, scorer)
        case .blended(let ranking): return try await blendedSearch(query, ranking)
        }
    }

    /// The query's vector in the engine's form.
    func vector(of query: SearchQuery) async throws -> [UInt8] {
        RecordHash.bytes(of: try await embedder.checkedEmbeddings(of: [query.text])[0])
    }

    private func semanticSearch(_ query: SearchQuery) async throws -> Page<SearchHit> {
        let vector = try await vector(of: query)
        return try await readingPage { commands, ready in
            try ready.settings.check(query.filter)
            let (total, rows) = try await findNearest(
                commands, QueryText(query.filter), to: vector, candidates: query.depth.semanticCandidates,
                query.page)
            return try await hitPage(query, total, rows) { row, record in
                SearchHit(record, distance: row.distance ?? .infinity)
            }
        }
    }

    /// The total, and the requested part of the nearest records.
    ///
    /// In the exact zone all matches are measured; beyond it, as many candidates are collected as
    /// the depth says; with `candidates` nil all matches are measured, however many there are.
    func findNearest(
        _ commands: SearchCommands, _ query: QueryText, to vector: [UInt8], candidates: Int?, _ page: PageRequest
    ) async throws -> (total: Int, rows: [SearchRow]) {
        func isExact(_ total: Int) -> Bool { total <= SearchDepth.exactZone || candidates == nil }
        let isBroad = try await isBroad(query, candidates: candidates, commands)
        func command(total: Int) throws(MemoryError) -> RedisCommand {
            let count = total <= SearchDepth.exactZone ? SearchDepth.exactZone : candidates ?? total
            guard isExact(total) else {
                // All candidates are returned, because they show whether the graph can be trusted
                // here.
                return try commands.nearestQuery(
                    query, to: vector, candidates: count, scan: Self.approximateScan(count, isBroad: isBroad),
                    .init(limit: count))
            }
            return try commands.nearestQuery(
                query, to: vector, candidates: count, scan: .exact, .init(page, total: count))
        }
        func rows(_ reply: RedisValue, total: Int) async throws -> [SearchRow] {
            let rows = try SearchRow.rows(reply)
            guard let candidates, !isExact(total) else {
                return try await appendingVectorless(to: rows, commands, query, total: total, page)
            }
            guard commands.algorithm == .hnsw, SearchRow.showManyEquals(rows) else {
                return Array(rows.dropFirst(page.offset).prefix(page.limit))
            }
            let exact = try commands.nearestQuery(query, to: vector, candidates: candidates, scan: .exact, .init(page))
            return try SearchRow.rows(try await client.send(exact, isRead: true))
        }
        let guessedExact = matchCounts.isExact(query)
        let total: Int
        if candidates != nil, page.offset < SearchDepth.exactZone {
            let guess = try command(total: guessedExact ? 0 : .max)
            let replies = try await client.pipeline([commands.count(query), guess], isRead: true)
            total = try Self.total(replies[0])
            matchCounts.learn(query, total)
            if guessedExact == (total <= SearchDepth.exactZone) {
                return (total, try await rows(replies[1], total: total))
            }
        } else {
            total = try Self.total(try await client.send(commands.count(query), isRead: true))
            matchCounts.learn(query, total)
        }
        guard page.offset < total else { return (total, []) }
        return (total, try await rows(try await client.send(try command(total: total), isRead: true), total: total))
    }

    /// The graph search keeps as many records as candidates as it returns, which on 20,000
    /// clustered vectors found 998 of 1,000 nearest. Twice as many take nearly twice the time.
    static func approximateScan(_ candidates: Int, isBroad: Bool) -> SearchCommands.Scan {
        isBroad ? .graph(breadth: candidates) : .approximate(breadth: candidates)
    }

    /// Whether a filter matches so nearly everything that the graph finds its neighbours sooner.
    /// The engine itself measures every match, which took 72 ms for 100,000, and the graph 5.
    func isBroad(_ filter: QueryText, candidates: Int?, _ commands: SearchCommands) async throws -> Bool {
        guard let candidates, commands.algorithm == .hnsw, !filter.isEmpty, let matches = matchCounts.count(filter),
            matches >= MatchCounts.fewest
        else { return false }
        let everything: Int
        if let known = matchCounts.everything {
            everything = known
        } else {
            everything = try Self.total(try await client.send(commands.count(QueryText()), isRead: true))
            matchCounts.learnEverything(everything)
        }
        return MatchCounts.favorsGraph(matches: matches, of: everything, candidates: candidates)
    }

    /// Rule S2's threshold: all records within it are found first, then counted and cut into pages.
    private func thresholdSearch(_ threshold: Double, _ query: SearchQuery) async throws -> Page<SearchHit> {
        let vector = try await vector(of: query)
        return try await readingPage { commands, ready in
            try ready.settings.check(query.filter)
            let text = QueryText(query.filter)
            let matching = try Self.total(try await client.send(commands.count(text), isRead: true))
            var candidates = query.depth == .full ? matching : SearchDepth.exactZone
            while true {
                let isExact = candidates >= matching
                let command = try commands.nearestQuery(
                    text, to: vector, candidates: candidates,
                    scan: isExact ? .exact : .approximate(breadth: candidates), .init(limit: max(1, candidates)))
                let rows = try SearchRow.rows(try await client.send(command, isRead: true))
                if !isExact, commands.algorithm == .hnsw, SearchRow.showManyEquals(rows) {
                    candidates = matching
                    continue
                }
                let near = rows.prefix { ($0.distance ?? .infinity) <= threshold }
                if isExact || near.count < rows.count {
                    let wanted = near.dropFirst(query.page.offset).prefix(query.page.limit)
                    return try await hitPage(query, near.count, Array(wanted)) { row, record in
                        SearchHit(record, distance: row.distance ?? .infinity)
                    }
                }
                candidates = min(matching, candidates * 8)
            }
        }
    }

    /// Rule S7.
    private func recencySearch(_ query: SearchQuery, _ weights: RecencyWeights) async throws -> Page<SearchHit> {
        let vector = try await vector(of: query)
        return try await readingPage { commands, ready in
            try ready.settings.check(query.filter)
            let candidates = query.depth.recencyCandidates
            let everything = try PageRequest(
                limit: min(candidates ?? PageRequest.maximumLimit, PageRequest.maximumLimit))
            var (total, rows) = try await findNearest(
                commands, QueryText(query.filter), to: vector, candidates: candidates, everything)
            if candidates == nil, total > everything.limit {
                let command = try commands.nearestQuery(
                    QueryText(query.filter), to: vector, candidates: total, scan: .exact, .init(limit: total))
                rows = try SearchRow.rows(try await client.send(command, isRead: true))
            }
            let dates = try await client.pipeline(
                rows.map { RedisCommand("HMGET", key($0.id), "created_at", "last_accessed") }, isRead: true)
            let now = Timestamp.now()
            let scored = try zip(rows, dates).map { row, reply in
                let similarity = configuration.distanceMetric.similarity(ofDistance: row.distance ?? .infinity)
                let values = try reply.hashFields()
                func date(_ index: Int) -> Timestamp? {
                    values.indices.contains(index) ? values[index].string.flatMap(RedisDate.timestamp) : nil
                }
                // Hashes of another server may lack a date: such a record counts as old.
                let created = date(0) ?? .earliest
                let score = weights.serverSideScore(
                    similarity: similarity, lastAccessed: date(1) ?? created, createdAt: created, now: now)
                return Ranked(id: row.id, value: score, distance: row.distance)
            }
            let wanted = Ranked.sorted(scored).dropFirst(query.page.offset).prefix(query.page.limit)
            return try await hitPage(query, total, Array(wanted)) { ranked, record in
                SearchHit(record, distance: ranked.distance ?? .infinity, recencyScore: ranked.value)
            }
        }
    }

    /// Loads the records of the rows, each of which has the id of its record.
    func hitPage<Row: Identifiable<String>>(
        _ query: SearchQuery, _ total: Int, _ rows: [Row], _ hit: (Row, MemoryRecord) -> SearchHit
    ) async throws -> LoadedPage<SearchHit> {
        let records = try await records(rows.map(\.id))
        let hits = rows.enumerated().map { i, row in records[i].map { hit(row, $0) } }
        return LoadedPage(hits, total: total, request: query.page)
    }
}
