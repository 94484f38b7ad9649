import AgentMemory
import PostgresDriver
import TestServices
import TestSupport
import Testing

@testable import PostgresBackend

/// How much of the truth the approximate plan finds, on vectors that lie in clusters.
@Suite(.tags(.store)) struct RecallTests {
    /// The text `cluster seed` stands for a point near the centre of a cluster.
    struct ClusteredEmbedder: Embedder {
        let model = "test/clustered"
        let dimensions = 48

        func embed(_ texts: [String]) async throws -> [[Float]] {
            texts.map { text in
                let numbers = text.split(separator: " ").compactMap { UInt64($0) }
                var centre = SplitMix(seed: numbers[0] &* 7919)
                var noise = SplitMix(seed: numbers[1] &+ 1_000_000)
                return (0..<dimensions).map { _ in
                    Float.random(in: -1...1, using: &centre) + 0.4 * Float.random(in: -1...1, using: &noise)
                }
            }
        }

        func unavailability() async -> String? { nil }
    }

    private static let clusters = 10
    private static let count = 8000

    private func search(
        _ text: String, _ filter: MemoryFilter, _ database: PostgresMemoryDatabase, limit: Int = 10, offset: Int = 0,
        threshold: Double? = nil
    ) async throws -> Page<SearchHit> {
        try await database.search(
            SearchQuery(
                text: text, ranking: .semantic(distanceThreshold: threshold), filter: filter,
                page: PageRequest(limit: limit, offset: offset)))
    }

    @Test(.timeLimit(.minutes(3))) func `approximate searches find nearly all`() async throws {
        try await TestStore.withSchema { schema in
            var configuration = try TestStore.configuration(schema: schema)
            // All in the index.
            configuration.unindexedBytes = 0
            let database = try PostgresMemoryDatabase(
                configuration: configuration, embedder: ClusteredEmbedder(),
                logger: TestStore.logger)
            try await database.prepare()
            for start in stride(from: 0, to: Self.count, by: 500) {
                _ = try await database.add(
                    try (start..<start + 500).map {
                        try MemoryRecord(
                            id: "m\($0)", text: "\($0 % Self.clusters) \($0)", userID: "u\($0 % Self.clusters)",
                            namespace: $0 % Self.clusters < 5 ? "first half" : "second half")
                    })
            }
            let filters = [
                MemoryFilter.everything,
                MemoryFilter(tags: [.namespace: try TagCondition(field: .namespace, eq: "first half")]),
                MemoryFilter(tags: [.userID: try TagCondition(field: .userID, eq: "u3")]),
            ]
            for filter in filters {
                var found = 0
                for query in 0..<20 {
                    // Also from the middle of clusters that the filter leaves out.
                    let text = "\(query % Self.clusters) \(query + 500_000)"
                    let page = try await search(text, filter, database)
                    let full = try await search(text, filter, database, limit: 1200)
                    let truth = Set(full.items.prefix(10).map(\.record.id))
                    found += page.items.count { truth.contains($0.record.id) }
                    #expect(page.items.count == 10)
                    #expect(page.total == full.total)
                }
                #expect(Double(found) / 200 >= 0.95)
            }
            try await checkPages(database, filters[0])
            try await checkThreshold(database)
            try await checkPlans(database)
            await database.close()
        }
    }

    private func checkPages(_ database: PostgresMemoryDatabase, _ filter: MemoryFilter) async throws {
        let whole = try await search("4 77", filter, database, limit: 100).items.map(\.record.id)
        var joined: [String] = []
        for offset in stride(from: 0, to: 100, by: 10) {
            joined += try await search("4 77", filter, database, limit: 10, offset: offset).items.map(\.record.id)
        }
        #expect(joined == whole)
    }

    private func checkThreshold(_ database: PostgresMemoryDatabase) async throws {
        let exact = try await search("4 77", .everything, database, limit: 1200).items
        for rank in [50, 400, 1100] {
            let threshold = exact[rank].distance
            let page = try await search("4 77", .everything, database, limit: 10, threshold: threshold)
            #expect(Double(page.total) >= 0.95 * Double(rank + 1))
            #expect(page.total <= rank + 2)
            #expect(page.items.first?.record.id == exact[0].record.id)
        }
    }

    /// The plans that the server makes for our statements, where they must not depend on its
    /// estimates.
    private func checkPlans(_ database: PostgresMemoryDatabase) async throws {
        _ = try await database.ask("ANALYZE memories")
        let vector = try await database.embedder.embed(["1 1"])[0]
        let filter = MemoryFilter(tags: [.namespace: try TagCondition(field: .namespace, eq: "first half")])
        func plan(_ plan: SearchPlan) async throws -> String {
            let statement = database.sql.semanticQuery(
                vector, filter: filter, plan: plan, threshold: nil, page: try PageRequest())
            let rows = try await database.ask("EXPLAIN \(statement.sql)", statement.parameters)
            return try rows.rows.map { try $0.text(0) }.joined(separator: "\n")
        }
        #expect(
            try await plan(.approximate(candidates: 100, scanLimit: 4096, matches: 4000)).contains(
                "memory_embeddings_hnsw_cosine_48"))
        let exact = try await plan(.exact)
        #expect(!exact.contains("hnsw"))
        #expect(exact.contains("memory_embeddings_pkey"))
    }
}
