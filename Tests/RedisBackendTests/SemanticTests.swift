import AgentMemory
import TestSupport
import Testing

@testable import RedisBackend

/// Ranking by distance, with the traps of this engine.
@Suite(.tags(.store)) struct SemanticTests {
    @Test func `answers exactly in the exact zone`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                var records = try (0..<600).map {
                    try MemoryRecord(id: "same-\($0 + 1000)", text: "[0,1,0,0] same", userID: "u")
                }
                records.append(try MemoryRecord(id: "near", text: "[1,0.1,0,0] near", userID: "u"))
                records.append(try MemoryRecord(id: "other", text: "[1,0,0,0] other", userID: "v"))
                _ = try await database.add(records.shuffled())
                let filter = MemoryFilter(tags: [.userID: try TagCondition(field: .userID, eq: "u")])
                // Every match comes, equal vectors by the hundred included, ties in the order of
                // the ids.
                let all = try await database.ids("[1,0,0,0] q", filter: filter, limit: 10_000)
                #expect(all == ["near"] + (0..<600).map { "same-\($0 + 1000)" })
                // Pages of any size join to the same.
                var joined: [String] = []
                for offset in stride(from: 0, to: 601, by: 37) {
                    joined += try await database.ids("[1,0,0,0] q", filter: filter, limit: 37, offset: offset)
                }
                #expect(joined == all)
                let page = try await database.search(
                    SearchQuery(
                        text: "[1,0,0,0] q", ranking: .semantic(distanceThreshold: 0.01), filter: filter,
                        page: PageRequest(limit: 10)))
                #expect(page.total == 1)
                #expect(page.items.map(\.record.id) == ["near"])
                #expect(try await database.count(filter) == 601)
            }
        }
    }

    @Test func `the graph finds neighbours that match`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                for start in stride(from: 0, to: 1500, by: 500) {
                    _ = try await database.add(
                        (start..<start + 500).map { number in
                            let angle = Double(number) / 1500
                            // The nearest of all belong to the other user.
                            return try MemoryRecord(
                                id: "r\(number + 10_000)", text: "[1,\(angle),0,0] \(number)",
                                userID: number < 100 || number.isMultiple(of: 10) ? "v" : "u")
                        })
                }
                let vector = RecordHash.bytes(of: [1, 0, 0, 0])
                let filter = QueryText(MemoryFilter(tags: [.userID: try TagCondition(field: .userID, eq: "u")]))
                let found = try await database.reading { commands, _ in
                    let replies = try await store.client.pipeline(
                        try [.graph(breadth: 50), .exact].map { scan in
                            try commands.nearestQuery(
                                filter, to: vector, candidates: 50, scan: scan, .init(limit: 20))
                        })
                    return try replies.map { try SearchRow.rows($0).map(\.id) }
                }
                #expect(found[0] == found[1])
                #expect(found[0].first == "r10101")
            }
        }
    }

    @Test(arguments: [RedisMemoryDatabase.Configuration.Algorithm.hnsw, .flat])
    func `scans everything at full depth`(algorithm: RedisMemoryDatabase.Configuration.Algorithm) async throws {
        try await TestStore.run { store in
            try await store.withDatabase({ $0.algorithm = algorithm }) { database in
                let ids = (0..<2500).map { "r\($0 + 10_000)" }
                for start in stride(from: 0, to: ids.count, by: 500) {
                    _ = try await database.add(
                        ids[start..<start + 500].map { id in
                            let angle = Float(Int(id.dropFirst())! % 97) / 97
                            return try MemoryRecord(id: id, text: "[1,\(angle),0,0] \(id)")
                        })
                }
                let page = try await database.search(
                    SearchQuery(
                        text: "[1,0,0,0] q", ranking: .semantic(distanceThreshold: nil), page: PageRequest(limit: 2500))
                )
                #expect(page.items.count == 2500)
                #expect(page.total == 2500)
                #expect(Set(page.items.map(\.record.id)).count == 2500)
                let expected = ids.sorted {
                    (Int($0.dropFirst())! % 97, $0) < (Int($1.dropFirst())! % 97, $1)
                }
                #expect(page.items.map(\.record.id) == expected)
                // Each depth is one ranking, whatever the pages.
                for end in [100, 1000] {
                    let whole = try await database.ids("[1,0,0,0] q", limit: end)
                    var joined: [String] = []
                    for offset in stride(from: 0, to: end, by: end / 4) {
                        joined += try await database.ids("[1,0,0,0] q", limit: end / 4, offset: offset)
                    }
                    #expect(whole.count == end)
                    if end == 100 { #expect(joined == whole) }
                }
                #expect(try await database.ids("[1,0,0,0] q", limit: 10, offset: 2495).count == 5)
                #expect(try await database.ids("[1,0,0,0] q", limit: 10, offset: 2500).isEmpty)
                #expect(try await database.ids("[1,0,0,0] q", limit: 10, offset: .max).isEmpty)
                let wide = try await database.search(
                    SearchQuery(
                        text: "[1,0,0,0] q", ranking: .semantic(distanceThreshold: 2), page: PageRequest(limit: 10)))
                #expect(wide.total == 2500)
                #expect(wide.items.map(\.record.id) == Array(expected.prefix(10)))
            }
        }
    }

    @Test func `ranks by recency`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                let now = Timestamp.now()
                let old = now.advanced(bySeconds: -90 * 86_400)
                _ = try await database.add([
                    MemoryRecord(id: "old", text: "[1,0,0,0] a", createdAt: old, lastAccessed: old),
                    MemoryRecord(id: "new", text: "[1,0.05,0,0] b", createdAt: now, lastAccessed: now),
                    MemoryRecord(id: "new2", text: "[1,0.05,0,0] b", createdAt: now, lastAccessed: now),
                    MemoryRecord(id: "far", text: "[-1,0,0,0] c", createdAt: now, lastAccessed: now),
                ])
                #expect(try await database.ids("[1,0,0,0] q") == ["old", "new", "new2", "far"])
                let page = try await database.search(
                    SearchQuery(
                        text: "[1,0,0,0] q", ranking: .semanticWithRecency(.standard), page: PageRequest(limit: 3)))
                #expect(page.items.map(\.record.id) == ["new", "new2", "old"])
                #expect(page.total == 4)
                let score = try #require(page.items.first?.score)
                #expect(abs(score - (0.8 * (1 - page.items[0].distance / 2) + 0.2)) < 1e-4)
            }
        }
    }
}
