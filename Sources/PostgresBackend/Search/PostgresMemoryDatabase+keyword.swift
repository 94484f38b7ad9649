import AgentMemory
import PostgresDriver
import Synchronization

extension PostgresMemoryDatabase {
    /// Rule S5.
    func keywordSearch(_ query: SearchQuery, _ scorer: TextScorer) async throws -> Page<SearchHit> {
        let keywords = analyzer.query(query.text)
        guard !keywords.isEmpty else { return Page(items: [], total: 0, request: query.page) }
        readsWords.store(true, ordering: .relaxed)
        return try await call { deadline in
            let few = self.keywordLooks.withLock(\.few)
            let filterCount = SearchSQL.count(query.filter, limit: few.adding(1))
            let expectsFew = self.recentCounts.guess(filterCount).map { $0.matches <= few }
            if !query.filter.isEmpty, expectsFew == true {
                // The statistics travel with the ranking. If the filter matches more by now, the
                // page is the same and only took longer.
                let weights = KeywordWeights(countedInStatement: keywords.words, scorer: scorer)
                let results = try await self.read(
                    [
                        filterCount,
                        self.sql.keywordQuery(keywords, weights, .owned, filter: query.filter, page: query.page),
                    ], deadline: deadline)
                _ = try self.noteFew(filterCount, results[0], expected: true, few)
                return try self.keywordPage(results[1], total: try results[1][0].int("total"), query)
            }
            let opening = try await self.read(
                [KeywordStatisticsSQL.of(keywords.words)] + (query.filter.isEmpty ? [] : [filterCount]),
                deadline: deadline)
            let statistics = try KeywordStatistics(opening[0])
            let weights = KeywordWeights(
                words: keywords.words, idf: statistics.idf, average: statistics.average, scorer: scorer)
            let isOwned =
                try opening.count > 1 && self.noteFew(filterCount, opening[1], expected: expectsFew, few)
            var total = KnownTotal(keywords, query.filter, statistics, self)
            var found: PostgresResult?
            try await self.rankParts(
                weights, isOwned ? nil : self.cutoff(statistics), isOwned: isOwned,
                limit: query.page.offset.adding(query.page.limit)
            ) { part in
                let statement = self.sql.keywordQuery(
                    keywords, weights, part, filter: query.filter, page: query.page)
                var statements = [statement]
                if case .level = part, total.value == nil { statements.append(total.statement) }
                let results = try await self.read(statements, deadline: deadline)
                if results.count > 1 { total.note(try results[1].singleRow().int(0), self) }
                found = results[0]
                let row = try results[0][0]
                let matches = try row.int("total")
                // A part that is the whole counts the matches itself.
                if !part.isLevel { total.value = matches }
                let last = try results[0].column("extra")
                return (matches, row.isNull(last) ? 0 : try row.float8(last))
            }
            guard let found else { throw MemoryError(.internalError, "no part was ranked") }
            return try self.keywordPage(found, total: total.value ?? 0, query)
        }
    }

    /// Remembers whether the filter of a keyword search matches few records.
    ///
    /// - Parameter expected: whether that was expected; `nil` if nothing was.
    /// - Returns: whether it does.
    private func noteFew(
        _ count: PostgresStatement, _ result: PostgresResult, expected: Bool?, _ few: Int
    ) throws -> Bool {
        let matches = try result.singleRow().int(0)
        recentCounts.note(
            count, MatchCounts(matches: matches, total: 0), wasRight: expected.map { $0 == (matches <= few) })
        return matches <= few
    }

    private func keywordPage(_ result: PostgresResult, total: Int, _ query: SearchQuery) throws -> Page<SearchHit> {
        try hitPage(result, total: total, query) { SearchHit($0, relativeScore: $1.score, .keyword) }
    }

    /// The numbers of the best records by keyword.
    ///
    /// - Parameters:
    ///   - isOwned: whether the filter matches few records (``KeywordLooks/few``).
    ///   - limit: how many are wanted.
    func strongest(
        _ keywords: KeywordQuery, _ weights: KeywordWeights, _ cutoff: KeywordCutoff, _ filter: MemoryFilter,
        isOwned: Bool, limit: Int, _ deadline: ContinuousClock.Instant
    ) async throws -> [Int] {
        var numbers: [Int] = []
        try await rankParts(weights, cutoff, isOwned: isOwned, limit: limit) { part in
            let result = try await self.read(
                SearchSQL.strongest(keywords, weights, part, filter: filter, limit: limit), deadline: deadline)
            numbers = try result.rows.map { try $0.int(0) }
            return (numbers.count, numbers.isEmpty ? 0 : try result[numbers.count - 1].float8(1))
        }
        return numbers
    }

    /// Ranks parts of the matching records as ``KeywordCutoff/ranking(limit:_:)`` does.
    ///
    /// - Parameter cutoff: `nil` if all must be ranked.
    private func rankParts(
        _ weights: KeywordWeights, _ cutoff: KeywordCutoff?, isOwned: Bool, limit: Int,
        _ rank: (KeywordSQL.Part) async throws -> (found: Int, last: Double)
    ) async throws {
        guard !isOwned, weights.isSum, let cutoff else {
            _ = try await rank(isOwned ? .owned : .all)
            return
        }
        try await cutoff.ranking(limit: limit) { try await rank($0.map { .level($0) } ?? .all) }
    }
}

/// How many records keyword searches look at. Tests make the numbers small, so that few records
/// do.
struct KeywordLooks: Sendable {
    /// A filter that matches no more records than this finds them sooner than the words do.
    var few = 5000
    /// How many records the first look takes (``KeywordCutoff``).
    var first = KeywordCutoff.standardLook
}

extension KeywordSQL.Part {
    var isLevel: Bool { if case .level = self { true } else { false } }
}

/// The number of records that match a keyword search, as far as it is known without counting.
private struct KnownTotal {
    var value: Int?
    /// Counts them.
    let statement: PostgresStatement
    private let version: String?
    private let limit: PostgresStatement?

    init(
        _ keywords: KeywordQuery, _ filter: MemoryFilter, _ statistics: KeywordStatistics,
        _ database: PostgresMemoryDatabase
    ) {
        // A last access changes no version.
        version = filter.dates[.lastAccessed] == nil ? statistics.version : nil
        limit = database.database.limit
        let isWhole = filter.isEmpty && keywords.phrases.isEmpty && database.reachesEverything && version != nil
        let most = statistics.words.map(\.holding).max() ?? 0
        let commonest = statistics.words.firstIndex { $0.holding == most }.map { keywords.words[$0] }
        statement = KeywordSQL.count(keywords, filter: filter, commonest: isWhole ? commonest : nil)
        if isWhole, keywords.words.count == 1 || most == statistics.records {
            value = most
        } else {
            value = database.versionedCounts.counts(statement, within: limit, version: version)?.first
        }
    }

    mutating func note(_ total: Int, _ database: PostgresMemoryDatabase) {
        value = total
        database.versionedCounts.note(statement, within: limit, version: version, [total])
    }
}

extension PostgresMemoryDatabase {
    func cutoff(_ statistics: KeywordStatistics) -> KeywordCutoff {
        statistics.cutoff(firstLook: keywordLooks.withLock(\.first))
    }

    /// Whether row security hides nothing from the task.
    var reachesEverything: Bool { database.limit == nil || AccessScope.current?.isEverything == true }
}
