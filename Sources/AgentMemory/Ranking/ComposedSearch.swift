/// A blended search (rule S11) over a backend that knows only semantic and keyword search: the
/// candidates are the nearest and the best by keyword, with what their records say.
///
/// Late interaction is left out unless the backend keeps the bits for it (rule S12).
struct ComposedSearch {
    private struct Hit {
        let record: MemoryRecord
        let distance: Double
        let bytes: [UInt8]?
    }

    private let database: any MemoryVectorDatabase
    private let keeper: (any OpaqueBytesDatabase)?
    private let analyzer = TextAnalyzer()

    /// - Parameter keeper: the same database, if it keeps the bits of tokens.
    init(_ database: any MemoryVectorDatabase, keeper: (any OpaqueBytesDatabase)?) {
        self.database = database
        self.keeper = keeper
    }

    func page(of query: SearchQuery, _ ranking: BlendedRanking) async throws -> Page<SearchHit> {
        // The metric is the backend's own; what it calls near, a similarity of cosine orders alike.
        let blend = BlendedQuery(
            query.text, ranking, metric: .cosine, tokens: try await tokens(of: query, ranking), analyzer: analyzer)
        let request = blend.candidates(near: [], query)
        let (total, hits) = try await found(query, request, withBytes: blend.usesTokens)
        let counter = TermCounter(request.words)
        let candidates = hits.map { hit in
            let record = hit.record
            let (frequencies, length) = counter.count(
                analyzer.words(in: record.text).joined(separator: " ").utf8)
            return RankingCandidate(
                id: record.id, distance: hit.distance, frequencies: frequencies, length: length,
                createdAt: record.createdAt, eventDate: record.eventDate,
                session: RankingSession(
                    namespace: record.namespace, userID: record.userID, sessionID: record.sessionID))
        }
        let ranked = blend.rank(CandidateSet(total: total, candidates: candidates, containing: nil))
        let order = blend.finish(ranked, bits: blend.usesTokens ? bits(of: hits, among: ranked.lateIDs) : [:])
        let records = Dictionary(hits.map { (ExactString($0.record.id), $0.record) }) { first, _ in first }
        let page = order.page(query.page)
        return Page(
            items: blend.hits(page, of: order, records, explains: query.explains), total: total, request: query.page)
    }

    /// The tokens of the query, where there is something to compare them with.
    private func tokens(of query: SearchQuery, _ ranking: BlendedRanking) async throws -> EncodedTokens? {
        guard ranking.lateInteraction > 0, let keeper, keeper.embedder.tokenModelTag != nil else { return nil }
        return try await keeper.embedder.checkedEncodings(of: [query.text])[0].tokens
    }

    private func bits(of hits: [Hit], among ids: [String]) -> [ExactString: TokenBits] {
        guard let tag = keeper?.embedder.tokenModelTag else { return [:] }
        let wanted = Set(ids.map(ExactString.init))
        var bits: [ExactString: TokenBits] = [:]
        for hit in hits {
            let id = ExactString(hit.record.id)
            guard wanted.contains(id), let bytes = hit.bytes else { continue }
            bits[id] = TokenBits(storedBytes: bytes, modelTag: tag)
        }
        return bits
    }

    /// The number of matching records, and the candidates with their distances.
    private func found(
        _ query: SearchQuery, _ request: CandidateQuery, withBytes: Bool
    ) async throws -> (total: Int, [Hit]) {
        let matches = try await database.count(query.filter)
        guard matches > 0 else { return (0, []) }
        let pool = request.poolSize(matches: matches)
        var total = matches
        var hits = try await all(query, .semantic(distanceThreshold: nil), pool, withBytes: withBytes).hits
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
        let strongest = try await all(query, byWords, pool).hits.map(\.record)
        let far = strongest.filter { !known.contains(ExactString($0.id)) }
        guard !far.isEmpty else { return (total, hits) }
        // They match the filter already, whatever it says of ids.
        var tags = query.filter.tags
        tags[.id] = try TagCondition(field: .id, any: far.map(\.id))
        let among = query.filter.with(tags: tags)
        hits += try await all(
            query.filtered(by: among), .semantic(distanceThreshold: nil), far.count, withBytes: withBytes
        ).hits
        return (total, hits)
    }

    /// The keyword search, or the hybrid one that ranks as it does.
    private var byWords: SearchQuery.Ranking {
        database.capabilities.keywordSearch ? .keyword(.bm25std) : .hybrid(alpha: 0, .bm25std)
    }

    /// So many of the best hits, or all of them.
    private func all(
        _ query: SearchQuery, _ ranking: SearchQuery.Ranking, _ limit: Int?, withBytes: Bool = false
    ) async throws -> (hits: [Hit], total: Int) {
        var hits: [Hit] = []
        while true {
            let missing = (limit ?? .max) - hits.count
            let part = try SearchQuery(
                text: query.text, ranking: ranking, filter: query.filter,
                page: PageRequest(limit: min(missing, 1000), offset: hits.count))
            let page: Page<SearchHit>
            var bytes: [[UInt8]?] = []
            if withBytes, let keeper {
                (page, bytes) = try await keeper.searchWithBytes(part)
            } else {
                page = try await database.search(part)
            }
            for (position, hit) in page.items.enumerated() {
                hits.append(
                    Hit(
                        record: hit.record, distance: hit.distance,
                        bytes: bytes.indices.contains(position) ? bytes[position] : nil))
            }
            if page.nextOffset == nil || page.items.isEmpty || hits.count >= limit ?? .max {
                return (hits, page.total)
            }
        }
    }
}
