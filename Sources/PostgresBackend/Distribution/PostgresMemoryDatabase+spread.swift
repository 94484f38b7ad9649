import AgentMemory
import PostgresDriver
import Synchronization

/// How many records there were lately, from which searches with a filter choose their plan: to
/// count all for each would cost more than the search.
final class RecentTotal: Sendable {
    private static let kept: Duration = .seconds(30)

    private let state = Mutex<(count: Int, at: ContinuousClock.Instant)?>(nil)

    /// `nil` if it was not counted lately.
    var count: Int? { state.withLock { $0.flatMap { $0.at + Self.kept > .now ? $0.count : nil } } }

    func note(_ count: Int) { state.withLock { $0 = (count, .now) } }
}

/// Searches over tables that are divided over nodes: ``SpreadSearchSQL`` finds ids, and these rank
/// them.
extension PostgresMemoryDatabase {
    private var spread: SpreadSearchSQL { SpreadSearchSQL(space: space) }

    func searchSpread(_ query: SearchQuery) async throws -> Page<SearchHit> {
        switch query.ranking {
        case .semantic(let threshold): return try await semanticSpread(query, threshold)
        case .semanticWithRecency(let weights): return try await recencySpread(query, weights)
        case .keyword(let scorer): return try await keywordSpread(query, scorer)
        case .hybrid(let alpha, let scorer): return try await hybridSpread(query, alpha, scorer)
        case .blended(let ranking): return try await blendedSearch(query, ranking)
        }
    }

    private struct Near: Sendable {
        let id: String
        let distance: Double
    }

    /// What a ranking needs of a record.
    private struct Candidate {
        let near: Near
        let lastAccessed: Timestamp
        let ranking: RankingCandidate
    }

    private struct Ranked<Value> {
        let id: String
        let value: Double
        let detail: Value
    }

    private static func nearestFirst(_ a: Near, _ b: Near) -> Bool {
        a.distance != b.distance ? a.distance < b.distance : ExactString(a.id) < ExactString(b.id)
    }

    private static func bestFirst<Value>(_ ranked: [Ranked<Value>]) -> [Ranked<Value>] {
        ranked.sorted { $0.value != $1.value ? $0.value > $1.value : ExactString($0.id) < ExactString($1.id) }
    }

    // MARK: Parts of a search

    private func count(
        _ filter: MemoryFilter, _ phrases: [[String]], _ deadline: ContinuousClock.Instant
    ) async throws -> MatchCounts {
        var statements = [ClusterSQL.countOnNodes(filter, phrases: phrases)]
        let known = recentTotal.count
        if known == nil { statements.append(ClusterSQL.countOnNodes(.everything)) }
        let results = try await read(statements, deadline: deadline)
        let matches = try results[0].singleRow().int(0)
        let total = try known ?? results[1].singleRow().int(0)
        if known == nil { recentTotal.note(total) }
        return MatchCounts(matches: matches, total: max(matches, total))
    }

    /// The nearest of the matching records in their order.
    ///
    /// - Parameters:
    ///   - candidates: as many as the index must return; `nil` for all.
    ///   - limit: as many as are needed if all are measured; `nil` for all.
    ///   - isEnough: a further condition on what the index has returned.
    /// - Returns: them, and whether all were measured.
    private func nearest(
        _ vector: [Float], _ filter: MemoryFilter, _ phrases: [[String]], _ counts: MatchCounts, candidates: Int?,
        limit: Int?, threshold: Double? = nil, _ deadline: ContinuousClock.Instant,
        isEnough: ([Near]) -> Bool = { _ in true }
    ) async throws -> (found: [Near], isExact: Bool) {
        let plan = SearchPlan.choose(
            matches: counts.matches, total: counts.total, candidates: candidates, zone: SearchDepth.exactZone,
            indexed: space.algorithm == .hnsw)
        if let expected = plan.expectedCandidates {
            let statement = spread.nearest(vector, filter: filter, phrases: phrases, plan: plan, limit: nil)
            let settings = scanSettings(for: plan, filtered: counts.matches < counts.total)
            let results = try await read(settings + [statement], deadline: deadline)
            let found = try Self.near(results[results.count - 1]).sorted(by: Self.nearestFirst)
            let equals = Dictionary(grouping: found, by: \.distance).values.map(\.count).max() ?? 0
            if equals <= SearchSQL.trustedEquals, found.count >= min(expected, counts.matches), isEnough(found) {
                return (found, false)
            }
        }
        let statement = spread.nearest(
            vector, filter: filter, phrases: phrases, plan: .exact, threshold: threshold, limit: limit)
        let found = try Self.near(try await read(statement, deadline: deadline))
        return (found.sorted(by: Self.nearestFirst), true)
    }

