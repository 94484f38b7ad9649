import AgentMemory

extension Mutant {
    static let searchMutants = [
        Mutant("records at the same distance come in no order", caughtBy: "search/S2-ties-by-id", histories: .searches)
        {
            $0.rankAgain(only: isSemantic) { hits, _ in
                hits.sorted {
                    $0.distance != $1.distance
                        ? $0.distance < $1.distance : ExactString($1.record.id) < ExactString($0.record.id)
                }
            }
        },
        Mutant("the distance threshold is exclusive", caughtBy: "search/S2-distance-threshold") {
            $0.rankAgain(only: isSemantic) { hits, query in
                guard case .semantic(let threshold?) = query.ranking else { return hits }
                return hits.filter { $0.distance < threshold }
            }
        },
        Mutant("the distance threshold is a rank's", caughtBy: "search/S2-distance-threshold", histories: .searches) {
            database in
            let search = database.searching
            database.searching = { query in
                guard case .semantic(let threshold?) = query.ranking else { return try await search(query) }
                let all = try await search(query.ranked(.semantic(distanceThreshold: nil)))
                let near = all.items.filter { $0.distance <= threshold }
                return Page(items: near, total: all.total, nextOffset: all.nextOffset)
            }
        },
        Mutant("filters apply to the nearest 100 only", caughtBy: "search/S4-filters-first") { database in
            let search = database.searching
            database.searching = { query in
                guard isSemantic(query.ranking) else { return try await search(query) }
                let nearest = try await search(
                    SearchQuery(text: query.text, ranking: query.ranking, page: PageRequest(limit: 100)))
                return AlteredDatabase.page(nearest.items.filter { query.filter.matches($0.record) }, query.page)
            }
        },
        Mutant("of equal vectors some are lost", caughtBy: "search/S4-equal-vectors") {
            $0.rankAgain(only: isSemantic) { hits, _ in
                var seen: [Double: Int] = [:]
                return hits.filter { hit in
                    seen[hit.distance, default: 0] += 1
                    return seen[hit.distance, default: 0] <= 400
                }
            }
        },
        Mutant("recency is ignored", caughtBy: "search/S7-server-side-recency", histories: .searches) { database in
            let search = database.searching
            database.searching = { query in
                guard case .semanticWithRecency = query.ranking else { return try await search(query) }
                return try await search(query.ranked(.semantic(distanceThreshold: nil)))
            }
        },
        Mutant("a keyword search needs all words", caughtBy: "keyword/S5-any-word", histories: .searches) {
            $0.rankAgain(only: isKeyword) { hits, query in
                let wanted = TextAnalyzer().query(query.text).words
                return hits.filter { Set(TextAnalyzer().words(in: $0.record.text)).isSuperset(of: wanted) }
            }
        },
        Mutant("a keyword search drops the word the", caughtBy: "keyword/S5-words") { database in
            let search = database.searching
            database.searching = { query in
                guard case .keyword = query.ranking else { return try await search(query) }
                let words = query.text.split(separator: " ").filter {
                    $0.lowercased() != "the" && $0.lowercased() != "and"
                }
                guard !words.isEmpty else { return Page(items: [], total: 0, request: query.page) }
                return try await search(query.asking(words.joined(separator: " ")))
            }
        },
        Mutant("a phrase is its words", caughtBy: "keyword/S5-phrases", histories: .searches) { database in
            let search = database.searching
            database.searching = { query in
                let words = query.text.split(separator: "\"").joined(separator: " ")
                guard isKeyword(query.ranking), !SearchQuery.isBlank(words) else { return try await search(query) }
                return try await search(query.asking(words))
            }
        },
        Mutant("runs without blanks are found whole only", caughtBy: "keyword/S9-scripts-without-blanks") {
            $0.rankAgain(only: isKeyword) { hits, query in
                let analyzer = TextAnalyzer(.wholeRuns)
                let wanted = Set(analyzer.query(query.text).words)
                return hits.filter { !wanted.isDisjoint(with: analyzer.words(in: $0.record.text)) }
            }
        },
        Mutant("a quoted run without blanks is its pairs", caughtBy: "keyword/S9-phrases") { database in
            let search = database.searching
            database.searching = { query in
                let words = query.text.split(separator: "\"").joined(separator: " ")
                guard isKeyword(query.ranking), !words.utf8.allSatisfy({ $0 < 0x80 }) else {
                    return try await search(query)
                }
                return try await search(query.asking(words))
            }
        },
        Mutant("keyword ranks do not count how rare a word is", caughtBy: "keyword/S5-rank-with-filters") { database in
            let search = database.searching
            database.searching = { query in
                guard isKeyword(query.ranking) else { return try await search(query) }
                let found = try await search(AlteredDatabase.whole(query, filter: query.filter))
                let wanted = Set(TextAnalyzer().query(query.text).words)
                let ranked = found.items.map { hit in
                    let words = TextAnalyzer().words(in: hit.record.text)
                    return (hit, Double(words.count { wanted.contains($0) }) / Double(words.count))
                }.sorted { $0.1 > $1.1 }
                let best = ranked.first?.1 ?? 1
                let hits = ranked.map { SearchHit($0.0.record, relativeScore: $0.1 / best, .keyword) }
                return AlteredDatabase.page(hits, query.page)
            }
        },
        blendedMutant("the context of a session does not count", contextWeight: { _ in 0 }),
        blendedMutant("the context of a session counts twice", contextWeight: { min(1, 2 * $0) }),
        blendedMutant("dates do not count", dateWeight: { _ in 0 }),
        blendedMutant(
            "late interaction does not count", caughtBy: "search/S11-late-interaction", lateInteraction: { _ in 0 }),
        blendedMutant(
            "late interaction counts twice", caughtBy: "search/S11-late-interaction", lateInteraction: { 2 * $0 }),
        lateMutant("the likenesses of all tokens are added up") { likenesses, weights in
            zip(likenesses, weights).reduce(0) { $0 + $1.1 * $1.0.reduce(0, +) }
        },
        lateMutant("every word of the query counts alike") { likenesses, _ in
            likenesses.reduce(0) { $0 + ($1.max() ?? 0) } / Double(likenesses.count)
        },
        Mutant("words count by the whole store", caughtBy: "hybrid/S11-own-statistics") { database in
            let search = database.searching
            database.searching = { query in
                guard query.ranking.isBlended else { return try await search(query) }
                let all = try await search(AlteredDatabase.whole(query, filter: .everything))
                return AlteredDatabase.page(all.items.filter { query.filter.matches($0.record) }, query.page)
            }
        },
        Mutant("hybrid ranks only the nearest vectors", caughtBy: "hybrid/S6-union", histories: .searches) { database in
            let search = database.searching
            database.searching = { query in
                guard case .hybrid = query.ranking else { return try await search(query) }
                let all = try await search(AlteredDatabase.whole(query, filter: query.filter))
                let near = try await search(
                    AlteredDatabase.whole(query, filter: query.filter).ranked(.semantic(distanceThreshold: nil)))
                let candidates = Set(near.items.prefix(query.page.end).map { ExactString($0.record.id) })
                let ranked = all.items.filter { candidates.contains(ExactString($0.record.id)) }
                let page = AlteredDatabase.page(ranked, query.page)
                return Page(
                    items: page.items, total: all.total, nextOffset: query.page.end < all.total ? query.page.end : nil)
            }
        },
        Mutant("hybrid ignores its alpha", caughtBy: "hybrid/S6-alpha-ends", histories: .searches) { database in
            let search = database.searching
            database.searching = { query in
                guard case .hybrid(_, let scorer) = query.ranking else { return try await search(query) }
                return try await search(query.ranked(.hybrid(alpha: 0.5, scorer)))
            }
        },
        Mutant("neighbours come from other owners' sessions of one name", caughtBy: "search/S10-neighbors") {
            database in
            let original = database.original
            database.neighboring = { records, reach in
                let all = await original.list(ListQuery(page: try PageRequest(limit: 10_000))).items
                return records.map { record in
                    SessionNeighbors(
                        of: record,
                        among: all.filter { $0.sessionID == record.sessionID }.map { $0.owned(like: record) },
                        reach: reach)
                }
            }
        },
        Mutant("neighbours stand in the order of their ids", caughtBy: "search/S10-neighbors") { database in
            let original = database.original
            database.neighboring = { records, reach in
                let all = await original.list(ListQuery(page: try PageRequest(limit: 10_000))).items
                return records.map { record in
                    let session = all.filter { $0.sharesSession(with: record) }
                    let ids = session.sorted { ExactString($0.id) < ExactString($1.id) }
                    guard let position = ids.firstIndex(where: { $0.id == record.id }) else { return .none }
                    func memory(_ record: MemoryRecord) -> SessionNeighbors.Memory {
                        SessionNeighbors.Memory(id: record.id, text: record.text)
                    }
                    return SessionNeighbors(
                        before: ids[..<position].suffix(reach).map(memory),
                        after: ids[(position + 1)...].prefix(reach).map(memory))
                }
            }
        },
        Mutant("the memories before one come farthest first", caughtBy: "search/S10-neighbors") { database in
            let neighbors = database.neighboring
            database.neighboring = { records, reach in
                try await neighbors(records, reach).map {
                    SessionNeighbors(before: $0.before.reversed(), after: $0.after)
                }
            }
        },
        Mutant(
            "a threshold that is not declared is ignored", caughtBy: "capability/S2-distance-threshold",
            histories: .searches
        ) {
            database in
            let search = database.searching
            database.capabilities = BackendCapabilities(distanceThreshold: false, blendedSearch: true)
            database.searching = { query in
                guard case .semantic = query.ranking else { return try await search(query) }
                return try await search(query.ranked(.semantic(distanceThreshold: nil)))
            }
        },
        Mutant(
            "keyword search that is not declared is semantic", caughtBy: "capability/S5-keyword-search",
            histories: .searches
        ) {
            database in
            let search = database.searching
            database.capabilities = BackendCapabilities(keywordSearch: false, blendedSearch: true)
            database.searching = { query in
                guard case .keyword = query.ranking else { return try await search(query) }
                return try await search(query.ranked(.semantic(distanceThreshold: nil)))
            }
        },
    ]

