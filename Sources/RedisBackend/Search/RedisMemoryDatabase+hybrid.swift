import AgentMemory
import RedisDriver

extension RedisMemoryDatabase {
    /// Rule S6: the union of the nearest records and the best matches, ranked by both.
    func hybridSearch(_ query: SearchQuery, alpha: Double, _ scorer: TextScorer) async throws -> Page<SearchHit> {
        let words = analyzer.query(query.text)
        let vector = try await vector(of: query)
        return try await readingPage { commands, ready in
            try ready.settings.check(query.filter)
            let scope = try await scope(commands, query.filter, words)
            let candidates = query.depth.hybridCandidates
            let found =
                try await lists(commands, scope, words, vector, candidates, KeywordScoring(scorer))
            // A query without words is ranked by the distance alone.
            let alpha = words.isEmpty ? 1 : alpha
            let ranked = Ranked.sorted(
                found.union(found.total <= SearchDepth.exactZone ? nil : candidates).map { id in
                    // Only a record without a vector has none.
                    let distance = found.distances[ExactString(id)] ?? configuration.distanceMetric.farthest
                    let similarity = configuration.distanceMetric.similarity(ofDistance: distance)
                    let relative = found.bestRank > 0 ? (found.ranks[ExactString(id)] ?? 0) / found.bestRank : 0
                    return Ranked(id: id, value: alpha * similarity + (1 - alpha) * relative, distance: distance)
                })
            let wanted = ranked.dropFirst(query.page.offset).prefix(query.page.limit)
            let best = ranked.first?.value ?? 0
            return try await hitPage(query, found.total, Array(wanted)) { ranked, record in
                let hit = SearchHit(record, relativeScore: best > 0 ? ranked.value / best : 0, .hybrid)
                guard query.explains, let distance = ranked.distance else { return hit }
                let similarity = alpha * configuration.distanceMetric.similarity(ofDistance: distance)
                return hit.explained(
                    by: RankExplanation(
                        hybrid: record, value: ranked.value, similarity: similarity, text: query.text,
                        analyzer: analyzer))
            }
        }
    }

    /// The two candidate lists with what is known of both values.
    struct Lists {
        var total = 0
        var nearestIDs: [String] = []
        var matchingIDs: [String] = []
        var distances: [ExactString: Double] = [:]
        var ranks: [ExactString: Double] = [:]
        var bestRank = 0.0

        /// The number of candidates of each list, each id once; nil means all.
        func union(_ candidates: Int?) -> [String] {
            var seen = Set<ExactString>(minimumCapacity: nearestIDs.count + matchingIDs.count)
            let (near, matching) = (nearestIDs.prefix(candidates ?? .max), matchingIDs.prefix(candidates ?? .max))
            return (near + matching).filter { id in
                seen.insert(ExactString(id)).inserted
            }
        }
    }

