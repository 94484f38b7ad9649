/// A backend that delivers the candidates of a blended search (rule S11), for the core to rank.
///
/// Its capabilities say `blendedSearch`, and its ``MemoryVectorDatabase/search(_:)`` calls
/// ``blendedSearch(_:_:)``.
public protocol CandidateDatabase: MemoryVectorDatabase {
    var embedder: any Embedder { get }
    var metric: DistanceMetric { get }
    var analyzer: TextAnalyzer { get }

    /// The records that may be among the best.
    func candidates(_ query: CandidateQuery) async throws -> CandidateSet

    /// The bits of these records' tokens; those that have none of this model are left out.
    func tokenBits(of ids: [String], modelTag: UInt32) async throws -> [ExactString: TokenBits]

    /// The records with these ids; a record that was deleted meanwhile is left out.
    func records(withIDs ids: [String]) async throws -> [ExactString: MemoryRecord]
}

extension CandidateDatabase {
    /// Ranks the candidates, and loads the records of the page.
    ///
    /// A record that is deleted between the two steps would leave the page short, and a client
    /// takes a short page for the last one; so the search runs again, up to three times.
    public func blendedSearch(_ query: SearchQuery, _ ranking: BlendedRanking) async throws -> Page<SearchHit> {
        // Thousands of candidates take a while: not on a thread that has connections to serve.
        try await withTaskExecutorPreference(globalConcurrentExecutor) {
            try await blendedPage(query, ranking)
        }
    }

    private func blendedPage(_ query: SearchQuery, _ ranking: BlendedRanking) async throws -> Page<SearchHit> {
        let encoding = try await embedder.checkedEncodings(of: [query.text])[0]
        let blend = BlendedQuery(query.text, ranking, metric: metric, tokens: encoding.tokens, analyzer: analyzer)
        let wanted = blend.candidates(near: encoding.vector, query)
        var attempt = 1
        while true {
            let found = try await candidates(wanted)
            var order = blend.rank(found)
            var bits: [ExactString: TokenBits] = [:]
            if blend.usesTokens, let tag = embedder.tokenModelTag {
                bits = try await tokenBits(of: order.lateIDs, modelTag: tag)
            }
            order = blend.finish(order, bits: bits)
            let entries = order.page(query.page)
            let records = try await records(withIDs: entries.map(\.candidate.id))
            let hits = blend.hits(entries, of: order, records, explains: query.explains)
            if hits.count == entries.count || attempt == 3 {
                return Page(items: hits, total: found.total, request: query.page)
            }
            attempt += 1
        }
    }
}

extension BlendedOrder {
    /// The entries of a page.
    func page(_ page: PageRequest) -> ArraySlice<Entry> {
        entries.dropFirst(page.offset).prefix(page.limit)
    }
}

extension BlendedQuery {
    /// The hits of the entries whose records are there.
    func hits(
        _ entries: ArraySlice<BlendedOrder.Entry>, of order: BlendedOrder, _ records: [ExactString: MemoryRecord],
        explains: Bool
    ) -> [SearchHit] {
        let best = order.best
        return entries.compactMap { entry in
            guard let record = records[ExactString(entry.candidate.id)] else { return nil }
            let score = best > 0 ? min(1, max(0, entry.value / best)) : 0
            let explanation =
                explains
                ? RankExplanation(
                    entry, words: keywords.filter { entry.candidate.frequencies[$0] > 0 }.map { words[$0] },
                    isLateMissing: ranking.lateInteraction > 0 && !order.comparedTokens)
                : nil
            return switch ranking.base {
            case .semantic:
                SearchHit(
                    record, distance: entry.candidate.distance, score: score, scoreType: .semantic,
                    explanation: explanation)
            case .hybrid:
                SearchHit(record, distance: 1 - score, score: score, scoreType: .hybrid, explanation: explanation)
            }
        }
    }
}
