import AgentMemory
import PostgresDriver
import TestSupport
import Testing

@testable import PostgresBackend

@Suite(.tags(.store)) struct VectorIndexTests {
    private func record(_ id: String, _ text: String = "some words") throws -> MemoryRecord {
        try MemoryRecord(id: id, text: text)
    }

    @Test func `preparing twice and at once makes one index`() async throws {
        try await TestStore.withSchema { schema in
            let databases = try (0..<3).map { _ in try TestStore.database(schema: schema) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for database in databases { group.addTask { try await database.prepare() } }
                try await group.waitForAll()
            }
            try await databases[0].prepare()
            #expect(try await databases[0].vectorIndexes() == ["memory_embeddings_hnsw_cosine_64"])
            #expect(await databases[0].health().allSatisfy(\.isOK))
            for database in databases { await database.close() }
        }
    }

    @Test func `the index of many vectors gets wide insertions, unless it has options of its own`() async throws {
        try await TestStore.withSchema { schema in
            let database = try TestStore.database(schema: schema)
            let index = "memory_embeddings_hnsw_cosine_64"
            func options() async throws -> String {
                try await database.ask(
                    "SELECT coalesce(array_to_string(reloptions, ','), '') FROM pg_class WHERE oid = '\(index)'::regclass"
                ).singleRow().text(0)
            }
            try await database.prepare()
            #expect(try await options() == "")
            // As an ANALYZE of a large table leaves it.
            _ = try await database.ask(
                "UPDATE pg_class SET reltuples = 200000 WHERE oid = 'memory_embeddings'::regclass")
            try await database.prepare()
            #expect(try await options() == "ef_construction=128")
            _ = try await database.ask("ALTER INDEX \(index) SET (ef_construction = 70)")
            try await database.prepare()
            #expect(try await options() == "ef_construction=70")
            await database.close()
        }
    }

    @Test func `stored vectors of another length are refused with both lengths`() async throws {
        try await TestStore.withSchema { schema in
            let small = try TestStore.database(schema: schema, dimensions: 64)
            try await small.prepare()
            _ = try await small.add([record("a")])
            let large = try TestStore.database(schema: schema, dimensions: 65)
            let error = await #expect(throws: MemoryError.self) { try await large.prepare() }
            #expect(error?.code == .misconfigured)
            #expect(error?.message.contains("64") == true && error?.message.contains("65") == true)
            // An empty store takes any length.
            #expect(try await small.delete(["a"]) == 1)
            try await large.prepare()
            _ = try await large.add([record("b")])
            await small.close()
            await large.close()
        }
    }

    @Test func `another metric makes another index`() async throws {
        try await TestStore.withSchema { schema in
            let cosine = try TestStore.database(schema: schema)
            try await cosine.prepare()
            _ = try await cosine.add([record("a")])
            let euclidean = try TestStore.database(schema: schema, metric: .l2)
            try await euclidean.prepare()
            #expect(try await euclidean.vectorIndexes() == ["memory_embeddings_hnsw_l2_64"])
            await cosine.close()
            await euclidean.close()
        }
    }

    @Test func `too many dimensions for an index are refused before anything happens`() throws {
        let error = #expect(throws: MemoryError.self) { try TestStore.database(schema: "x", dimensions: 4001) }
        #expect(error?.code == .misconfigured)
        _ = try TestStore.database(schema: "x", dimensions: 4001, algorithm: .flat)
    }

    @Test(arguments: DistanceMetric.allCases) func `distances are those of the domain`(_ metric: DistanceMetric)
        async throws
    {
        try await TestStore.withDatabase(metric: metric) { database in
            let texts = ["red fox", "blue whale", "red whale in the sea"]
            _ = try await database.add(texts.enumerated().map { try record(String($0), $1) })
            let vectors = try await database.embedder.embed(texts + ["fox"])
            let page = try await database.search(
                SearchQuery(text: "fox", ranking: .semantic(distanceThreshold: nil), page: PageRequest()))
            #expect(page.total == 3)
            for hit in page.items {
                let expected = metric.distance(vectors[Int(hit.record.id)!], vectors[3])
                #expect(abs(hit.distance - expected) <= 1e-4 * max(1, abs(expected)))
            }
        }
    }

    @Test(arguments: [1536, 2500]) func `many dimensions work`(_ dimensions: Int) async throws {
        try await TestStore.withDatabase(dimensions: dimensions) { database in
            _ = try await database.add((0..<40).map { try record("m\($0)", "word\($0) and word\($0 % 7)") })
            let page = try await database.search(
                SearchQuery(
                    text: "word3 and word3", ranking: .semantic(distanceThreshold: nil), page: PageRequest(limit: 5)))
            #expect(page.items.first?.record.id == "m3")
            #expect(page.total == 40)
        }
    }
}
