public import AgentMemory
import PostgresDriver
import Synchronization

/// Rule S11.
extension PostgresMemoryDatabase: CandidateDatabase {
    public func candidates(_ query: CandidateQuery) async throws -> CandidateSet {
        if layout == .spread { return try await candidatesSpread(query) }
        return try await call { deadline in
            let count = self.countForSearchStatement(query.filter, phrases: query.phrases)
            let all = self.sql.allCandidatesQuery(query)
            let statistics = KeywordStatisticsSQL.of(query.words)
            // Without a pool every match is a candidate, and no statistics are needed.
            let expectsAll = self.recentCounts.guess(count).map { query.poolSize(matches: $0.matches) == nil } ?? false
            let opening = try await self.read([count, expectsAll ? all : statistics], deadline: deadline)
            let counts = try MatchCounts(opening[0])
            let pool = query.poolSize(matches: counts.matches)
            self.recentCounts.note(count, counts, wasRight: expectsAll ? pool == nil : nil)
            let isSent = expectsAll == (pool == nil)
            let next = try await isSent ? opening[1] : self.read(pool == nil ? all : statistics, deadline: deadline)
            guard let pool else {
                let found = try Self.candidates(next, query)
                // A record may have come or gone between the two statements.
                return CandidateSet(total: found.count, candidates: found, containing: nil)
            }
            self.readsWords.store(true, ordering: .relaxed)
            let words = try KeywordStatistics(next)
            let holding = try await self.holding(query, words, counts.matches, deadline)
            let strongest = try await self.strongest(query, words, holding, counts.matches, limit: pool, deadline)
            let (result, _, matches) = try await self.findNearest(
                query.filter, query.vector, phrases: query.phrases, known: counts, deadline,
                candidates: query.poolSize(matches:),
                statement: { plan, _ in
                    self.sql.candidatesQuery(query, plan: plan, candidates: pool, strongest: strongest)
                })
            return CandidateSet(
                total: matches, candidates: try Self.candidates(result, query), containing: holding)
        }
    }

    /// How many of the matching records hold each word.
    private func holding(
        _ query: CandidateQuery, _ statistics: KeywordStatistics, _ matches: Int, _ deadline: ContinuousClock.Instant
    ) async throws -> [Int] {
        guard !query.words.isEmpty else { return [] }
        let stored = statistics.words.map(\.holding)
        if query.filter.isEmpty, query.phrases.isEmpty, reachesEverything { return stored }
        let statement = KeywordSQL.holding(query, byIndex: stored.reduce(0, { $0.adding($1) }) < matches)
        let version = query.filter.dates[.lastAccessed] == nil ? statistics.version : nil
        if let known = versionedCounts.counts(statement, within: database.limit, version: version) { return known }
        let row = try await read(statement, deadline: deadline).singleRow()
        let counts = try query.words.indices.map { try row.int($0) }
        versionedCounts.note(statement, within: database.limit, version: version, counts)
        return counts
    }

    /// The best by BM25 over the matching records. The average length is that of the whole store,
    /// which shifts only the end of this list.
    private func strongest(
        _ query: CandidateQuery, _ statistics: KeywordStatistics, _ holding: [Int], _ matches: Int, limit: Int,
        _ deadline: ContinuousClock.Instant
    ) async throws -> [Int] {
        guard !query.keywords.isEmpty else { return [] }
        let keywords = Set(query.keywords.map(ExactString.init))
        let positions = query.words.indices.filter { keywords.contains(ExactString(query.words[$0])) }
        let idf = positions.map { BM25.inverseDocumentFrequency(documents: matches, containing: holding[$0]) }
        let weights = KeywordWeights(
            words: positions.map { query.words[$0] }, idf: idf, average: statistics.average, scorer: .bm25std)
        let cutoff = statistics.cutoff(
            positions, holding: holding, of: matches, firstLook: keywordLooks.withLock(\.first))
        return try await strongest(
            KeywordQuery(words: weights.words, phrases: query.phrases), weights, cutoff, query.filter,
            isOwned: matches <= keywordLooks.withLock(\.few), limit: limit, deadline)
    }

    private static func candidates(
        _ result: PostgresResult, _ query: CandidateQuery
    ) throws -> [RankingCandidate] {
        let columns = try CandidateColumns(of: result, query.words)
        return try result.rows.compactMap { try columns.candidate($0) }
    }

    public func tokenBits(of ids: [String], modelTag: UInt32) async throws -> [ExactString: TokenBits] {
        try await call { deadline in
            let statement =
                self.layout == .spread ? SpreadSearchSQL.tokenBits(of: ids) : SearchSQL.tokenBits(of: ids)
            let result = try await self.read(statement, deadline: deadline)
            var bits: [ExactString: TokenBits] = [:]
            for row in result.rows {
                bits[ExactString(try row.text(0))] = TokenBits(storedBytes: try row.rawBytes(1), modelTag: modelTag)
            }
            return bits
        }
    }

    public func records(withIDs ids: [String]) async throws -> [ExactString: MemoryRecord] {
        guard !ids.isEmpty else { return [:] }
        return try await call { deadline in
            try await self.read(
                PostgresStatement(
                    "SELECT \(RecordSQL.selection) FROM memories m WHERE m.id = ANY ($1)", [.textArray(ids)]),
                deadline: deadline
            ).recordsByID()
        }
    }
}
