import AgentMemory
import RedisDriver
import TestSupport
import Testing

@testable import RedisBackend

/// Keyword and hybrid searches that look at a part of the matches, against those that look at all
/// of them, and against the formula.
@Suite(.tags(.store)) struct KeywordCutoffTests {
    /// The page of a search that looks at few records at first, after a check that one that looks
    /// at all of them finds the same.
    private func page(_ query: SearchQuery, _ database: RedisMemoryDatabase, first: Int) async throws
        -> Page<SearchHit>
    {
        database.keywordLooks.withLock { $0 = KeywordLooks(fewest: .max) }
        let full = try await database.search(query)
        database.keywordLooks.withLock { $0 = KeywordLooks(fewest: 0, first: first) }
        // The first one learns how many records there are.
        for _ in 0..<2 {
            let page = try await database.search(query)
            #expect(page.items.map(\.record.id) == full.items.map(\.record.id), "\(query.text)")
            for (hit, expected) in zip(page.items, full.items) {
                #expect(abs((hit.score ?? -1) - (expected.score ?? -1)) < 1e-9, "\(query.text)")
            }
            #expect(page.total == full.total, "\(query.text)")
        }
        return full
    }

    @Test(arguments: 0..<8) func `the best of a part are the best of all`(_ round: Int) async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                var world = KeywordWorld(seed: UInt64(round), isEqual: round.isMultiple(of: 2))
                for step in 0..<3 {
                    var batch: [MemoryRecord] = []
                    for _ in 0..<Int.random(in: 20...80, using: &world.random) { batch.append(try world.record()) }
                    _ = try await database.add(batch)
                    for record in batch { world.records[record.id] = record }
                    let gone = Array(world.records.keys.sorted().shuffled(using: &world.random).prefix(step * 4))
                    _ = try await database.delete(gone)
                    for id in gone { world.records[id] = nil }
                    for _ in 0..<6 {
                        let (text, filter) = (world.query(), try world.filter())
                        let request = try PageRequest(
                            limit: Int.random(in: 1...12, using: &world.random),
                            offset: Int.random(in: 0...3, using: &world.random) * 5)
                        let query = try SearchQuery(
                            text: text, ranking: .keyword(.bm25std), filter: filter, page: request)
                        let page = try await page(
                            query, database, first: Int.random(in: 0...20, using: &world.random))
                        let expected = world.ranking(text, filter)
                        #expect(page.total == expected.count, "\(text)")
                        // Deleted records count in the engine's weights until its collector comes,
                        // so the formula holds before the first deletion.
                        guard step == 0, batch.count == world.records.count else { continue }
                        let wanted = expected.dropFirst(request.offset).prefix(request.limit)
                        for (hit, want) in zip(page.items, wanted) {
                            #expect(abs((hit.score ?? -1) - want.rank / expected[0].rank) < 1e-5, "\(text)")
                        }
                    }
                }
            }
        }
    }

    @Test func `hybrid candidates of a part are those of all`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                var world = KeywordWorld(seed: 99, isEqual: false)
                // Beyond the exact zone.
                let records = try (0..<1600).map { number in
                    try MemoryRecord(id: "r\(number)", text: world.text(), userID: number % 5 == 0 ? "u0" : "u1")
                }
                _ = try await database.add(records)
                let blends: [SearchQuery.Ranking] = [
                    .hybrid(alpha: 0.4, .bm25std), .hybrid(alpha: 0.4, .bm25stdTanh),
                    .blended(
                        try BlendedRanking(
                            .hybrid(alpha: 0.6, .bm25std), lateInteraction: 0, contextWeight: 0.4, dateWeight: 0.3)),
                ]
                for round in 0..<9 {
                    let (text, filter) = (world.query(), try world.filter())
                    let query = try SearchQuery(
                        text: text, ranking: blends[round % 3], filter: filter, page: PageRequest(limit: 30))
                    _ = try await page(query, database, first: Int.random(in: 0...30, using: &world.random))
                }
            }
        }
    }

    @Test func `the engine tells the weights of words`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                _ = try await database.add(
                    try (0..<40).map {
                        try MemoryRecord(id: "r\($0)", text: "common \($0 < 2 ? "rare" : "other") word\($0)")
                    })
                database.keywordLooks.withLock { $0 = KeywordLooks(fewest: 0, first: 0) }
                database.matchCounts.learn(QueryText(), 40)
                let words = database.analyzer.query("common rare missing")
                let cutoff = try await database.reading { commands, _ in
                    try await database.cutoff(
                        commands, try await database.scope(commands, .everything, words), words,
                        KeywordScoring(.bm25std))
                }
                // The two records with the rare word come first.
                let level = try #require(cutoff?.firstLevel(limit: 2))
                #expect(level.sets == [[1]])
                for scorer in [TextScorer.tfidf, .dismax] {
                    let other = try await database.reading { commands, _ in
                        try await database.cutoff(
                            commands, try await database.scope(commands, .everything, words), words,
                            KeywordScoring(scorer))
                    }
                    #expect(other == nil)
                }
            }
        }
    }

    @Test func `a weight is read from an explanation alone`() {
        func reply(_ text: String) -> RedisValue {
            .array([
                .integer(1), .bytes(Array("key".utf8)),
                .array([.bytes(Array("1.2".utf8)), .array([.bytes(Array(text.utf8))])]),
            ])
        }
        #expect(WordWeight(reply("w: (0.36 = IDF 0.39 * (F 1.00 * (k1 1.2 + 1)) / (F 1.00))"))?.idf == 0.4)
        for text in ["w: (0.36 = IDF nan * (F 1.00))", "w: (0.36 = IDF -inf * F)", "IDF 1", "no weight", ""] {
            #expect(WordWeight(reply(text)) == nil, "\(text)")
        }
        #expect(WordWeight(.array([.integer(0)])) == nil)
        #expect(WordWeight(.null) == nil)
    }
}