    private static func near(_ result: PostgresResult) throws -> [Near] {
        try result.rows.map { Near(id: try $0.text(0), distance: try $0.float8(1)) }
    }

    /// - Parameter words: those whose frequencies are wanted.
    private static func candidates(_ result: PostgresResult, _ words: [String]) throws -> [Candidate] {
        let (columns, accessed) = (try CandidateColumns(of: result, words), try result.column("last_accessed"))
        return try result.rows.compactMap { row in
            guard let candidate = try columns.candidate(row) else { return nil }
            return Candidate(
                near: Near(id: candidate.id, distance: candidate.distance), lastAccessed: try row.date(accessed),
                ranking: candidate)
        }
    }

    /// The page of `ranked` as hits; a record that was deleted meanwhile is left out.
    private func page<Value>(
        _ ranked: [Ranked<Value>], total: Int, _ query: SearchQuery, _ hit: (MemoryRecord, Ranked<Value>) -> SearchHit
    ) async throws -> Page<SearchHit> {
        let part = query.page.part(of: ranked)
        let records = try await records(withIDs: part.map(\.id))
        let hits = part.compactMap { entry in records[ExactString(entry.id)].map { hit($0, entry) } }
        return Page(items: hits, total: total, request: query.page)
    }

    /// The words with their inverse document frequencies in the whole store, and the average number
    /// of words of a record; `nil` if no record has a word.
    private func statistics(
        _ words: [String], _ deadline: ContinuousClock.Instant
    ) async throws -> (words: [(word: String, idf: Double)], average: Double)? {
        let results = try await read(
            [SpreadSearchSQL.statistics, spread.holding(words, filter: .everything, phrases: [])], deadline: deadline)
        let row = try results[0].singleRow()
        let (records, length) = (try row.int(0), try row.int(1))
        recentTotal.note(records)
        guard records > 0, length > 0 else { return nil }
        let holding = try Self.holding(results[1], words)
        return (
            zip(words, holding).map {
                ($0, BM25.inverseDocumentFrequency(documents: records, containing: $1))
            }, Double(length) / Double(records)
        )
    }

    private static func holding(_ result: PostgresResult, _ words: [String]) throws -> [Int] {
        var holding: [ExactString: Int] = [:]
        for row in result.rows { holding[ExactString(try row.text(0))] = try row.int(1) }
        return words.map { holding[ExactString($0)] ?? 0 }
    }

    private static func rank(
        _ candidate: RankingCandidate, _ words: [(word: String, idf: Double)], _ scorer: TextScorer, average: Double
    ) -> Double {
        let held = zip(words, candidate.frequencies).compactMap { word, frequency in
            frequency > 0 ? KeywordRank.Word(idf: word.idf, frequency: frequency) : nil
        }
        return KeywordRank.value(
            scorer, words: held, documentLength: candidate.length, averageDocumentLength: average)
    }

    // MARK: Rankings

    private func semanticSpread(_ query: SearchQuery, _ threshold: Double?) async throws -> Page<SearchHit> {
        let vector = try await embedding(of: query.text)
        return try await call { deadline in
            let counts = try await self.count(query.filter, [], deadline)
            let candidates =
                threshold == nil ? query.depth.semanticCandidates : query.depth.semanticCandidates.map { _ in 1000 }
            func within(_ found: [Near]) -> [Near] {
                threshold.map { most in found.filter { $0.distance <= most } } ?? found
            }
            let (found, isExact) = try await self.nearest(
                vector, query.filter, [], counts, candidates: candidates, limit: query.page.end, threshold: threshold,
                deadline, isEnough: { threshold == nil || within($0).count < $0.count })
            let hits = within(found)
            var total = threshold == nil ? counts.matches : hits.count
            if isExact, let threshold, hits.count >= query.page.end {
                total = try await self.read(
                    self.spread.countWithin(threshold, of: vector, filter: query.filter), deadline: deadline
                ).singleRow().int(0)
            }
            let ranked = hits.map { Ranked(id: $0.id, value: $0.distance, detail: ()) }
            return try await self.page(ranked, total: total, query) { SearchHit($0, distance: $1.value) }
        }
    }

