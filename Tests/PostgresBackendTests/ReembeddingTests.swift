import AgentMemory
import PostgresDriver
import Testing

@testable import PostgresBackend

/// From one embedding model to another: refusals, the work of `agent-memory reembed`, and servers
/// of both models at once.
@Suite struct ReembeddingTests {
    private static let old = "test/old"
    private static let new = "test/new"

    private func records(_ numbers: Range<Int>) throws -> [MemoryRecord] {
        try numbers.map { try MemoryRecord(id: "r\($0)", text: "word\($0) of record \($0)") }
    }

    /// Runs `body` with a schema that holds records of the old model, and closes the servers that
    /// it opens.
    private func withStore(
        records count: Int = 50,
        _ body: (
            _ old: PostgresMemoryDatabase, _ open: (String, Int) throws -> PostgresMemoryDatabase
        ) async throws -> Void
    ) async throws {
        try await TestStore.withSchema { schema in
            var opened: [PostgresMemoryDatabase] = []
            func open(_ model: String, _ dimensions: Int) throws -> PostgresMemoryDatabase {
                let database = try TestStore.database(schema: schema, dimensions: dimensions, model: model)
                opened.append(database)
                return database
            }
            let old = try open(Self.old, 64)
            try await old.prepare()
            _ = try await old.add(try records(0..<count))
            let result: Result<Void, any Error>
            do {
                try await body(old, open)
                result = .success(())
            } catch {
                result = .failure(error)
            }
            for database in opened { await database.close() }
            try result.get()
        }
    }

    /// The nearest record, and how many there are.
    private func nearest(
        _ text: String, in database: PostgresMemoryDatabase
    ) async throws -> (id: String?, distance: Double, total: Int) {
        let page = try await database.search(
            SearchQuery(text: text, ranking: .semantic(distanceThreshold: nil), page: PageRequest(limit: 1)))
        return (page.items.first?.record.id, page.items.first?.distance ?? .infinity, page.total)
    }

    private func reembed(_ database: PostgresMemoryDatabase, batchSize: Int = 7) async throws {
        try await Reembedding(database, batchSize: batchSize).run { _ in }
    }

    private func refusal(of database: PostgresMemoryDatabase) async -> MemoryError? {
        await #expect(throws: MemoryError.self) { try await database.prepare() }
    }

    @Test(arguments: [64, 128])
    func `a server of another model is refused with the way out`(_ dimensions: Int) async throws {
        try await withStore { old, open in
            let error = await refusal(of: try open(Self.new, dimensions))
            #expect(error?.code == .misconfigured)
            for part in [Self.old, Self.new, "(64 dimensions)", "(\(dimensions) dimensions)", "agent-memory reembed"] {
                #expect(error?.message.contains(part) == true, "\(part)")
            }
            #expect(try await nearest("word7 of record 7", in: old).id == "r7")
        }
    }

