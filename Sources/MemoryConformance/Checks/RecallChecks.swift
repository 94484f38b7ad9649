import AgentMemory

extension ConformanceCheck {
    /// The recall of an approximate index: the rules S2 and S4 outside of the exact zone, and S5's
    /// order across backends.
    enum RecallChecks {
        static let checks: [ConformanceCheck] = [
            ConformanceCheck(
                "recall/S4-clustered-vectors", needs: [.steeredEmbeddings], dimensions: dimensions,
                hint:
                    "the index looks at too few candidates, or filters what it has found instead of searching among the matches",
                run: clusteredVectors),
            ConformanceCheck(
                "recall/S4-equal-vectors", needs: [.steeredEmbeddings], dimensions: dimensions,
                hint:
                    "a graph index links equal vectors to each other only, so that a search never leaves, or reaches, their group",
                run: equalVectors),
            ConformanceCheck(
                "recall/S2-distance-threshold", needs: [.distanceThreshold, .steeredEmbeddings], dimensions: dimensions,
                hint:
                    "beyond the exact zone a threshold keeps what the page's candidates hold, not what lies within it",
                run: distanceThreshold),
            ConformanceCheck(
                "recall/S5-top-10-overlap", .should, needs: [.keywordSearch, .steeredEmbeddings, .oracle],
                dimensions: dimensions,
                hint:
                    "the constants of BM25, the lengths of texts or the counts of documents differ from the contract's",
                run: top10Overlap),
        ]

        @Sendable static func clusteredVectors(_ scope: CheckScope) async throws {
            let dimensions = corpusDimensions(scope)
            let corpus = VectorCorpus(clustered: size, clusters: clusters, dimensions: dimensions)
            try await addShares(of: corpus, to: scope)
            // From the middle of clusters, and from one that the filters by namespace leave out.
            let queries = (0..<25).map { VectorCorpus.point(in: 10 + $0, 500_000 + $0, dimensions) }
            try await measureRecall(scope, corpus, queries, try shares())
        }

        @Sendable static func equalVectors(_ scope: CheckScope) async throws {
            let distinct = 40
            let dimensions = corpusDimensions(scope)
            let corpus = VectorCorpus(repeating: distinct, count: size, dimensions: dimensions)
            try await addShares(of: corpus, to: scope)
            let queries = (0..<25).map { VectorCorpus.point(in: $0, 500_000 + $0, dimensions) }
            try await measureRecall(scope, corpus, queries, try shares())
            // Of one group of 300, the 100 nearest are 100 different records at the same distance.
            for group in [0, 17, 39] {
                scope.embedder.assign(corpus[group], to: "group \(group)")
                let found = try await scope.search("group \(group)", limit: 100)
                let near = Set(found.items.filter { $0.distance < 1e-4 }.map(\.record.id))
                try scope.expect("of the 100 nearest to group \(group), at least 95 are of it", near.count >= 95)
            }
        }

        @Sendable static func distanceThreshold(_ scope: CheckScope) async throws {
            let dimensions = corpusDimensions(scope)
            let corpus = VectorCorpus(clustered: 6000, clusters: clusters, dimensions: dimensions)
            try await addShares(of: corpus, to: scope)
            var worst = 1.0
            for (number, rank) in [20, 90, 400, 1500, 3000].enumerated() {
                let query = VectorCorpus.point(in: number, 500_000 + number, dimensions)
                scope.embedder.assign(query, to: "query \(number)")
                let sorted = corpus.distances(to: query).sorted()
                // Halfway between two records, so that rounding does not decide.
                let threshold = (sorted[rank - 1] + sorted[rank]) / 2
                let found = try await scope.search(
                    "query \(number)", .semantic(distanceThreshold: threshold), limit: 10)
                worst = min(worst, Double(found.total) / Double(rank))
                try scope.expect("records on the page", found.items.count, 10)
                // Two distances that differ only in double precision may be on the other side.
                try scope.expect("no more than \(rank) within the threshold: \(found.total)", found.total <= rank + 2)
            }
            scope.report("least part found within a threshold", worst)
            try scope.expect("at least 95 % found within each threshold, not \(worst)", worst >= 0.95)
        }

        @Sendable static func top10Overlap(_ scope: CheckScope) async throws {
            guard let oracle = scope.settings.oracle else { throw NotApplicable("there is no oracle") }
            let other = try await oracle.makeDatabase(embedder: scope.embedder)
            do {
                try await compareTops(scope, with: other.database)
            } catch {
                try await other.remove()
                throw error
            }
            try await other.remove()
        }
    }

    private static let size = 12_000
    private static let clusters = 60
    private static let dimensions = 48

    /// Longer vectors of a backend end with zeros.
    private static func corpusDimensions(_ scope: CheckScope) -> Int { min(dimensions, scope.embedder.dimensions) }

    /// A filter, the records that it matches, and its name in the report.
    private typealias Share = (name: String, filter: MemoryFilter, matches: @Sendable (Int) -> Bool)

    /// Filters that match 100 %, 30 %, 10 %, 1 % and 0.1 %, at random and by whole clusters. Those
    /// of 1 % and 0.1 % are in the exact zone.
    private static func shares() throws -> [Share] {
        [
            ("100 %", .everything, { _ in true }),
            ("30 %", try tag(.topics, eq: "thirty"), { $0 % 10 < 3 }),
            ("30 % in other clusters", try tag(.namespace, any: ["far", "farther"]), { $0 % clusters >= 42 }),
            ("10 %", try tag(.userID, eq: "tenth"), { $0 % 10 == 3 }),
            ("10 % in other clusters", try tag(.namespace, eq: "farther"), { $0 % clusters >= 54 }),
            ("1 %", try tag(.sessionID, eq: "hundredth"), { $0 % 100 == 7 }),
            ("0.1 %", try tag(.entities, eq: "thousandth"), { $0 % 1000 == 9 }),
        ]
    }

