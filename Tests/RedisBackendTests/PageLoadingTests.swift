import AgentMemory
import RedisDriver
import TestSupport
import Testing

@testable import RedisBackend

/// Pages whose records change between the command that ranks them and the one that loads them.
@Suite(.tags(.store)) struct PageLoadingTests {
    private static func populate(_ database: RedisMemoryDatabase) async throws {
        _ = try await database.add(
            ["a", "b", "c", "d"].enumerated().map { i, id in
                try MemoryRecord(id: id, text: "[1,\(Double(i) / 10),0,0] \(id)")
            })
    }

    /// Reads the three nearest records, with `between` after they were ranked; how many times they
    /// were, too.
    private static func nearest(
        _ database: RedisMemoryDatabase, between: (_ attempt: Int) async throws -> Void
    ) async throws -> (page: Page<SearchHit>, attempts: Int) {
        let query = try SearchQuery(
            text: "[1,0,0,0] q", ranking: .semantic(distanceThreshold: nil), page: PageRequest(limit: 3))
        let vector = try await database.vector(of: query)
        var attempts = 0
        let page = try await database.readingPage { commands, _ in
            let (total, rows) = try await database.findNearest(
                commands, QueryText(query.filter), to: vector, candidates: query.depth.semanticCandidates, query.page)
            attempts += 1
            try await between(attempts)
            return try await database.hitPage(query, total, rows) { SearchHit($1, distance: $0.distance ?? .infinity) }
        }
        return (page, attempts)
    }

    @Test func `a record that is deleted meanwhile leaves no gap`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                try await Self.populate(database)
                let (page, attempts) = try await Self.nearest(database) { attempt in
                    if attempt == 1 { try await store.client.send(RedisCommand("DEL", database.key("b"))) }
                }
                #expect(page.items.map(\.record.id) == ["a", "c", "d"])
                #expect(page.total == 3)
                #expect(attempts == 2)
            }
        }
    }

    @Test func `records that always vanish end the attempts`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                try await Self.populate(database)
                let (page, attempts) = try await Self.nearest(database) { attempt in
                    try await store.client.send(RedisCommand("DEL", database.key(["a", "b", "c"][attempt - 1])))
                }
                #expect(page.items.map(\.record.id) == ["d"])
                #expect(attempts == 3)
            }
        }
    }
}