    /// - Parameters:
    ///   - candidates: of each list beyond the exact zone; `nil` is all.
    ///   - ranksAll: whether the distance and the rank of every candidate are wanted. If not, the
    ///     best matches beyond the exact zone are found, and may lack a distance.
    func lists(
        _ commands: SearchCommands, _ scope: Scope, _ words: KeywordQuery, _ vector: [UInt8], _ candidates: Int?,
        _ scoring: KeywordScoring, ranksAll: Bool = true
    ) async throws -> Lists {
        // Where all ranks are wanted, those of single records are requested as well, and then the
        // text must work in a search among keys.
        let text =
            words.isEmpty
            ? scope.query : QueryText(words: words, in: scope.query, amongKeys: ranksAll || scope.keys != nil)

        let isBroad =
            scope.keys == nil ? try await isBroad(scope.query, candidates: candidates, commands) : false

        let cutoff = candidates == nil ? nil : try await self.cutoff(commands, scope, words, scoring)

        func batch(total: Int) throws(MemoryError) -> [RedisCommand] {
            let isExact = total <= SearchDepth.exactZone
            let count = isExact ? SearchDepth.exactZone : candidates ?? total
            let scan: SearchCommands.Scan =
                isExact || candidates == nil || scope.keys != nil
                ? .exact : Self.approximateScan(count, isBroad: isBroad)
            let nearest = try commands.nearestQuery(
                scope.query, to: vector, candidates: count, scan: scan, .init(limit: count), keys: scope.keys)
            guard !words.isEmpty, cutoff == nil, ranksAll || !isExact && candidates != nil else {
                return [nearest]
            }
            return [
                nearest,
                try commands.bestMatches(text, scorer: scoring.engineName, .init(limit: count), keys: scope.keys),
            ]
        }

        var lists = Lists()
        let guessedExact = matchCounts.isExact(scope.query)
        var answers: [RedisValue]?
        if let keys = scope.keys {
            lists.total = keys.count
        } else if candidates != nil {
            let replies = try await client.pipeline(
                [commands.count(scope.query)] + batch(total: guessedExact ? 0 : .max), isRead: true)
            lists.total = try Self.total(replies[0])
            if guessedExact == (lists.total <= SearchDepth.exactZone) { answers = Array(replies.dropFirst()) }
        } else {
            lists.total = try Self.total(try await client.send(commands.count(scope.query), isRead: true))
        }
        let isExact = lists.total <= SearchDepth.exactZone
        if scope.keys == nil { matchCounts.learn(scope.query, lists.total) }
        guard lists.total > 0 else { return lists }
        let replies: [RedisValue] =
            if let answers { answers } else { try await client.pipeline(try batch(total: lists.total), isRead: true) }

        var near = try SearchRow.rows(replies[0])
        if !isExact, let candidates, scope.keys == nil, commands.algorithm == .hnsw, SearchRow.showManyEquals(near) {
            let exact = try commands.nearestQuery(
                scope.query, to: vector, candidates: candidates, scan: .exact, .init(limit: candidates))
            near = try SearchRow.rows(try await client.send(exact, isRead: true))
        }
        if isExact, scope.keys == nil {
            near = try await appendingVectorless(
                to: near, commands, scope.query, total: lists.total, try PageRequest(limit: SearchDepth.exactZone))
        }
        lists.nearestIDs.reserveCapacity(near.count)
        lists.distances.reserveCapacity(near.count)
        for row in near {
            lists.nearestIDs.append(row.id)
            lists.distances[ExactString(row.id)] = row.distance
        }
        var matching = replies.count > 1 ? try SearchRow.rows(replies[1]) : []
        if let cutoff, ranksAll || !isExact {
            let limit = isExact ? SearchDepth.exactZone : candidates ?? lists.total
            matching = try await bestRows(commands, scope, words, text, scoring, cutoff, limit: limit)
        }
        for row in matching {
            let rank = scoring.rank(row)
            lists.bestRank = max(lists.bestRank, rank)
            lists.matchingIDs.append(row.id)
            lists.ranks[ExactString(row.id)] = rank
        }
        // Complete lists leave no gap: a record that does not match has no word of the query.
        if ranksAll, !isExact, candidates != nil, !words.isEmpty {
            try await fillGaps(&lists, commands, scope, text, vector, scoring)
        }
        return lists
    }

    /// Requests the distances of matches that are not near, and the ranks of near records that are
    /// not among the best.
    private func fillGaps(
        _ lists: inout Lists, _ commands: SearchCommands, _ scope: Scope, _ text: QueryText, _ vector: [UInt8],
        _ scoring: KeywordScoring
    ) async throws {
        let far = lists.matchingIDs.filter { lists.distances[ExactString($0)] == nil }
        let other = lists.nearestIDs.filter { lists.ranks[ExactString($0)] == nil }
        var batch: [RedisCommand] = []
        if !far.isEmpty {
            batch.append(try distances(commands, of: far, scope.query, to: vector))
        }
        if !other.isEmpty {
            batch.append(
                try commands.bestMatches(
                    text, scorer: scoring.engineName, .init(limit: other.count), keys: other.map(key)))
        }
        for reply in try await client.pipeline(batch, isRead: true) {
            for row in try SearchRow.rows(reply) {
                if let distance = row.distance { lists.distances[ExactString(row.id)] = distance }
                if row.score != nil { lists.ranks[ExactString(row.id)] = scoring.rank(row) }
            }
        }
    }

    /// The command that measures records whose distance no search told.
    func distances(
        _ commands: SearchCommands, of ids: [String], _ filter: QueryText, to vector: [UInt8]
    ) throws(MemoryError) -> RedisCommand {
        try commands.nearestQuery(
            filter, to: vector, candidates: ids.count, scan: .exact, .init(limit: ids.count), keys: ids.map(key))
    }
}