    private func recencySpread(_ query: SearchQuery, _ weights: RecencyWeights) async throws -> Page<SearchHit> {
        let vector = try await embedding(of: query.text)
        let now = Timestamp.now()
        return try await call { deadline in
            let counts = try await self.count(query.filter, [], deadline)
            let limit = counts.matches <= SearchDepth.exactZone ? nil : query.depth.recencyCandidates
            let details: PostgresResult
            if let limit {
                let (found, _) = try await self.nearest(
                    vector, query.filter, [], counts, candidates: limit, limit: limit, deadline)
                details = try await self.read(
                    self.spread.details(of: found.prefix(limit).map(\.id), vector), deadline: deadline)
            } else {
                details = try await self.read(self.spread.details(query.filter, [], vector), deadline: deadline)
            }
            let ranked = try Self.candidates(details, []).map { candidate in
                let score = weights.serverSideScore(
                    similarity: self.space.metric.similarity(ofDistance: candidate.near.distance),
                    lastAccessed: candidate.lastAccessed, createdAt: candidate.ranking.createdAt, now: now)
                return Ranked(id: candidate.near.id, value: score, detail: candidate.near.distance)
            }
            return try await self.page(Self.bestFirst(ranked), total: counts.matches, query) {
                SearchHit($0, distance: $1.detail, recencyScore: $1.value)
            }
        }
    }

    private func keywordSpread(_ query: SearchQuery, _ scorer: TextScorer) async throws -> Page<SearchHit> {
        let keywords = analyzer.query(query.text)
        let nothing = Page<SearchHit>(items: [], total: 0, request: query.page)
        guard !keywords.isEmpty else { return nothing }
        return try await call { deadline in
            guard let (words, average) = try await self.statistics(keywords.words, deadline) else { return nothing }
            let results = try await self.read(
                [
                    KeywordSQL.count(keywords, filter: query.filter, commonest: nil),
                    self.spread.strongest(
                        words, scorer, average: average, filter: query.filter, phrases: keywords.phrases,
                        limit: query.page.end),
                ], deadline: deadline)
            let ranked = try results[1].rows.map { Ranked(id: try $0.text(0), value: try $0.float8(1), detail: ()) }
            let best = ranked.first?.value ?? 0
            return try await self.page(ranked, total: try results[0].singleRow().int(0), query) {
                SearchHit($0, relativeScore: best > 0 ? $1.value / best : 0, .keyword)
            }
        }
    }

    private func hybridSpread(_ query: SearchQuery, _ alpha: Double, _ scorer: TextScorer) async throws -> Page<
        SearchHit
    > {
        let vector = try await embedding(of: query.text)
        let keywords = analyzer.query(query.text)
        return try await call { deadline in
            let counts = try await self.count(query.filter, keywords.phrases, deadline)
            let (words, average) =
                try await (keywords.isEmpty ? nil : self.statistics(keywords.words, deadline)) ?? ([], 0)
            let limit = counts.matches <= SearchDepth.exactZone ? nil : query.depth.hybridCandidates
            let details: PostgresResult
            if let limit {
                let (near, _) = try await self.nearest(
                    vector, query.filter, keywords.phrases, counts, candidates: limit, limit: limit, deadline)
                var ids = near.prefix(limit).map(\.id)
                if !words.isEmpty {
                    ids += try await self.read(
                        self.spread.strongest(
                            words, scorer, average: average, filter: query.filter, phrases: keywords.phrases,
                            limit: limit), deadline: deadline
                    ).rows.map { try $0.text(0) }
                }
                details = try await self.read(
                    self.spread.details(of: ids.exactlyDistinct(), vector), deadline: deadline)
            } else {
                details = try await self.read(
                    self.spread.details(query.filter, keywords.phrases, vector), deadline: deadline)
            }
            let candidates = try Self.candidates(details, words.map(\.word))
            let ranks = candidates.map { Self.rank($0.ranking, words, scorer, average: average) }
            let best = ranks.max() ?? 0
            // A query without words is ranked by the distance alone.
            let weight = keywords.isEmpty ? 1 : alpha
            let ranked = zip(candidates, ranks).map { candidate, rank in
                let similarity = weight * self.space.metric.similarity(ofDistance: candidate.near.distance)
                let keyword = best > 0 ? (1 - weight) * (rank / best) : 0
                return Ranked(id: candidate.near.id, value: similarity + keyword, detail: similarity)
            }
            let ordered = Self.bestFirst(ranked)
            let top = ordered.first?.value ?? 0
            return try await self.page(ordered, total: counts.matches, query) { record, entry in
                let hit = SearchHit(record, relativeScore: top > 0 ? entry.value / top : 0, .hybrid)
                guard query.explains else { return hit }
                return hit.explained(
                    by: RankExplanation(
                        hybrid: record, value: entry.value, similarity: entry.detail, text: query.text,
                        analyzer: self.analyzer))
            }
        }
    }