    private static func isSemantic(_ ranking: SearchQuery.Ranking) -> Bool {
        if case .semantic = ranking { true } else { false }
    }

    private static func isKeyword(_ ranking: SearchQuery.Ranking) -> Bool {
        if case .keyword = ranking { true } else { false }
    }
}

extension SearchQuery {
    func ranked(_ ranking: Ranking) throws -> SearchQuery {
        try SearchQuery(text: text, ranking: ranking, filter: filter, page: page)
    }

    func asking(_ text: String) throws -> SearchQuery {
        try SearchQuery(text: text, ranking: ranking, filter: filter, page: page)
    }
}

extension AlteredDatabase {
    /// Re-orders the whole result of a search, or drops some of it.
    mutating func rankAgain(
        only isMeant: @escaping @Sendable (SearchQuery.Ranking) -> Bool,
        _ other: @escaping @Sendable ([SearchHit], SearchQuery) -> [SearchHit]
    ) {
        let search = searching
        searching = { query in
            guard isMeant(query.ranking) else { return try await search(query) }
            let all = try await search(Self.whole(query, filter: query.filter))
            return Self.page(other(all.items, query), query.page)
        }
    }
}

extension Mutant {
    /// A blended search with other weights.
    private static func blendedMutant(
        _ name: String, caughtBy check: String = "hybrid/S11-formula",
        lateInteraction: @escaping @Sendable (Double) -> Double = { $0 },
        contextWeight: @escaping @Sendable (Double) -> Double = { $0 },
        dateWeight: @escaping @Sendable (Double) -> Double = { $0 }
    ) -> Mutant {
        Mutant(name, caughtBy: check) { database in
            let search = database.searching
            database.searching = { query in
                guard case .blended(let ranking) = query.ranking else { return try await search(query) }
                let other = try BlendedRanking(
                    ranking.base, lateInteraction: lateInteraction(ranking.lateInteraction),
                    contextWeight: contextWeight(ranking.contextWeight), dateWeight: dateWeight(ranking.dateWeight))
                return try await search(query.ranked(.blended(other)))
            }
        }
    }

