import AgentMemory
import PostgresDriver
import TestSupport
import Testing

@testable import PostgresBackend

/// From one embedding model to another: refusals, the work of `agent-memory reembed`, and servers
/// of both models at once.
@Suite(.tags(.store)) struct ReembeddingTests {
    private typealias Steps = ReembeddingSteps<PostgresMemoryDatabase>

    private func withStore(records count: Int = 50, _ body: (Steps) async throws -> Void) async throws {
        try await TestStore.withSchema { schema in
            try await Steps.run(
                records: count, oldDimensions: 64,
                make: { try TestStore.database(schema: schema, dimensions: $1, model: $0) }, body)
        }
    }

    @Test(arguments: [64, 128])
    func `a server of another model is refused with the way out`(_ dimensions: Int) async throws {
        try await withStore { try await $0.expectRefusal(dimensions: dimensions) }
    }

    @Test(arguments: [64, 128])
    func `reembedding goes on where it was interrupted`(_ dimensions: Int) async throws {
        try await withStore { steps in
            let interrupted = try steps.open(Steps.newModel, dimensions)
            let spaces = try await interrupted.beginReembedding()
            #expect(spaces.map(\.isReady) == [true, false])
            #expect(
                try await interrupted.embedMissing(from: 0, limit: 20)
                    == .init(found: 20, embedded: 20, position: 21, isLast: false))
            #expect(try await interrupted.reembeddingProgress() == .init(done: 20, total: 50))
            // A server must not use a half-filled model.
            let refused = await steps.refusal(of: try steps.open(Steps.newModel, dimensions))
            #expect(refused?.message.contains("run it (again)") == true)
            try await steps.expectNearest(steps.text(3), "r3", total: 50, in: steps.old)
            // The old server goes on writing, also to what was embedded already: records were
            // numbered in the order of their ids.
            _ = try await steps.old.add((50..<55).map { try MemoryRecord(id: "r\($0)", text: steps.text($0)) })
            #expect(try await steps.old.update([.init(id: "r1", changes: try RecordChanges(text: "zebra"))]) == 1)
            _ = try await steps.old.add([try MemoryRecord(id: "r2", text: "giraffe")])
            #expect(try await steps.old.delete(["r10", "r45"]) == 2)
            #expect(try await interrupted.reembeddingProgress() == .init(done: 17, total: 53))
            try await steps.expectNearest("zebra", "r1", total: 53, in: steps.old)
            try await steps.expectNearest("giraffe", "r2", total: 53, in: steps.old)

            try await steps.reembed(try steps.open(Steps.newModel, dimensions))
            let server = try steps.open(Steps.newModel, dimensions)
            try await server.prepare()
            #expect(await server.health().allSatisfy(\.isOK))
            for (text, id) in [
                ("zebra", "r1"), ("giraffe", "r2"), ("word11 of record 11", "r11"), ("word52 of record 52", "r52"),
            ] {
                for database in [steps.old, server] {
                    try await steps.expectNearest(text, id, total: 53, in: database)
                }
            }
        }
    }

    @Test func `servers of both models complete what the other writes`() async throws {
        try await withStore { steps in
            let new = try steps.open(Steps.newModel, 128)
            try await steps.reembed(new)
            try await new.prepare()
            let servers = [steps.old, new]
            for (writer, reader) in [(0, 1), (1, 0)] {
                _ = try await servers[writer].add([try MemoryRecord(id: "added\(writer)", text: "ocelot\(writer)")])
                _ = try await servers[writer].update([
                    .init(id: "r\(writer)", changes: try RecordChanges(text: "lynx\(writer)"))
                ])
                // Until the sweep they come last, and nothing is short.
                let page = try await servers[reader].search(
                    SearchQuery(
                        text: "lynx\(writer)", ranking: .semantic(distanceThreshold: nil),
                        page: PageRequest(limit: 100)))
                #expect(page.total == 51 + writer && page.items.count == page.total)
                #expect(Set(page.items.suffix(2).map(\.record.id)) == ["added\(writer)", "r\(writer)"])
                let hybrid = try await servers[reader].search(
                    SearchQuery(
                        text: "lynx\(writer)", ranking: .hybrid(alpha: 0.5, .bm25std),
                        page: PageRequest(limit: 1)))
                #expect(hybrid.items.map(\.record.id) == ["r\(writer)"])
                try await servers[reader].completeVectors()
                for database in servers {
                    try await steps.expectNearest("ocelot\(writer)", "added\(writer)", total: page.total, in: database)
                    try await steps.expectNearest("lynx\(writer)", "r\(writer)", total: page.total, in: database)
                }
            }
        }
    }

    @Test func `a vector is only stored with its text`() async throws {
        try await withStore(records: 1) { steps in
            let new = try steps.open(Steps.newModel, 64)
            _ = try await new.beginReembedding()
            let number = try await steps.old.ask("SELECT number FROM memories").singleRow().int(0)
            let vector = try await new.embedder.embed(["x"])[0]
            func store(_ text: String) async throws -> Int {
                let statement = PostgresMemoryDatabase.completion(of: number, text, vector, in: new.space.table)
                return try await steps.old.ask(statement.sql, statement.parameters).affectedRows
            }
            #expect(try await store("another text") == 0)
            #expect(try await store("word0 of record 0") == 1)
            #expect(try await store("word0 of record 0") == 0)
        }
    }

    @Test func `several at once do the work once`() async throws {
        try await withStore(records: 300) { steps in
            try await steps.reembedAtOnce { try await $0.completeVectors() }
        }
    }

    @Test func `the vectors of other models are dropped`() async throws {
        try await withStore { steps in
            let new = try await steps.dropOldModel()
            let tables = try await new.ask(
                """
                SELECT table_name::text FROM information_schema.tables \
                WHERE table_schema = current_schema() AND table_name LIKE 'memory_embeddings%'
                """)
            #expect(try tables.rows.map { try $0.text(0) } == ["memory_embeddings_2"])
            try await steps.expectDropped(by: new)
        }
    }

    @Test func `vectors without a model on record are taken for the configured one`() async throws {
        try await withStore { steps in
            // As an older version left the store.
            _ = try await steps.old.ask("DELETE FROM vector_spaces")
            let error = await steps.refusal(of: try steps.open(Steps.newModel, 128))
            #expect(error?.message.contains("not recorded") == true && error?.message.contains("64") == true)
            // Of equal length, but the texts must be embedded again.
            try await steps.reembed(try steps.open(Steps.newModel, 64))
            try await steps.open(Steps.oldModel, 64).prepare()
            let models = try await steps.old.ask("SELECT model FROM vector_spaces ORDER BY number")
            #expect(try models.rows.map { try $0.text(0) } == [Steps.oldModel, Steps.newModel])
        }
    }

    @Test func `an empty store takes any model`() async throws {
        try await withStore(records: 1) { try await $0.expectAnyModelOnceEmpty() }
    }
}
