import AgentMemory
import RedisDriver
import TestSupport
import Testing

@testable import RedisBackend

/// From one embedding model to another: refusals, the work of `agent-memory reembed`, and servers
/// of both models at once.
@Suite(.tags(.store)) struct ReembeddingTests {
    private typealias Steps = ReembeddingSteps<RedisMemoryDatabase>

    private func withStore(records count: Int = 50, _ body: (TestStore, Steps) async throws -> Void) async throws {
        try await TestStore.run { store in
            try await Steps.run(
                records: count, oldDimensions: 8, make: { try store.database(dimensions: $1, model: $0) }
            ) { try await body(store, $0) }
        }
    }

    @Test(arguments: [8, 16])
    func `a server of another model is refused with the way out`(_ dimensions: Int) async throws {
        try await withStore { _, steps in try await steps.expectRefusal(dimensions: dimensions) }
    }

    @Test(arguments: [8, 16])
    func `reembedding goes on where it was interrupted`(_ dimensions: Int) async throws {
        try await withStore { _, steps in
            let interrupted = try steps.open(Steps.newModel, dimensions)
            #expect(try await interrupted.beginReembedding().map(\.isReady) == [true, false])
            #expect(
                try await interrupted.embedMissing(from: 0, limit: 20)
                    == .init(found: 20, embedded: 20, position: 0, isLast: false))
            #expect(try await interrupted.reembeddingProgress() == .init(done: 20, total: 50))
            // A server must not use a half-filled model.
            let refused = await steps.refusal(of: try steps.open(Steps.newModel, dimensions))
            #expect(refused?.message.contains("run it (again)") == true)
            // The old server goes on writing, also to what was embedded already.
            _ = try await steps.old.add((50..<55).map { try MemoryRecord(id: "r\($0)", text: steps.text($0)) })
            for number in 0..<50 where number % 10 == 3 {
                let changes = try RecordChanges(text: "zebra \(number)")
                #expect(try await steps.old.update([.init(id: "r\(number)", changes: changes)]) == 1)
            }
            _ = try await steps.old.add(
                (0..<50).filter { $0 % 10 == 4 }.map { try MemoryRecord(id: "r\($0)", text: "giraffe \($0)") })
            #expect(try await steps.old.delete(["r5", "r45"]) == 2)
            try await steps.expectNearest("zebra 13", "r13", total: 53, in: steps.old)
            try await steps.expectNearest("giraffe 14", "r14", total: 53, in: steps.old)

            try await steps.reembed(try steps.open(Steps.newModel, dimensions))
            let server = try steps.open(Steps.newModel, dimensions)
            try await server.prepare()
            #expect(try await server.reembeddingProgress() == .init(done: 53, total: 53))
            #expect(await server.health().allSatisfy(\.isOK))
            for number in 0..<55 where number != 5 && number != 45 {
                let text =
                    number < 50 && number % 10 == 3
                    ? "zebra \(number)" : number < 50 && number % 10 == 4 ? "giraffe \(number)" : steps.text(number)
                for database in [steps.old, server] {
                    try await steps.expectNearest(text, "r\(number)", total: 53, in: database)
                }
            }
        }
    }

    @Test func `servers of both models complete what the other writes`() async throws {
        try await withStore { store, steps in
            let new = try steps.open(Steps.newModel, 16)
            try await steps.reembed(new)
            try await new.prepare()
            let servers = [steps.old, new]
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
                    try await steps.expectNearest("ocelot\(writer)", "added\(writer)", total: total, in: database)
                    try await steps.expectNearest("lynx\(writer)", "r\(writer)", total: total, in: database)
                }
            }
        }
    }

    @Test func `a text that the reference changed loses the vectors of other models`() async throws {
        try await withStore { store, steps in
            let new = try steps.open(Steps.newModel, 16)
            try await steps.reembed(new)
            try await new.prepare()
            // The reference knows its own vector, and nothing of ours.
            try await store.client.send(RedisCommand("HSET", "\(store.prefix):r1", "text", "changed elsewhere"))
            _ = try await new.sweep(updatedSince: Timestamp.now().advanced(bySeconds: -3600))
            try await new.completeVectors()
            try await steps.expectNearest("changed elsewhere", "r1", total: 50, in: new)
        }
    }

    @Test func `several at once do the work once`() async throws {
        try await withStore(records: 300) { _, steps in
            try await steps.reembedAtOnce { try await $0.completeVectors() }
        }
    }

    @Test func `the vectors of other models are dropped`() async throws {
        try await withStore { store, steps in
            let new = try await steps.dropOldModel()
            let names = try await store.client.send(RedisCommand("FT._LIST")).array?.compactMap(\.string) ?? []
            #expect(names.filter { $0.hasPrefix(store.name) } == ["\(store.index)_2"])
            #expect(try await store.hash("r1").keys.contains("text"))
            #expect(try await store.client.send(RedisCommand("HEXISTS", "\(store.prefix):r1", "vector")).integer == 0)
            try await steps.expectDropped(by: new)
        }
    }

    @Test func `vectors without a model on record are taken for the configured one`() async throws {
        try await withStore { store, steps in
            // As an older version left the store.
            try await store.client.send(RedisCommand("DEL", "\(store.index)_spaces"))
            let error = await steps.refusal(of: try steps.open(Steps.newModel, 16))
            #expect(error?.message.contains("not recorded") == true && error?.message.contains("(8 dim") == true)
            // Of equal length, but the texts must be embedded again.
            try await steps.reembed(try steps.open(Steps.newModel, 8))
            let again = try steps.open(Steps.oldModel, 8)
            try await again.prepare()
            let spaces = try await again.finder.registry.read(store.client).contents?.spaces ?? []
            #expect(spaces.map(\.space.model) == [Steps.oldModel, Steps.newModel])
        }
    }

    @Test func `an empty store takes any model`() async throws {
        try await withStore(records: 1) { _, steps in
            try await steps.expectAnyModelOnceEmpty()
            #expect(await failureCode { try await steps.old.ids("tea") } == .misconfigured)
        }
    }
}