    /// Stores the vectors as records v0, v1, … that the filters of ``shares()`` use.
    private static func addShares(of corpus: VectorCorpus, to scope: CheckScope) async throws {
        for start in stride(from: 0, to: corpus.count, by: 500) {
            _ = try await scope.database.add(
                try (start..<min(start + 500, corpus.count)).map { index in
                    let text = "vector \(index)"
                    scope.embedder.assign(corpus[index], to: text)
                    let cluster = index % clusters
                    return try MemoryRecord(
                        id: "v\(index)", text: text, sessionID: index % 100 == 7 ? "hundredth" : "rest",
                        userID: index % 10 == 3 ? "tenth" : "rest",
                        namespace: cluster >= 54 ? "farther" : cluster >= 42 ? "far" : "near",
                        topics: index % 10 < 3 ? ["thirty"] : [], entities: index % 1000 == 9 ? ["thousandth"] : [])
                })
        }
    }

    /// Compares the first ten results of every query with those of an exact scan. A record as near
    /// as the tenth one counts as found, whichever of several at the same distance it is.
    private static func measureRecall(
        _ scope: CheckScope, _ corpus: VectorCorpus, _ queries: [[Float]], _ shares: [Share]
    ) async throws {
        var found = [Int](repeating: 0, count: shares.count)
        for (number, query) in queries.enumerated() {
            scope.embedder.assign(query, to: "query \(number)")
            let distances = corpus.distances(to: query)
            for (position, share) in shares.enumerated() {
                let matching = distances.indices.filter(share.matches)
                let tenth = matching.map { distances[$0] }.sorted()[9]
                let page = try await scope.search(
                    "query \(number)", .semantic(distanceThreshold: nil), share.filter, limit: 10)
                try scope.expect("total at \(share.name)", page.total, matching.count)
                try scope.expect("records at \(share.name)", Set(page.items.map(\.record.id)).count, 10)
                for hit in page.items {
                    guard let index = Int(hit.record.id.dropFirst()), share.matches(index) else {
                        throw Mismatch("\(hit.record.id) does not match the filter of \(share.name)")
                    }
                    try scope.expect("dist of \(hit.record.id)", hit.distance, near: distances[index], within: 1e-4)
                    if distances[index] <= tenth + 1e-5 { found[position] += 1 }
                }
            }
        }
        for (position, share) in shares.enumerated() {
            let recall = Double(found[position]) / Double(queries.count * 10)
            scope.report("recall@10 at \(share.name)", recall)
            let isExact = (0..<corpus.count).count(where: share.matches) <= 1000
            guard recall >= (isExact ? 1 : 0.95) else {
                throw Mismatch(
                    "recall@10 at \(share.name)", expected: isExact ? "1, in the exact zone" : "at least 0.95",
                    got: "\(recall)")
            }
        }
    }

    // MARK: Agreement of backends

    /// Runs the same queries on both databases with the same texts, and reports the overlap of the
    /// first ten results.
    private static func compareTops(_ scope: CheckScope, with oracle: any MemoryVectorDatabase) async throws {
        let sentences = SentenceCorpus(count: 2000, dimensions: corpusDimensions(scope))
        for start in stride(from: 0, to: sentences.texts.count, by: 500) {
            let records = try (start..<min(start + 500, sentences.texts.count)).map { index in
                scope.embedder.assign(sentences.vector(of: sentences.texts[index]), to: sentences.texts[index])
                return try MemoryRecord(
                    id: "s\(index)", text: sentences.texts[index], userID: "u\(index % 3)", createdAt: at(0),
                    lastAccessed: at(0), updatedAt: at(0))
            }
            _ = try await scope.database.add(records)
            _ = try await oracle.add(records)
        }
        var rankings = [
            ("keyword", SearchQuery.Ranking.keyword(.bm25std)), ("semantic", .semantic(distanceThreshold: nil)),
        ]
        if scope.database.capabilities.hybridSearch { rankings.append(("hybrid", .hybrid(alpha: 0.5, .bm25std))) }
        var overlaps: [String: Double] = [:]
        for (name, ranking) in rankings {
            var shared = 0
            var wanted = 0
            for (number, question) in sentences.queries.enumerated() {
                scope.embedder.assign(sentences.vector(of: question), to: question)
                let filter = number % 2 == 0 ? MemoryFilter.everything : try tag(.userID, ne: "u\(number % 3)")
                let query = try SearchQuery(
                    text: question, ranking: ranking, filter: filter, page: PageRequest(limit: 10))
                let ours = try await scope.database.search(query)
                let theirs = try await oracle.search(query)
                try scope.expect("total of \(name) for \(question.debugDescription)", ours.total, theirs.total)
                let expected = Set(theirs.items.map(\.record.id))
                wanted += expected.count
                shared += expected.intersection(ours.items.map(\.record.id)).count
            }
            let overlap = Double(shared) / Double(max(1, wanted))
            overlaps[name] = overlap
            scope.report("top-10 overlap, \(name)", overlap)
        }
        let keyword = overlaps["keyword"] ?? 0
        guard keyword >= 0.9 else {
            throw Mismatch("top-10 overlap of keyword search", expected: "at least 0.9", got: "\(keyword)")
        }
    }
}
