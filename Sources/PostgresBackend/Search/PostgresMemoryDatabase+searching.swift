public import AgentMemory
import PostgresDriver

extension PostgresMemoryDatabase {
    public func search(_ query: SearchQuery) async throws -> Page<SearchHit> {
        switch query.ranking {
        case .semantic(let threshold): return try await semanticSearch(query, threshold: threshold)
        case .semanticWithRecency(let weights): return try await recencySearch(query, weights)
        case .keyword(let scorer): return try await keywordSearch(query, scorer)
        case .hybrid(let alpha, let scorer): return try await hybridSearch(query, alpha: alpha, scorer)
        case .blended(let ranking): return try await blendedSearch(query, ranking)
        }
    }

    private func semanticSearch(_ query: SearchQuery, threshold: Double?) async throws -> Page<SearchHit> {
        let vector = try await embedding(of: query.text)
        return try await call { deadline in
            let (matches, total) = try await self.counts(query.filter, phrases: [], deadline)
            // A threshold may include any number of records: more candidates than the depth has
            // show whether they end inside of it.
            let candidates =
                threshold == nil ? query.depth.semanticCandidates : query.depth.semanticCandidates.map { _ in 1000 }
            let (result, plan) = try await self.findNearest(
                query.filter, matches: matches, total: total, candidates: candidates, deadline,
                isEnough: { result, candidates in
                    // All candidates are within the threshold: there may be more of them.
                    try threshold == nil || result[0].int("total") < candidates
                },
                statement: { plan in
                    self.sql.semanticQuery(
                        vector, filter: query.filter, plan: plan, threshold: threshold, page: query.page)
                })
            let found = threshold == nil && plan != .exact ? matches : try result[0].int("total")
            return try self.hitPage(result, total: found, query) { SearchHit($0, distance: $1.distance) }
        }
    }

    private func recencySearch(_ query: SearchQuery, _ weights: RecencyWeights) async throws -> Page<SearchHit> {
        let vector = try await embedding(of: query.text)
        let now = Timestamp.now()
        return try await call { deadline in
            let (matches, total) = try await self.counts(query.filter, phrases: [], deadline)
            let candidates = matches <= SearchDepth.exactZone ? nil : query.depth.recencyCandidates
            let (result, _) = try await self.findNearest(
                query.filter, matches: matches, total: total, candidates: candidates, deadline,
                statement: { plan in
                    self.sql.recencyQuery(
                        vector, filter: query.filter, plan: plan, candidates: candidates, weights: weights, now: now,
                        page: query.page)
                })
            return try self.hitPage(result, total: matches, query) {
                SearchHit($0, distance: $1.distance, recencyScore: $1.score)
            }
        }
    }

    // MARK: Shared

    func counts(
        _ filter: MemoryFilter, phrases: [[String]], _ deadline: ContinuousClock.Instant
    ) async throws -> (matches: Int, total: Int) {
        let row = try await database.query(
            SearchSQL.countForSearch(filter, phrases: phrases), retry: .repeatable, deadline: deadline
        ).singleRow()
        return (try row.int("matches"), try row.int("total"))
    }

    /// Sends the statement of the chosen plan, and the exact one after it if the index did not
    /// return enough.
    ///
    /// - Parameter isEnough: a further condition on the approximate result, given the number of its
    ///   candidates.
    func findNearest(
        _ filter: MemoryFilter, phrases: [[String]] = [], matches: Int, total: Int, candidates: Int?,
        _ deadline: ContinuousClock.Instant,
        isEnough: (PostgresResult, Int) throws -> Bool = { _, _ in true }, statement: (SearchPlan) -> PostgresStatement
    ) async throws -> (PostgresResult, SearchPlan) {
        let plan = SearchPlan.choose(
            matches: matches, total: total, candidates: candidates, zone: SearchDepth.exactZone,
            indexed: space.algorithm == .hnsw,
            coded: space.isCoded && phrases.isEmpty && FilterSQL.isOfOneUser(filter))
        if let candidates = plan.expectedCandidates {
            let settings = sql.settings(for: plan, filtered: matches < total)
            let results = try await database.pipeline(
                (settings.map { [$0] } ?? []) + [statement(plan)], retry: .repeatable, deadline: deadline)
            let result = results[results.count - 1]
            let found = try result[0].int("extra")
            if found >= min(candidates, matches), try isEnough(result, candidates) { return (result, plan) }
        }
        return (try await database.query(statement(.exact), retry: .repeatable, deadline: deadline), .exact)
    }

    /// The hits of a result with the rows of ``SearchSQL/ranked(with:order:value:extra:page:_:)``.
    func hitPage(
        _ result: PostgresResult, total: Int, _ query: SearchQuery,
        _ hit: (MemoryRecord, (distance: Double, score: Double, value: Double)) throws -> SearchHit
    ) throws -> Page<SearchHit> {
        let columns = try RecordColumns(of: result)
        let (distance, score, value) = (
            try result.column("distance"), try result.column("score"), try result.column("value")
        )
        var hits: [SearchHit] = []
        hits.reserveCapacity(result.count)
        for row in result.rows where !row.isNull(columns[.id]) {
            var source = RecordRow(row: row, columns: columns)
            hits.append(
                try hit(
                    MemoryRecord(reading: &source),
                    (try row.float8(distance), try row.float8(score), try row.float8(value))))
        }
        return Page(items: hits, total: total, request: query.page)
    }
}
