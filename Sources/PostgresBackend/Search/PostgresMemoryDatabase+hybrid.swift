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
        return try await call { deadline in
            let limit = query.depth.hybridCandidates
            let few = self.keywordLooks.withLock(\.few)
            // In the exact zone every matching record is a candidate.
            func candidates(_ matches: Int) -> Int? { matches <= SearchDepth.exactZone ? nil : limit }
            let opening = try await self.read(
                [self.countForSearchStatement(query.filter, phrases: keywords.phrases)]
                    + (keywords.isEmpty ? [] : [KeywordStatisticsSQL.of(keywords.words)]), deadline: deadline)
            let counts = try MatchCounts(opening[0])
            var weights = KeywordWeights(words: [], idf: [], average: 0, scorer: scorer)
            var strongest = KeywordCandidates.matching(counts.matches <= few ? .owned : .all)
            if opening.count > 1 {
                let statistics = try KeywordStatistics(opening[1])
                weights = KeywordWeights(
                    words: keywords.words, idf: statistics.idf, average: statistics.average, scorer: scorer)
                if counts.matches > few, let limit, weights.isSum {
                    strongest = .strongest(
                        try await self.strongest(
                            keywords, weights, self.cutoff(statistics), query.filter, isOwned: false, limit: limit,
                            deadline))
                }
            }
            let (found, ranking) = (strongest, weights)
            let (result, _, matches) = try await self.findNearest(
                query.filter, phrases: keywords.phrases, known: counts, deadline, candidates: candidates,
                statement: { plan, matches in
                    self.sql.hybridQuery(
                        vector, keywords, ranking, found, alpha: alpha, filter: query.filter, plan: plan,
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
