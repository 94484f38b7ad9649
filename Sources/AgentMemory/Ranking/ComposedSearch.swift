/// A blended search (rule S11) over a backend that knows only semantic and keyword search: the
/// candidates are the nearest and the best by keyword, with what their records say.
///
/// Late interaction has no bits there and is left out.
struct ComposedSearch {
    private let database: any MemoryVectorDatabase
    private let analyzer = TextAnalyzer()

    init(_ database: any MemoryVectorDatabase) {
        self.database = database
    }

    func page(of query: SearchQuery, _ ranking: BlendedRanking) async throws -> Page<SearchHit> {
        // The metric is the backend's own; what it calls near, a similarity of cosine orders alike.
        let blend = BlendedQuery(query.text, ranking, metric: .cosine, tokens: nil, analyzer: analyzer)
        let request = blend.candidates(near: [], query)
        let (total, hits) = try await found(query, request)
        let counter = TermCounter(request.words)
        let candidates = hits.map { record, distance in
            let (frequencies, length) = counter.count(
                analyzer.words(in: record.text).joined(separator: " ").utf8)
            return RankingCandidate(
                id: record.id, distance: distance, frequencies: frequencies, length: length,
                createdAt: record.createdAt, eventDate: record.eventDate,
                session: RankingSession(
                    namespace: record.namespace, userID: record.userID, sessionID: record.sessionID))
        }
        let order = blend.finish(
            blend.rank(CandidateSet(total: total, candidates: candidates, containing: nil)), bits: [:])
        let records = Dictionary(hits.map { (ExactString($0.record.id), $0.record) }) { first, _ in first }
        let page = order.page(query.page)
        return Page(
            items: blend.hits(page, of: order, records, explains: query.explains), total: total, request: query.page)
    }

    /// The number of matching records, and the candidates with their distances.
    private func found(
        _ query: SearchQuery, _ request: CandidateQuery
    ) async throws -> (total: Int, [(record: MemoryRecord, distance: Double)]) {
        let matches = try await database.count(query.filter)
        guard matches > 0 else { return (0, []) }
        let pool = request.poolSize(matches: matches)
        let near = try await all(query, .semantic(distanceThreshold: nil), pool)
        var total = matches
        var hits = near.items.map { (record: $0.record, distance: $0.distance) }
        if !request.phrases.isEmpty {
            // A record that has the phrases has their words, so keyword search counts it.
            total = try await all(query, byWords, 1).total
            hits.removeAll { hit in
                let words = analyzer.words(in: hit.record.text)
                return !request.phrases.allSatisfy { words.containsRun($0) }
            }
        }
        guard pool != nil, !request.keywords.isEmpty else { return (total, hits) }
        let known = Set(hits.map { ExactString($0.record.id) })
        let strongest = try await all(query, byWords, pool).items.map(\.record)
        let far = strongest.filter { !known.contains(ExactString($0.id)) }
        guard !far.isEmpty else { return (total, hits) }
        // They match the filter already, whatever it says of ids.
        var tags = query.filter.tags
        tags[.id] = try TagCondition(field: .id, any: far.map(\.id))
        let among = query.filter.with(tags: tags)
        let measured = try await all(
            query.filtered(by: among), .semantic(distanceThreshold: nil), far.count)
        hits += measured.items.map { (record: $0.record, distance: $0.distance) }
        return (total, hits)
    }

    /// The keyword search, or the hybrid one that ranks as it does.
    private var byWords: SearchQuery.Ranking {
        database.capabilities.keywordSearch ? .keyword(.bm25std) : .hybrid(alpha: 0, .bm25std)
    }

    /// So many of the best hits, or all of them.
    private func all(
        _ query: SearchQuery, _ ranking: SearchQuery.Ranking, _ limit: Int?
    ) async throws -> Page<SearchHit> {
        var items: [SearchHit] = []
        while true {
            let missing = (limit ?? .max) - items.count
            let page = try await database.search(
                SearchQuery(
                    text: query.text, ranking: ranking, filter: query.filter,
                    page: PageRequest(limit: min(missing, 1000), offset: items.count)))
            items += page.items
            if page.nextOffset == nil || page.items.isEmpty || items.count >= limit ?? .max {
                return Page(items: items, total: page.total, nextOffset: page.nextOffset)
            }
        }
    }
}
