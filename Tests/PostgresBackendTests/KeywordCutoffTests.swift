import AgentMemory
import Foundation
import PostgresDriver
import Synchronization
import TestSupport
import Testing

@testable import PostgresBackend

/// Keyword and hybrid searches that look at a part of the matches, against those that look at all
/// of them, and against the formula.
@Suite(.tags(.store)) struct KeywordCutoffTests {
    /// How many stores are tried; KEYWORD_ROUNDS of the environment sets more than CI has time for.
    private static let rounds = ProcessInfo.processInfo.environment["KEYWORD_ROUNDS"].flatMap { Int($0) } ?? 12

    /// The page of a search that looks at few records at first, after a check that one that looks
    /// at all of them finds the same.
    private func page(_ query: SearchQuery, _ database: PostgresMemoryDatabase, few: Int, first: Int) async throws
        -> Page<SearchHit>
    {
        database.keywordLooks.withLock { $0 = KeywordLooks(few: 0, first: .max) }
        let full = try await database.search(query)
        database.keywordLooks.withLock { $0 = KeywordLooks(few: few, first: first) }
        // The second time the total is known.
        for _ in 0..<2 {
            let page = try await database.search(query)
            #expect(page.items.map(\.record.id) == full.items.map(\.record.id), "\(query.text)")
            #expect(page.items.map(\.score) == full.items.map(\.score), "\(query.text)")
            #expect(page.total == full.total, "\(query.text)")
        }
        return full
    }

    @Test func `the best of a part are the best of all`() async throws {
        try await TestStore.withDatabase(dimensions: 8) { database in
            for round in 0..<Self.rounds {
                var world = KeywordWorld(seed: UInt64(round), isEqual: round.isMultiple(of: 2))
                _ = try await database.ask("TRUNCATE memories CASCADE")
                for _ in 0..<3 {
                    // The first queries meet an empty store.
                    for _ in 0..<4 {
                        let (text, filter) = (world.query(), try world.filter())
                        let request = try PageRequest(
                            limit: Int.random(in: 1...12, using: &world.random),
                            offset: Int.random(in: 0...3, using: &world.random) * 5)
                        let query = try SearchQuery(
                            text: text, ranking: .keyword(.bm25std), filter: filter, page: request)
                        let page = try await page(
                            query, database, few: Bool.random(using: &world.random) ? 0 : 60,
                            first: Int.random(in: 0...20, using: &world.random))
                        let expected = world.ranking(text, filter)
                        let wanted = expected.dropFirst(request.offset).prefix(request.limit)
                        #expect(page.items.map(\.record.id) == wanted.map(\.id), "\(text)")
                        #expect(page.total == expected.count, "\(text)")
                        for (hit, want) in zip(page.items, wanted) {
                            #expect(abs((hit.score ?? -1) - want.rank / expected[0].rank) < 1e-12)
                        }
                    }
                    var batch: [MemoryRecord] = []
                    for _ in 0..<Int.random(in: 20...60, using: &world.random) { batch.append(try world.record()) }
                    _ = try await database.add(batch)
                    for record in batch { world.records[record.id] = record }
                    let ids = world.records.keys.sorted()
                    let gone = Array(ids.shuffled(using: &world.random).prefix(8))
                    _ = try await database.delete(gone)
                    for id in gone { world.records[id] = nil }
                    if let id = world.records.keys.sorted().first, let old = world.records[id] {
                        let text = world.text()
                        _ = try await database.update([
                            RecordUpdate(id: id, changes: try RecordChanges(text: text))
                        ])
                        world.records[id] = try MemoryRecord(id: id, text: text, userID: old.userID)
                    }
                    if Bool.random(using: &world.random) {
                        _ = try await database.pool.pipeline(
                            [KeywordStatisticsSQL.lock, KeywordStatisticsSQL.fold], retry: .onlyIfNotExecuted,
                            deadline: .soon)
                    }
                }
            }
        }
    }

    @Test func `hybrid candidates of a part are those of all`() async throws {
        try await TestStore.withDatabase(dimensions: 8) { database in
            var world = KeywordWorld(seed: 99, isEqual: false)
            // Beyond the exact zone.
            let records = try (0..<1600).map { number in
                try MemoryRecord(id: "r\(number)", text: world.text(), userID: number % 5 == 0 ? "u0" : "u1")
            }
            _ = try await database.add(records)
            let blends: [SearchQuery.Ranking] = [
                .hybrid(alpha: 0.4, .bm25std),
                .blended(
                    try BlendedRanking(
                        .hybrid(alpha: 0.6, .bm25std), lateInteraction: 0, contextWeight: 0.4, dateWeight: 0.3)),
            ]
            for round in 0..<max(6, Self.rounds / 4) {
                let (text, filter) = (world.query(), try world.filter())
                let query = try SearchQuery(
                    text: text, ranking: blends[round % 2], filter: filter, page: PageRequest(limit: 30))
                for few in [0, .max] {
                    _ = try await page(query, database, few: few, first: Int.random(in: 0...30, using: &world.random))
                }
            }
        }
    }

    @Test func `statistics that travel with the ranking are those that come first`() async throws {
        try await TestStore.withDatabase(dimensions: 8) { database in
            var world = KeywordWorld(seed: 17, isEqual: false)
            let filter = MemoryFilter(tags: [.userID: try TagCondition(field: .userID, eq: "u1")])
            let long = (0..<30).map { "w\($0)x" }.joined(separator: " ")
            // The second time the count of the filter is expected.
            func compare(_ query: SearchQuery) async throws -> Int {
                let pages = [try await database.search(query), try await database.search(query)]
                #expect(pages[0].items.map(\.record.id) == pages[1].items.map(\.record.id))
                #expect(pages[0].items.map(\.score) == pages[1].items.map(\.score))
                #expect(pages[0].total == pages[1].total)
                return pages[1].total
            }
            func queries() throws -> [SearchQuery] {
                let scorers = TextScorer.allCases.filter { $0 != .hamming }
                let rankings = scorers.flatMap { [SearchQuery.Ranking.keyword($0), .hybrid(alpha: 0.5, $0)] }
                return try rankings.flatMap { ranking in
                    try [world.query(), long, "w0x", "unknown"].map {
                        try SearchQuery(text: $0, ranking: ranking, filter: filter, page: PageRequest(limit: 20))
                    }
                }
            }
            for query in try queries() { #expect(try await compare(query) == 0) }
            _ = try await database.add((0..<80).map { _ in try world.record() }.reversed())
            for query in try queries() { _ = try await compare(query) }
            // A write that the expected count knows nothing of.
            let query = try SearchQuery(
                text: "w0x new", ranking: .keyword(.bm25std), filter: filter, page: PageRequest(limit: 100))
            let before = try await compare(query)
            _ = try await database.add([try MemoryRecord(id: "late", text: "new", userID: "u1")])
            let page = try await database.search(query)
            #expect(page.total == before + 1 && page.items.contains { $0.record.id == "late" })
        }
    }

    @Test func `the sums are those of the texts, however they came about`() async throws {
        try await TestStore.withDatabase(dimensions: 8) { database in
            var world = KeywordWorld(seed: 5, isEqual: false)
            func check() async throws {
                let words = TextAnalyzer().query((0..<60).map { "w\($0)x" }.joined(separator: " ")).words
                let statistics = try KeywordStatistics(
                    try await database.ask(
                        KeywordStatisticsSQL.of(words).sql, KeywordStatisticsSQL.of(words).parameters))
                let counts = try await database.ask(
                    """
                    SELECT (SELECT count(*) FROM memories m WHERE \(KeywordSQL.words) @> ARRAY[w.word]) \
                    FROM unnest($1::text[]) WITH ORDINALITY AS w (word, n) ORDER BY w.n
                    """, [.textArray(words)]
                ).rows.map { try $0.int(0) }
                #expect(statistics.version != nil)
                #expect(statistics.words.map(\.holding) == counts)
            }
            // Records of an older server have no sums.
            _ = try await database.add((0..<40).map { _ in try world.record() }.reversed())
            _ = try await database.ask("DELETE FROM memory_words")
            _ = try await database.ask("DELETE FROM memory_word_changes")
            _ = try await database.add([try world.record()])
            let query = try SearchQuery(text: "w1x w2x", ranking: .keyword(.bm25std), page: PageRequest(limit: 50))
            let before = try await database.search(query)
            try await database.foldWords()
            try await check()
            let after = try await database.search(query)
            #expect(before.items.map(\.record.id) == after.items.map(\.record.id))
            #expect(before.items.map(\.score) == after.items.map(\.score))
            // Many writers, and folds in between.
            let batches = try (0..<24).map { _ in try (0..<20).map { _ in try world.record() } }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (number, batch) in batches.enumerated() {
                    group.addTask {
                        _ = try await database.add(batch)
                        if number % 3 == 0 { _ = try await database.delete(["r\(number)", "r\(number + 1)"]) }
                        if number % 4 == 0 {
                            _ = try await database.pool.pipeline(
                                [KeywordStatisticsSQL.lock, KeywordStatisticsSQL.fold], retry: .onlyIfNotExecuted,
                                deadline: .soon)
                        }
                    }
                }
                try await group.waitForAll()
            }
            try await check()
            try await database.foldWords()
            _ = try await database.delete((0..<150).map { "r\($0)" })
            _ = try await database.pool.pipeline(
                [KeywordStatisticsSQL.lock, KeywordStatisticsSQL.fold], retry: .onlyIfNotExecuted, deadline: .soon)
            // Nothing is left of words that no record holds.
            #expect(try await database.ask("SELECT count(*) FROM memory_words").singleRow().int(0) == 0)
        }
    }

    @Test func `one change of many words is folded in`() async throws {
        try await TestStore.withDatabase(dimensions: 8) { database in
            func waiting() async throws -> Int {
                try await database.ask("SELECT count(*) FROM memory_word_changes WHERE NOT is_base").singleRow().int(0)
            }
            _ = try await database.add([MemoryRecord(id: "small", text: "green tea")])
            try await database.foldWords()
            #expect(try await waiting() == 1)
            let words = (0..<4000).map { "w\($0)x" }.joined(separator: " ")
            _ = try await database.add(["a", "b", "c"].map { try MemoryRecord(id: $0, text: words) })
            #expect(try await waiting() <= 8)
            try await database.foldWords()
            #expect(try await waiting() == 0)
        }
    }
}
