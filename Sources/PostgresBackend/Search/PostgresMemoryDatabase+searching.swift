public import AgentMemory
import PostgresDriver

extension PostgresMemoryDatabase {
    public func search(_ query: SearchQuery) async throws -> Page<SearchHit> {
        if layout == .spread { return try await searchSpread(query) }
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
            // A threshold may include any number of records: more candidates than the depth has
            // show whether they end inside of it.
            let candidates =
                threshold == nil ? query.depth.semanticCandidates : query.depth.semanticCandidates.map { _ in 1000 }
            // Codes say what is nearest, but not how much is within a distance: three thousand of
            // 8,000 random directions hold 83 % of the nearest quarter.
            let codesApply = threshold == nil
            let (result, plan, matches) = try await self.findNearest(
                query.filter, vector, codesApply: codesApply, deadline, candidates: { _ in candidates },
                isEnough: { result, candidates in
                    // All candidates are within the threshold: there may be more of them.
                    try threshold == nil || result[0].int("total") < candidates
                },
                statement: { plan, _ in
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
            func candidates(_ matches: Int) -> Int? {
                matches <= SearchDepth.exactZone ? nil : query.depth.recencyCandidates
            }
            let (result, _, matches) = try await self.findNearest(
                query.filter, vector, deadline, candidates: candidates,
                statement: { plan, matches in
                    self.sql.recencyQuery(
                        vector, filter: query.filter, plan: plan, candidates: candidates(matches), weights: weights,
                        now: now, page: query.page)
                })
            return try self.hitPage(result, total: matches, query) {
                SearchHit($0, distance: $1.distance, recencyScore: $1.score)
            }
        }
    }

    // MARK: Shared

    /// Counts the matching records and sends the statement of the plan that follows from that, and
    /// the exact one after it if the index did not return enough.
    ///
    /// What the same filter matched last is likely to be what it matches now: then the count and
    /// the statement are one round trip.
    ///
    /// - Parameters:
    ///   - known: the counts, if they were read a moment ago.
    ///   - codesApply: whether the plan with codes may be chosen.
    ///   - candidates: the depth's constant, given the number of matches; `nil` means all.
    ///   - isEnough: a further condition on the approximate result, given the number of its
    ///     candidates.
    ///   - statement: that of a plan, given the number of matches.
    func findNearest(
        _ filter: MemoryFilter, _ vector: [Float], phrases: [[String]] = [], known: MatchCounts? = nil,
        codesApply: Bool = true,
        _ deadline: ContinuousClock.Instant, candidates: (Int) -> Int?,
        isEnough: (PostgresResult, Int) throws -> Bool = { _, _ in true },
        statement: (SearchPlan, Int) -> PostgresStatement
    ) async throws -> (PostgresResult, SearchPlan, matches: Int) {
        let codesApply = codesApply && space.isCoded && phrases.isEmpty && FilterSQL.isOfOneUser(filter)
        let remembered = codesApply ? self.remembered(filter) : nil
        if let remembered,
            let found = try await findRemembered(
                remembered, vector, deadline, candidates: candidates, statement: statement)
        {
            return found
        }
        let count = countForSearchStatement(filter, phrases: phrases)
        func search(_ counts: MatchCounts) -> (plan: SearchPlan, statements: [PostgresStatement]) {
            let plan = SearchPlan.choose(
                matches: counts.matches, total: counts.total, candidates: candidates(counts.matches),
                zone: SearchDepth.exactZone, indexed: space.algorithm == .hnsw, coded: codesApply)
            let settings = scanSettings(for: plan, filtered: counts.matches < counts.total)
            return (plan, settings + [statement(plan, counts.matches)])
        }
        let counts: MatchCounts
        let plan: SearchPlan
        let result: PostgresResult
        if let known {
            counts = known
            let statements: [PostgresStatement]
            (plan, statements) = search(counts)
            let results = try await read(statements, deadline: deadline)
            result = results[results.count - 1]
        } else {
            let guess = recentCounts.guess(count).map(search)
            let results = try await read([count] + (guess?.statements ?? []), deadline: deadline)
            counts = try MatchCounts(results[0])
            let statements: [PostgresStatement]
            (plan, statements) = search(counts)
            let isRight = guess.map { $0.statements == statements }
            recentCounts.note(count, counts, wasRight: isRight)
            if isRight == true {
                result = results[results.count - 1]
            } else {
                let results = try await read(statements, deadline: deadline)
                result = results[results.count - 1]
            }
        }
        guard let expected = plan.expectedCandidates else { return (result, plan, counts.matches) }
        let found = try result[0].int("extra")
        if found >= min(expected, counts.matches), try isEnough(result, expected) {
            if case .coded = plan, let remembered { noteComparison(remembered, matches: counts.matches) }
            return (result, plan, counts.matches)
        }
        return (
            try await read(statement(.exact, counts.matches), deadline: deadline), .exact, counts.matches
        )
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