    /// Rule S11.
    func candidatesSpread(_ query: CandidateQuery) async throws -> CandidateSet {
        try await call { deadline in
            let counts = try await self.count(query.filter, query.phrases, deadline)
            guard let pool = query.poolSize(matches: counts.matches) else {
                let details = try await self.read(
                    self.spread.details(query.filter, query.phrases, query.vector), deadline: deadline)
                let all = try Self.candidates(details, query.words).map(\.ranking)
                return CandidateSet(total: all.count, candidates: all, containing: nil)
            }
            let (near, _) = try await self.nearest(
                query.vector, query.filter, query.phrases, counts, candidates: pool, limit: pool, deadline)
            var ids = near.prefix(pool).map(\.id)
            let results = try await self.read(
                [
                    self.spread.holding(query.words, filter: query.filter, phrases: query.phrases),
                    SpreadSearchSQL.statistics,
                ], deadline: deadline)
            let holding = try Self.holding(results[0], query.words)
            let row = try results[1].singleRow()
            let (records, length) = (try row.int(0), try row.int(1))
            if !query.keywords.isEmpty, length > 0 {
                let wanted = Set(query.keywords.map(ExactString.init))
                let words = zip(query.words, holding).filter { wanted.contains(ExactString($0.0)) }.map {
                    (
                        word: $0.0,
                        idf: BM25.inverseDocumentFrequency(documents: counts.matches, containing: $0.1)
                    )
                }
                ids += try await self.read(
                    self.spread.strongest(
                        words, .bm25std, average: Double(length) / Double(max(1, records)), filter: query.filter,
                        phrases: query.phrases, limit: pool), deadline: deadline
                ).rows.map { try $0.text(0) }
            }
            let details = try await self.read(
                self.spread.details(of: ids.exactlyDistinct(), query.vector), deadline: deadline)
            return CandidateSet(
                total: counts.matches, candidates: try Self.candidates(details, query.words).map(\.ranking),
                containing: holding)
        }
    }

    func neighborsSpread(of records: [MemoryRecord], reach: Int) async throws -> [SessionNeighbors] {
        let inSession = records.indices.filter { records[$0].sessionID != nil }
        var neighbors = records.map { _ in SessionNeighbors.none }
        guard !inSession.isEmpty, reach > 0 else { return neighbors }
        let statements = inSession.flatMap { index in
            [true, false].map { SpreadSearchSQL.neighbors(of: records[index], before: $0, reach: reach) }
        }
        let results = try await call { deadline in try await self.read(statements, deadline: deadline) }
        func memories(_ result: PostgresResult) throws -> [SessionNeighbors.Memory] {
            try result.rows.map { SessionNeighbors.Memory(id: try $0.text(0), text: try $0.text(1)) }
        }
        for (position, index) in inSession.enumerated() {
            neighbors[index] = SessionNeighbors(
                before: try memories(results[2 * position]).reversed(), after: try memories(results[2 * position + 1]))
        }
        return neighbors
    }

    /// Removes some of what has expired by a date.
    func removeExpiredSpread(
        at date: Timestamp, limit: Int, _ deadline: ContinuousClock.Instant
    ) async throws -> Int {
        let ids = try await database.query(
            ClusterSQL.expired(at: date, limit: limit), retry: .repeatable, deadline: deadline
        ).rows.map { try $0.text(0) }
        guard !ids.isEmpty else { return 0 }
        _ = try await database.query(
            ClusterSQL.removeExpired(ids, at: date), retry: .repeatable, deadline: deadline)
        return ids.count
    }
}
