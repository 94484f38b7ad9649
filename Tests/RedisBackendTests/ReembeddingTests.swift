import AgentMemory
import RedisDriver
import Testing

@testable import RedisBackend

/// From one embedding model to another: refusals, the work of `agent-memory reembed`, and servers
/// of both models at once.
@Suite struct ReembeddingTests {
    private static let old = "test/old"
    private static let new = "test/new"

    private func text(_ number: Int) -> String { "word\(number) of record \(number)" }

    /// Runs `body` with a store that holds records of the old model, and closes the servers that it
    /// opens.
    private func withStore(
        records count: Int = 50,
        _ body: (
            _ store: TestStore, _ old: RedisMemoryDatabase, _ open: (String, Int) throws -> RedisMemoryDatabase
        ) async throws -> Void
    ) async throws {
        try await TestStore.run { store in
            var opened: [RedisMemoryDatabase] = []
            func open(_ model: String, _ dimensions: Int) throws -> RedisMemoryDatabase {
                let database = try store.database(dimensions: dimensions, model: model)
                opened.append(database)
                return database
            }
            let old = try open(Self.old, 8)
            try await old.prepare()
            _ = try await old.add((0..<count).map { try MemoryRecord(id: "r\($0)", text: text($0)) })
            let result: Result<Void, any Error>
            do {
                try await body(store, old, open)
                result = .success(())
            } catch {
                result = .failure(error)
            }
            for database in opened { await database.close() }
            try result.get()
        }
    }

    private func expectNearest(
        _ text: String, _ id: String, total: Int, in database: RedisMemoryDatabase
    ) async throws {
        let page = try await database.search(
            SearchQuery(text: text, ranking: .semantic(distanceThreshold: nil), page: PageRequest(limit: 1)))
        #expect(page.items.map(\.record.id) == [id])
        #expect(page.total == total)
        // Vectors of a text as a whole: only the text's own is at no distance.
        #expect(page.items.first.map { abs($0.distance) < 1e-5 } == true)
    }

    private func reembed(_ database: RedisMemoryDatabase, batchSize: Int = 7) async throws {
        try await Reembedding(database, batchSize: batchSize).run { _ in }
    }

    private func refusal(of database: RedisMemoryDatabase) async -> MemoryError? {
        await #expect(throws: MemoryError.self) { try await database.prepare() }
    }

    @Test(arguments: [8, 16])
    func `a server of another model is refused with the way out`(_ dimensions: Int) async throws {
        try await withStore { _, old, open in
            let error = await refusal(of: try open(Self.new, dimensions))
            #expect(error?.code == .misconfigured)
            for part in [Self.old, Self.new, "(8 dimensions)", "(\(dimensions) dimensions)", "agent-memory reembed"] {
                #expect(error?.message.contains(part) == true, "\(part)")
            }
            try await expectNearest(text(7), "r7", total: 50, in: old)
        }
    }

