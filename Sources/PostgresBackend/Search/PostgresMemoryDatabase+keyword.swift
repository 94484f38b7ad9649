import AgentMemory
import PostgresDriver

extension PostgresMemoryDatabase {
    /// Rule S5.
    func keywordSearch(_ query: SearchQuery, _ scorer: TextScorer) async throws -> Page<SearchHit> {
        let keywords = analyzer.query(query.text)
        guard !keywords.isEmpty else { return Page(items: [], total: 0, request: query.page) }
        return try await call { deadline in
            let result = try await self.read(
                self.sql.keywordQuery(keywords, scorer: scorer, filter: query.filter, page: query.page),
                deadline: deadline)
            return try self.hitPage(result, total: try result[0].int("total"), query) {
                SearchHit($0, relativeScore: $1.score, .keyword)
            }
        }
    }
}
