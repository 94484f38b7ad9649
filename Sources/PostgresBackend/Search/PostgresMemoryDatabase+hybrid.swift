import AgentMemory
import PostgresDriver

extension PostgresMemoryDatabase {
    /// Rule S6.
    func hybridSearch(
        _ query: SearchQuery, alpha: Double, _ scorer: TextScorer
    ) async throws -> Page<SearchHit> {
        let vector = try await embedding(of: query.text)
        let keywords = analyzer.query(query.text)
        return try await call { deadline in
            let limit = query.depth.hybridCandidates
            // In the exact zone every matching record is a candidate.
            func candidates(_ matches: Int) -> Int? { matches <= SearchDepth.exactZone ? nil : limit }
            let (result, _, matches) = try await self.findNearest(
                query.filter, phrases: keywords.phrases, deadline, candidates: candidates,
                statement: { plan, matches in
                    self.sql.hybridQuery(
                        vector, keywords, scorer: scorer, alpha: alpha, filter: query.filter, plan: plan,
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
