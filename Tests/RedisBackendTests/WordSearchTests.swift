import AgentMemory
import TestSupport
import Testing

@testable import RedisBackend

/// Keyword and hybrid search with the traps of this engine.
@Suite(.tags(.store)) struct WordSearchTests {
    private func ids(_ database: RedisMemoryDatabase, _ text: String, limit: Int = 100) async throws -> [String] {
        try await database.ids(text, .keyword(.bm25std), limit: limit)
    }

    @Test func `finds every kind of word`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                let long = String(repeating: "y", count: 3000)
                let texts = [
                    "İstanbul", "Straße", "日本語", "naïve", "ТЕСТ", "ไทย", "العربية", "ΣΊΣΥΦΟΣ", "snake_case", "o'neil",
                    "C3PO", "ᏸ", long,
                    "true", "the", "nan", "null", "-1",
                ]
                _ = try await database.add(
                    texts.enumerated().map { try MemoryRecord(id: "r\($0 + 10)", text: "filler \($1) filler") })
                for (i, text) in texts.enumerated() {
                    #expect(try await ids(database, text) == ["r\(i + 10)"], "\(text)")
                }
                #expect(try await ids(database, "straSSe OR nonexistent") == ["r11"])
                #expect(try await ids(database, "case").count == 1)
                #expect(try await ids(database, "!!! ... \"\"").isEmpty)
                #expect(
                    try await ids(database, "filler")
                        == texts.indices.map { "r\($0 + 10)" }.sorted { a, b in
                            // All have the word twice; what differs is the length in words.
                            let (x, y) = (Int(a.dropFirst())! - 10, Int(b.dropFirst())! - 10)
                            let longer = [2, 5, 8, 9]
                            let (m, n) = (longer.contains(x) ? 1 : 0, longer.contains(y) ? 1 : 0)
                            return (m, a) < (n, b)
                        })
            }
        }
    }

    @Test func `insists on phrases`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                let texts = [
                    "a1": "bat ant bat cow", "a2": "ant bat ant cow", "a3": "ant ant bat cow",
                    "a4": "cow ant bat ant bat", "a5": "ant dog bat",
                    "a6": "ant",
                ]
                _ = try await database.add(texts.map { try MemoryRecord(id: $0, text: $1, userID: "u") })
                func found(_ query: String) async throws -> Set<String> { Set(try await ids(database, query)) }
                #expect(try await found("\"ant bat\"") == ["a1", "a2", "a3", "a4"])
                #expect(try await found("\"bat ant\"") == ["a1", "a2", "a4"])
                #expect(try await found("\"ant ant\"") == ["a3"])
                #expect(try await found("\"ant bat ant\"") == ["a2", "a4"])
                #expect(try await found("\"ant bat ant cow\"") == ["a2"])
                #expect(try await found("\"ant bat ant dog\"").isEmpty)
                #expect(try await found("\"ant bat\" \"bat cow\"") == ["a1", "a3"])
                #expect(try await found("dog \"ant bat ant\"") == ["a2", "a4"])
                #expect(try await found("\"ant bat") == ["a1", "a2", "a3", "a4", "a5", "a6"])
                for query in ["dog \"ant bat ant\"", "dog \"ant bat\""] {
                    let page = try await database.search(
                        SearchQuery(
                            text: query, ranking: .hybrid(alpha: 0.5, .bm25std),
                            filter: MemoryFilter(tags: [.userID: try TagCondition(field: .userID, eq: "u")]),
                            page: PageRequest(limit: 10)))
                    #expect(Set(page.items.map(\.record.id)) == (try await found(query)))
                    #expect(page.total == page.items.count)
                    #expect(page.items.first?.score == 1)
                }
            }
        }
    }

    @Test func `scores are relative to the best whatever the page and filter`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                _ = try await database.add(
                    (0..<30).map { i in
                        try MemoryRecord(
                            id: "r\(i + 10)",
                            text: String(repeating: "tea ", count: 30 - i) + String(repeating: "x ", count: i),
                            userID: "u", namespace: i % 2 == 0 ? "even" : "odd")
                    })
                let filter = MemoryFilter(tags: [
                    .userID: try TagCondition(field: .userID, eq: "u"),
                    .namespace: try TagCondition(field: .namespace, eq: "odd"),
                ])
                #expect(database.capabilities.textScorers == TextScorer.offered)
                for scorer in TextScorer.offered.subtracting([.docscore]) {
                    let all = try await database.search(
                        SearchQuery(
                            text: "tea", ranking: .keyword(scorer), filter: filter, page: PageRequest(limit: 100)))
                    #expect(all.total == 15 && all.items.count == 15)
                    #expect(all.items.first?.score == 1, "\(scorer)")
                    let second = try await database.search(
                        SearchQuery(
                            text: "tea", ranking: .keyword(scorer), filter: filter,
                            page: PageRequest(limit: 5, offset: 5)))
                    #expect(second.items == Array(all.items[5..<10]), "\(scorer)")
                    #expect(second.nextOffset == 10)
                }
                #expect(try await ids(database, "tea", limit: 3) == ["r10", "r11", "r12"])
            }
        }
    }

    @Test func `hybrid joins both lists`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                // Beyond the exact zone, with the lexical hit far from the vector's neighbourhood.
                var records = try (0..<1500).map { i in
                    try MemoryRecord(id: "n\(i + 1000)", text: "[1,\(Float(i) / 10_000),0,0] filler \(i)")
                }
                records.append(try MemoryRecord(id: "lexical", text: "[-1,0,0,0] zebra"))
                records.append(try MemoryRecord(id: "both", text: "[1,0.001,0,0] zebra crossing"))
                _ = try await database.add(records)
                let query = "[1,0,0,0] zebra"
                let page = try await database.search(
                    SearchQuery(text: query, ranking: .hybrid(alpha: 0.5, .bm25std), page: PageRequest(limit: 50)))
                #expect(page.total == 1502)
                #expect(page.items.first?.record.id == "both")
                #expect(page.items.first?.score == 1)
                #expect(page.items.first?.scoreType == .hybrid)
                let lexical = try await database.ids(query, .hybrid(alpha: 0, .bm25std), limit: 2)
                #expect(Set(lexical) == ["lexical", "both"])
                let nearest = try await database.ids(query, .hybrid(alpha: 1, .bm25std), limit: 20)
                #expect(nearest == (try await database.ids(query, limit: 20)))
                let wordless = try await database.ids("[1,0,0,0]", .hybrid(alpha: 0.3, .bm25std), limit: 20)
                #expect(wordless.count == 20)
                let blank = try await database.ids("???", .hybrid(alpha: 0.3, .bm25std), limit: 20)
                #expect(blank == (try await database.ids("???", limit: 20)))
            }
        }
    }
}
