import AgentMemory
import PostgresDriver
import TestSupport
import Testing

@testable import PostgresBackend

@Suite(.tags(.store)) struct KeywordTests {
    private static let texts = [
        "a": "The quick brown fox jumps over the lazy dog",
        "b": "A fox, a fox, a fox: foxes everywhere",
        "c": "Brown bears sleep in winter, quick rivers do not",
        "d": "Nothing of this kind is said here at all, whatever one may look for in it",
        "e": "quick quick brown",
        "f": "Стремительная ЛИСА and the naïve snake_case fox",
    ]

    private func store(_ database: PostgresMemoryDatabase) async throws {
        _ = try await database.add(try Self.texts.map { try MemoryRecord(id: $0.key, text: $0.value, userID: "u") })
    }

    private func search(
        _ text: String, _ database: PostgresMemoryDatabase, _ page: PageRequest? = nil,
        scorer: TextScorer = .bm25std
    ) async throws -> Page<SearchHit> {
        try await database.search(
            SearchQuery(text: text, ranking: .keyword(scorer), page: try page ?? PageRequest(limit: 100)))
    }

    /// The scores as the domain computes them from the analyser's words.
    private func expected(
        _ text: String, of texts: [String: String], scorer: TextScorer
    ) -> [(id: String, score: Double)] {
        let analyzer = TextAnalyzer()
        let documents = texts.mapValues { analyzer.words(in: $0) }
        let average = Double(documents.values.reduce(0) { $0 + $1.count }) / Double(documents.count)
        let query = analyzer.query(text)
        var ranks: [(id: String, score: Double)] = []
        for (id, words) in documents where words.contains(where: query.words.contains) {
            let padded = KeywordSQL.text(of: words)
            guard query.phrases.allSatisfy({ padded.contains(KeywordSQL.text(of: $0)) }) else { continue }
            let held = query.words.filter(words.contains).map { word in
                KeywordRank.Word(
                    idf: BM25.inverseDocumentFrequency(
                        documents: documents.count, containing: documents.values.count { $0.contains(word) }),
                    frequency: words.count { $0 == word })
            }
            let rank = KeywordRank.value(
                scorer, words: held, documentLength: words.count, averageDocumentLength: average)
            ranks.append((id, rank))
        }
        let best = ranks.map(\.score).max() ?? 1
        return ranks.map { ($0.id, $0.score / best) }.sorted { ($1.score, $0.id) < ($0.score, $1.id) }
    }

    private func check(
        _ text: String, _ database: PostgresMemoryDatabase, _ texts: [String: String], scorer: TextScorer = .bm25std
    ) async throws {
        let page = try await search(text, database, scorer: scorer)
        let expected = expected(text, of: texts, scorer: scorer)
        #expect(page.items.map(\.record.id) == expected.map(\.id), "\(text), \(scorer)")
        #expect(page.total == expected.count)
        for (hit, wanted) in zip(page.items, expected) {
            #expect(abs((hit.score ?? -1) - wanted.score) < 1e-12)
            #expect(abs(hit.distance - (1 - wanted.score)) < 1e-12)
            #expect(hit.scoreType == .keyword)
        }
    }

    @Test func `scores are those of the domain`() async throws {
        try await TestStore.withDatabase { database in
            try await store(database)
            for query in [
                "quick fox", "\"quick brown\"", "fox \"brown fox\"", "foxes", "лиса", "snake", "naïve", "nothingness",
            ] {
                try await check(query, database, Self.texts)
            }
        }
    }

    @Test func `every scorer ranks as the domain does`() async throws {
        try await TestStore.withDatabase { database in
            try await store(database)
            #expect(database.capabilities.textScorers == TextScorer.offered)
            for scorer in TextScorer.offered {
                for query in ["quick fox", "\"brown fox\"", "quick", "nothingness"] {
                    try await check(query, database, Self.texts, scorer: scorer)
                }
            }
        }
    }

    @Test func `statistics stay right after writes of all kinds`() async throws {
        try await TestStore.withDatabase { database in
            try await store(database)
            var texts = Self.texts
            #expect(try await database.delete(["d", "d", "unknown"]) == 1)
            texts["d"] = nil
            texts["e"] = "one quick word more than before in here"
            texts["c"] = "bears"
            #expect(
                try await database.update([
                    RecordUpdate(id: "e", changes: try RecordChanges(text: texts["e"])),
                    RecordUpdate(id: "zz", changes: try RecordChanges(text: "x")),
                ]) == 1)
            _ = try await database.add([MemoryRecord(id: "c", text: "bears")])
            try await check("quick fox bears", database, texts)
            _ = try await database.ask(PostgresMemoryDatabase.totalsFold.sql)
            #expect(try await database.ask("SELECT count(*) FROM memory_totals").singleRow().int(0) == 1)
            try await check("quick fox bears", database, texts)
            #expect(try await database.count(.everything) == 5)
            _ = try await database.ask("TRUNCATE memories CASCADE")
            #expect(try await database.count(.everything) == 0)
        }
    }

    @Test func `totals are right after many writers at once`() async throws {
        try await TestStore.withDatabase { database in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for task in 0..<6 {
                    group.addTask {
                        for round in 0..<10 {
                            // All tasks write the same ids, in different orders.
                            let ids = (0..<20).shuffled()
                            _ = try await database.add(
                                try ids.map {
                                    try MemoryRecord(
                                        id: "r\($0)",
                                        text: String(repeating: "word ", count: 1 + (task + round + $0) % 9))
                                })
                            if round % 3 == 2 { _ = try await database.delete(["r\(task)", "r\(task + 7)"]) }
                        }
                    }
                }
                try await group.waitForAll()
            }
            let row = try await database.ask(
                """
                SELECT (SELECT count(*) FROM memories), (SELECT sum(keyword_count) FROM memories)::bigint, \
                (SELECT sum(records) FROM memory_totals)::bigint, (SELECT sum(words) FROM memory_totals)::bigint, \
                (SELECT count(*) FROM memory_embeddings)
                """
            ).singleRow()
            #expect(try row.int(0) == row.int(2))
            #expect(try row.int(1) == row.int(3))
            #expect(try row.int(0) == row.int(4))
        }
    }

    @Test func `long texts and many words are indexed`() async throws {
        try await TestStore.withDatabase { database in
            let words = (0..<12_000).map { "w\($0)x" }
            let long = String(repeating: "y", count: 100_000)
            _ = try await database.add([
                MemoryRecord(id: "many", text: words.joined(separator: " ")),
                MemoryRecord(id: "long", text: "before \(long) after"),
                MemoryRecord(id: "big", text: String(repeating: "same \u{1F600} ", count: 90_000)),
            ])
            #expect(try await search("w9999x", database).items.map(\.record.id) == ["many"])
            #expect(try await search("\"w9998x w9999x\"", database).total == 1)
            // Of a text the first 10,000 words count.
            #expect(try await search("w10000x", database).total == 0)
            #expect(try await search("after", database).total == 1)
            #expect(try await search("same", database).items.first?.record.text.utf8.count == 900_000)
        }
    }

    @Test func `pages past the end know the total`() async throws {
        try await TestStore.withDatabase { database in
            try await store(database)
            let page = try await search("fox", database, PageRequest(limit: 2, offset: 50))
            #expect(page.items.isEmpty)
            #expect(page.total == 3)
            #expect(page.nextOffset == nil)
        }
    }

    @Test func `hybrid meets both ends`() async throws {
        try await TestStore.withDatabase { database in
            try await store(database)
            func ids(_ ranking: SearchQuery.Ranking, _ text: String) async throws -> [String] {
                let page = try await database.search(
                    SearchQuery(text: text, ranking: ranking, page: PageRequest(limit: 100)))
                return page.items.map(\.record.id)
            }
            let text = "quick fox"
            let semantic = try await ids(.semantic(distanceThreshold: nil), text)
            #expect(try await ids(.hybrid(alpha: 1, .bm25std), text) == semantic)
            let keyword = try await ids(.keyword(.bm25std), text)
            #expect(try await Array(ids(.hybrid(alpha: 0, .bm25std), text).prefix(keyword.count)) == keyword)
            #expect(try await ids(.hybrid(alpha: 0.5, .bm25std), "\"brown fox\"") == ["a"])
            #expect(try await ids(.hybrid(alpha: 0.5, .bm25std), "!!!").count == 6)
        }
    }

    @Test func `records of an older analysis are found after the sweep`() async throws {
        try await TestStore.withDatabase { database in
            _ = try await database.add(
                (0..<450).map { try MemoryRecord(id: "r\($0)", text: $0 < 300 ? "我喜欢喝绿茶 \($0)" : "green tea") })
            // As an older server leaves them.
            _ = try await database.ask(
                """
                UPDATE memories SET keyword_analysis = 1, keyword_count = 2, \
                keyword_text = ' ' || replace(text, ' ', '  ') || ' '
                """)
            #expect(try await search("绿茶", database).total == 0)
            #expect(try await search("我喜欢喝绿茶", database).total == 0)
            // Texts of other scripts have the words that they had, and are not written again.
            #expect(try await database.reanalyze() == 300)
            #expect(try await search("绿茶", database).total == 300)
            #expect(try await search("\"喝绿茶 7\"", database).items.map(\.record.id) == ["r7"])
            let words = try await database.ask("SELECT sum(words)::int8 FROM memory_totals").singleRow().int(0)
            #expect(words == 300 * 6 + 150 * 2)
            #expect(try await database.reanalyze() == 0)
        }
    }

    @Test func `metadata that an older server wrote is found after the sweep`() async throws {
        try await TestStore.withDatabase { database in
            _ = try await database.add(
                (0..<700).map { try MemoryRecord(id: "r\($0)", text: "tea", metadata: ["n": .int($0)]) })
            let filter = MemoryFilter(metadata: [try MetadataCondition(key: "n", bounds: [.init(.lt, 300)])])
            let none = try MetadataCondition(key: "n", exists: false)
            _ = try await database.ask("UPDATE memories SET metadata_terms = NULL")
            #expect(try await database.count(filter) == 0)
            try await database.completeMetadataTerms()
            #expect(try await database.count(filter) == 300)
            #expect(try await database.count(MemoryFilter(metadata: [none])) == 0)
            let missing = try await database.ask("SELECT count(*) FROM memories WHERE metadata_terms IS NULL")
            #expect(try missing.singleRow().int(0) == 0)
        }
    }

    @Test func `records to analyse again are read from their index`() async throws {
        try await TestStore.withDatabase { database in
            _ = try await database.add((0..<100).map { try MemoryRecord(id: "r\($0)", text: "绿茶 \($0)") })
            let statement = PostgresMemoryDatabase.toAnalyze(after: 0, limit: 10)
            let plan = try await database.pool.withConnection(deadline: .soon) { connection in
                try await connection.pipeline(
                    [
                        PostgresStatement("SELECT set_config('enable_seqscan', 'off', true)"),
                        PostgresStatement("EXPLAIN " + statement.sql, statement.parameters),
                    ], deadline: .soon)[1]
            }
            #expect(try plan.rows.contains { try $0.text(0).contains("memories_to_analyze") })
        }
    }
}
