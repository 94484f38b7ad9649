import AgentMemory
import PostgresDriver
import TestServices
import TestSupport
import Testing

@testable import PostgresBackend

/// What a server says about a Postgres that is configured for less than it stores.
@Suite(.tags(.store)) struct ServerMemoryTests {
    @Test func `advice names the setting that is too small`() {
        func advice(pages: Int, maintenance: Int, stored: Int, index: Int) -> String? {
            ServerMemory(
                pages: pages << 20, maintenance: maintenance << 20, stored: stored << 20, vectorIndex: index << 20
            ).advice
        }
        #expect(advice(pages: 128, maintenance: 64, stored: 256, index: 64) == nil)
        let pages = advice(pages: 128, maintenance: 64, stored: 20_480, index: 64)
        #expect(pages?.hasPrefix("shared_buffers (128 MB) is small for 20 GB") == true)
        let index = advice(pages: 1024, maintenance: 64, stored: 256, index: 100)
        #expect(index?.hasPrefix("maintenance_work_mem (64 MB) is less than the vector index (100 MB)") == true)
        #expect(
            advice(pages: 128, maintenance: 64, stored: 900, index: 100)?.contains("; maintenance_work_mem") == true)
    }

    @Test func `the sizes are those of the store`() async throws {
        try await TestStore.withRole { schema, role, url in
            try await TestStore.administer("CREATE SCHEMA \(schema) AUTHORIZATION \(role)")
            let database = try TestStore.shared(schema: schema, url: url)
            let memories = try PostgresMemoryDatabase(
                database: database, embedder: TestEmbedder(dimensions: 64), logger: TestStore.logger)
            try await memories.prepare()
            _ = try await memories.add([MemoryRecord(id: "a", text: "a")])
            let row = try await database.pool.query(
                ServerMemory.statement(memories.space), retry: .repeatable, deadline: .soon
            ).singleRow()
            let memory = try ServerMemory(row)
            #expect(memory.pages > 1 << 20 && memory.maintenance >= 1 << 20)
            #expect(memory.stored > memory.vectorIndex && memory.vectorIndex > 0)
            #expect(await memories.health().first?.warning == nil)
            await memories.close()
        }
    }
}
