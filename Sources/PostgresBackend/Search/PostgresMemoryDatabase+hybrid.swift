import AgentMemory
import PostgresDriver
import Synchronization

extension PostgresMemoryDatabase {
    /// Rule S6.
    func hybridSearch(
        _ query: SearchQuery, alpha: Double, _ scorer: TextScorer
    ) async throws -> Page<SearchHit> {
        let vector = try await embedding(of: query.text)
        let keywords = analyzer.query(query.text)
        if !keywords.isEmpty { readsWords.store(true, ordering: .relaxed) }
        return try await call { deadline in
            let limit = query.depth.hybridCandidates
            let few = self.keywordLooks.withLock(\.few)
            // In the exact zone every matching record is a candidate.
            func candidates(_ matches: Int) -> Int? { matches <= SearchDepth.exactZone ? nil : limit }
            let count = self.countForSearchStatement(query.filter, phrases: keywords.phrases)
            let guess = self.recentCounts.guess(count)
            // Where the best by keyword are found by levels, the statistics must come first;
            // otherwise they are read by the statement that ranks.
            let hasLevels = limit != nil && KeywordWeights.isSum(keywords.words, scorer)
            var known: MatchCounts?
            var ranking = KeywordWeights(countedInStatement: keywords.words, scorer: scorer)
            var strongest: [Int]?
            if let limit, hasLevels, !keywords.isEmpty, guess.map({ $0.matches > few }) ?? true {
                let opening = try await self.read(
                    [count, KeywordStatisticsSQL.of(keywords.words)], deadline: deadline)
                let counts = try MatchCounts(opening[0])
                let statistics = try KeywordStatistics(opening[1])
                ranking = KeywordWeights(
                    words: keywords.words, idf: statistics.idf, average: statistics.average, scorer: scorer)
                known = counts
                self.recentCounts.note(count, counts, wasRight: guess.map { _ in counts.matches > few })
                if counts.matches > few, ranking.isSum {
                    strongest = try await self.strongest(
                        keywords, ranking, self.cutoff(statistics), query.filter, isOwned: false, limit: limit,
                        deadline)
                }
            }
            let (weights, numbers) = (ranking, strongest)
            let (result, _, matches) = try await self.findNearest(
                query.filter, vector, phrases: keywords.phrases, known: known, deadline, candidates: candidates,
                statement: { plan, matches in
                    let found = numbers.map(KeywordCandidates.strongest) ?? .matching(matches <= few ? .owned : .all)
                    return self.sql.hybridQuery(
                        vector, keywords, weights, found, alpha: alpha, filter: query.filter, plan: plan,
                        candidates: candidates(matches), page: query.page)
                })
            // A query without words is ranked by the distance alone.
            let weight = keywords.isEmpty ? 1 : alpha
            return try self.hitPage(result, total: matches, query) { record, ranked in
                let hit = SearchHit(record, relativeScore: ranked.score, .hybrid)
                guard query.explains else { return hit }
                return hit.explained(
                    by: RankExplanation(
                        hybrid: record, value: ranked.value,
                        similarity: weight * self.space.metric.similarity(ofDistance: ranked.distance),
                        text: query.text, analyzer: self.analyzer))
            }
        }
    }
}