    /// A blended search with another late interaction: `value` makes it of the likenesses of each
    /// of the query's tokens to those of the record, and of the weights of the query's tokens.
    private static func lateMutant(
        _ name: String, value: @escaping @Sendable (_ likenesses: [[Double]], _ weights: [Double]) -> Double
    ) -> Mutant {
        Mutant(name, caughtBy: "search/S11-late-interaction") { database in
            let (search, embedder) = (database.searching, database.embedder)
            database.searching = { query in
                guard case .blended(let ranking) = query.ranking, ranking.lateInteraction > 0 else {
                    return try await search(query)
                }
                let hits = try await search(
                    SearchQuery(
                        text: query.text, ranking: query.ranking, filter: query.filter,
                        page: PageRequest(limit: PageRequest.maximumLimit), explains: true)
                ).items
                let encodings = try await embedder.encode([query.text] + hits.map(\.record.text)).map(\.tokens)
                guard let asked = encodings[0] else { return try await search(query) }
                let analyzer = TextAnalyzer()
                let held = hits.map { Set(analyzer.words(in: $0.record.text)) }
                let idf = asked.words.map { text in
                    let word = analyzer.words(in: text)
                    return BM25.inverseDocumentFrequency(
                        documents: hits.count, containing: held.count { !$0.isDisjoint(with: word) })
                }
                let weights = idf.map { $0 / idf.reduce(0, +) }
                let known = encodings.dropFirst().map { tokens -> Double? in
                    guard let tokens, tokens.bits.count > 0 else { return nil }
                    let likenesses = asked.bits.words.map { asked in
                        tokens.bits.words.map { 1 - Double(($0 ^ asked).nonzeroBitCount) / 32 }
                    }
                    return value(likenesses, weights)
                }
                let mean = known.compactMap(\.self).reduce(0, +) / Double(max(1, known.compactMap(\.self).count))
                let valued = zip(hits, known).map { hit, late in
                    let parts = hit.explanation
                    let rest = (parts?.similarity ?? 0) + (parts?.keyword ?? 0) + (parts?.date ?? 0)
                    return (record: hit.record, value: rest + ranking.lateInteraction * (late ?? mean))
                }.sorted { $0.value > $1.value }
                let best = valued.first?.value ?? 1
                let ranked = valued.map {
                    SearchHit($0.record, relativeScore: min(1, max(0, $0.value / best)), .hybrid)
                }
                return AlteredDatabase.page(ranked, query.page)
            }
        }
    }
}