    @Test(arguments: [64, 128])
    func `reembedding goes on where it was interrupted`(_ dimensions: Int) async throws {
        try await withStore { old, open in
            let interrupted = try open(Self.new, dimensions)
            let spaces = try await interrupted.beginReembedding()
            #expect(spaces.map(\.isReady) == [true, false])
            #expect(
                try await interrupted.embedMissing(from: 0, limit: 20)
                    == .init(found: 20, embedded: 20, position: 21, isLast: false))
            #expect(try await interrupted.reembeddingProgress() == .init(done: 20, total: 50))
            // A server must not use a half-filled model.
            let refused = await refusal(of: try open(Self.new, dimensions))
            #expect(refused?.message.contains("run it (again)") == true)
            #expect(try await nearest("word3 of record 3", in: old).id == "r3")
            // The old server goes on writing, also to what was embedded already: records were
            // numbered in the order of their ids.
            _ = try await old.add(try records(50..<55))
            #expect(try await old.update([.init(id: "r1", changes: try RecordChanges(text: "zebra"))]) == 1)
            _ = try await old.add([try MemoryRecord(id: "r2", text: "giraffe")])
            #expect(try await old.delete(["r10", "r45"]) == 2)
            #expect(try await interrupted.reembeddingProgress() == .init(done: 17, total: 53))
            #expect(try await nearest("zebra", in: old).id == "r1")
            #expect(try await nearest("giraffe", in: old).id == "r2")

            try await reembed(try open(Self.new, dimensions))
            let server = try open(Self.new, dimensions)
            try await server.prepare()
            #expect(await server.health().allSatisfy(\.isOK))
            for (text, id) in [
                ("zebra", "r1"), ("giraffe", "r2"), ("word11 of record 11", "r11"), ("word52 of record 52", "r52"),
            ] {
                for database in [old, server] {
                    let found = try await nearest(text, in: database)
                    #expect(found.id == id)
                    #expect(abs(found.distance) < 1e-5)
                    #expect(found.total == 53)
                }
            }
        }
    }

    @Test func `servers of both models complete what the other writes`() async throws {
        try await withStore { old, open in
            let new = try open(Self.new, 128)
            try await reembed(new)
            try await new.prepare()
            let servers = [old, new]
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
                    #expect(try await nearest("ocelot\(writer)", in: database).id == "added\(writer)")
                    #expect(try await nearest("lynx\(writer)", in: database).id == "r\(writer)")
                }
            }
        }
    }

    @Test func `a vector is only stored with its text`() async throws {
        try await withStore(records: 1) { old, open in
            let new = try open(Self.new, 64)
            _ = try await new.beginReembedding()
            let number = try await old.ask("SELECT number FROM memories").singleRow().int(0)
            let vector = try await new.embedder.embed(["x"])[0]
            func store(_ text: String) async throws -> Int {
                let statement = PostgresMemoryDatabase.completion(of: number, text, vector, in: new.space.table)
                return try await old.ask(statement.sql, statement.parameters).affectedRows
            }
            #expect(try await store("another text") == 0)
            #expect(try await store("word0 of record 0") == 1)
            #expect(try await store("word0 of record 0") == 0)
        }
    }

    @Test func `several at once do the work once`() async throws {
        try await withStore(records: 300) { old, open in
            let workers = try (0..<3).map { _ in try open(Self.new, 64) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in workers { group.addTask { try await reembed(worker) } }
                group.addTask {
                    for step in 0..<20 {
                        let updates = try (0..<10).map { $0 * 30 + step }.map { number in
                            RecordUpdate(id: "r\(number)", changes: try RecordChanges(text: "changed\(number)"))
                        }
                        #expect(try await old.update(updates) == 10)
                    }
                }
                try await group.waitForAll()
            }
            let server = try open(Self.new, 64)
            try await server.prepare()
            try await server.completeVectors()
            #expect(try await server.reembeddingProgress() == .init(done: 300, total: 300))
            for number in 0..<300 {
                let text = number % 30 < 20 ? "changed\(number)" : "word\(number) of record \(number)"
                #expect(try await nearest(text, in: server).id == "r\(number)")
            }
        }
    }

    @Test func `the vectors of other models are dropped`() async throws {
        try await withStore { old, open in
            let tooEarly = await #expect(throws: MemoryError.self) { try await open(Self.new, 64).dropOtherSpaces() }
            #expect(tooEarly?.code == .misconfigured)
            let new = try open(Self.new, 64)
            try await reembed(new)
            try await new.prepare()
            #expect(try await new.dropOtherSpaces().map(\.model) == [Self.old])
            #expect(try await new.dropOtherSpaces().isEmpty)
            let tables = try await new.ask(
                """
                SELECT table_name::text FROM information_schema.tables \
                WHERE table_schema = current_schema() AND table_name LIKE 'memory_embeddings%'
                """)
            #expect(try tables.rows.map { try $0.text(0) } == ["memory_embeddings_2"])
            // The server with the dropped model gets an error, and writes nothing.
            for call in [
                {
                    _ = try await old.search(
                        SearchQuery(text: "x", ranking: .semantic(distanceThreshold: nil), page: PageRequest()))
                },
                { _ = try await old.add([try MemoryRecord(id: "lost", text: "lost")]) },
            ] as [() async throws -> Void] {
                let error = await #expect(throws: MemoryError.self) { try await call() }
                #expect(error?.code == .misconfigured && error?.message.contains(Self.new) == true)
            }
            #expect(try await nearest("word9 of record 9", in: new).id == "r9")
            #expect(try await new.count(.everything) == 50)
            // And on to a third, by the same way.
            let third = try open("test/third", 32)
            try await reembed(third)
            try await third.prepare()
            #expect(try await nearest("word9 of record 9", in: third).id == "r9")
        }
    }

    @Test func `vectors without a model on record are taken for the configured one`() async throws {
        try await withStore { old, open in
            // As an older version left the store.
            _ = try await old.ask("DELETE FROM vector_spaces")
            let error = await refusal(of: try open(Self.new, 128))
            #expect(error?.message.contains("not recorded") == true && error?.message.contains("64") == true)
            // Of equal length, but the texts must be embedded again.
            try await reembed(try open(Self.new, 64))
            try await open(Self.old, 64).prepare()
            let models = try await old.ask("SELECT model FROM vector_spaces ORDER BY number")
            #expect(try models.rows.map { try $0.text(0) } == [Self.old, Self.new])
        }
    }

    @Test func `an empty store takes any model`() async throws {
        try await withStore(records: 1) { old, open in
            #expect(try await old.delete(["r0"]) == 1)
            let new = try open(Self.new, 64)
            try await new.prepare()
            _ = try await new.add([try MemoryRecord(id: "a", text: "tea")])
            #expect(try await nearest("tea", in: new).id == "a")
            let error = await #expect(throws: MemoryError.self) {
                try await old.add([MemoryRecord(id: "b", text: "x")])
            }
            #expect(error?.code == .misconfigured)
        }
    }
}