    @Test(arguments: [8, 16])
    func `reembedding goes on where it was interrupted`(_ dimensions: Int) async throws {
        try await withStore { _, old, open in
            let interrupted = try open(Self.new, dimensions)
            #expect(try await interrupted.beginReembedding().map(\.isReady) == [true, false])
            #expect(
                try await interrupted.embedMissing(from: 0, limit: 20)
                    == .init(found: 20, embedded: 20, position: 0, isLast: false))
            #expect(try await interrupted.reembeddingProgress() == .init(done: 20, total: 50))
            // A server must not use a half-filled model.
            let refused = await refusal(of: try open(Self.new, dimensions))
            #expect(refused?.message.contains("run it (again)") == true)
            // The old server goes on writing, also to what was embedded already.
            _ = try await old.add((50..<55).map { try MemoryRecord(id: "r\($0)", text: text($0)) })
            for number in 0..<50 where number % 10 == 3 {
                let changes = try RecordChanges(text: "zebra \(number)")
                #expect(try await old.update([.init(id: "r\(number)", changes: changes)]) == 1)
            }
            _ = try await old.add(
                (0..<50).filter { $0 % 10 == 4 }.map { try MemoryRecord(id: "r\($0)", text: "giraffe \($0)") })
            #expect(try await old.delete(["r5", "r45"]) == 2)
            try await expectNearest("zebra 13", "r13", total: 53, in: old)
            try await expectNearest("giraffe 14", "r14", total: 53, in: old)

            try await reembed(try open(Self.new, dimensions))
            let server = try open(Self.new, dimensions)
            try await server.prepare()
            #expect(try await server.reembeddingProgress() == .init(done: 53, total: 53))
            #expect(await server.health().allSatisfy(\.isOK))
            for number in 0..<55 where number != 5 && number != 45 {
                let text =
                    number < 50 && number % 10 == 3
                    ? "zebra \(number)" : number < 50 && number % 10 == 4 ? "giraffe \(number)" : text(number)
                for database in [old, server] {
                    try await expectNearest(text, "r\(number)", total: 53, in: database)
                }
            }
        }
    }

    @Test func `servers of both models complete what the other writes`() async throws {
        try await withStore { store, old, open in
            let new = try open(Self.new, 16)
            try await reembed(new)
            try await new.prepare()
            let servers = [old, new]
            for (writer, reader) in [(0, 1), (1, 0)] {
                _ = try await servers[writer].add([MemoryRecord(id: "added\(writer)", text: "ocelot\(writer)")])
                _ = try await servers[writer].update([
                    .init(id: "r\(writer)", changes: try RecordChanges(text: "lynx\(writer)"))
                ])
                let fields =
                    try await store.client.send(RedisCommand("HKEYS", "\(store.prefix):r\(writer)")).array ?? []
                #expect(
                    fields.compactMap(\.string).filter { $0.hasPrefix("vector") } == [["vector", "vector_2"][writer]])
                // Until the sweep they come last, and nothing is short.
                let total = 51 + writer
                let all = try await servers[reader].ids("lynx\(writer)", limit: 100)
                #expect(all.count == total)
                #expect(Set(all.suffix(2)) == ["added\(writer)", "r\(writer)"])
                #expect(try await servers[reader].ids("lynx\(writer)", limit: 1, offset: total - 1) == ["r\(writer)"])
                #expect(
                    try await servers[reader].ids("lynx\(writer)", .hybrid(alpha: 0.2, .bm25std), limit: 1)
                        == ["r\(writer)"])
                #expect(
                    try await servers[reader].ids("lynx\(writer)", .hybrid(alpha: 0.2, .bm25std), limit: 100).count
                        == total)
                try await servers[reader].completeVectors()
                for database in servers {
                    try await expectNearest("ocelot\(writer)", "added\(writer)", total: total, in: database)
                    try await expectNearest("lynx\(writer)", "r\(writer)", total: total, in: database)
                }
            }
        }
    }

    @Test func `a text that the reference changed loses the vectors of other models`() async throws {
        try await withStore { store, _, open in
            let new = try open(Self.new, 16)
            try await reembed(new)
            try await new.prepare()
            // The reference knows its own vector, and nothing of ours.
            try await store.client.send(RedisCommand("HSET", "\(store.prefix):r1", "text", "changed elsewhere"))
            _ = try await new.sweep(updatedSince: Timestamp.now().advanced(bySeconds: -3600))
            try await new.completeVectors()
            try await expectNearest("changed elsewhere", "r1", total: 50, in: new)
        }
    }

    @Test func `several at once do the work once`() async throws {
        try await withStore(records: 300) { _, old, open in
            let workers = try (0..<3).map { _ in try open(Self.new, 8) }
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
            let server = try open(Self.new, 8)
            try await server.prepare()
            try await server.completeVectors()
            #expect(try await server.reembeddingProgress() == .init(done: 300, total: 300))
            for number in 0..<300 {
                let text = number % 30 < 20 ? "changed\(number)" : text(number)
                try await expectNearest(text, "r\(number)", total: 300, in: server)
            }
        }
    }

    @Test func `the vectors of other models are dropped`() async throws {
        try await withStore { store, old, open in
            let new = try open(Self.new, 8)
            let tooEarly = await #expect(throws: MemoryError.self) { try await new.dropOtherSpaces() }
            #expect(tooEarly?.code == .misconfigured)
            try await reembed(new)
            try await new.prepare()
            #expect(try await new.dropOtherSpaces().map(\.model) == [Self.old])
            #expect(try await new.dropOtherSpaces().isEmpty)
            let names = try await store.client.send(RedisCommand("FT._LIST")).array?.compactMap(\.string) ?? []
            #expect(names.filter { $0.hasPrefix(store.name) } == ["\(store.index)_2"])
            #expect(try await store.hash("r1").keys.contains("text"))
            #expect(try await store.client.send(RedisCommand("HEXISTS", "\(store.prefix):r1", "vector")).integer == 0)
            // The server with the dropped model gets an error.
            for call in [
                { _ = try await old.ids("x") }, { _ = try await old.add([MemoryRecord(id: "late", text: "late")]) },
            ] as [() async throws -> Void] {
                let error = await #expect(throws: MemoryError.self) { try await call() }
                #expect(error?.code == .misconfigured && error?.message.contains(Self.new) == true)
            }
            try await expectNearest(text(9), "r9", total: 50, in: new)
            // And on to a third, by the same way.
            let third = try open("test/third", 4)
            try await reembed(third)
            try await third.prepare()
            try await expectNearest(text(9), "r9", total: 50, in: third)
        }
    }

    @Test func `vectors without a model on record are taken for the configured one`() async throws {
        try await withStore { store, _, open in
            // As an older version left the store.
            try await store.client.send(RedisCommand("DEL", "\(store.index)_spaces"))
            let error = await refusal(of: try open(Self.new, 16))
            #expect(error?.message.contains("not recorded") == true && error?.message.contains("(8 dim") == true)
            // Of equal length, but the texts must be embedded again.
            try await reembed(try open(Self.new, 8))
            let again = try open(Self.old, 8)
            try await again.prepare()
            let spaces = try await again.finder.registry.read(store.client).contents?.spaces ?? []
            #expect(spaces.map(\.space.model) == [Self.old, Self.new])
        }
    }

    @Test func `an empty store takes any model`() async throws {
        try await withStore(records: 1) { store, old, open in
            #expect(try await old.delete(["r0"]) == 1)
            let new = try open(Self.new, 8)
            try await new.prepare()
            _ = try await new.add([MemoryRecord(id: "a", text: "tea")])
            try await expectNearest("tea", "a", total: 1, in: new)
            let error = await #expect(throws: MemoryError.self) { try await old.ids("tea") }
            #expect(error?.code == .misconfigured)
        }
    }
}
