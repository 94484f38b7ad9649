import AgentMemory
import BackendHarnesses
import MemoryConformance
import RedisBackend
import TestServices
import TestSupport
import Testing

/// The Redis backend, and the stores of sessions and jobs next to it, follow the contract, on the
/// server of TEST_REDIS_URL.
@Suite(.tags(.store)) struct RedisConformanceTests {
    struct Harness: ConformanceHarness {
        let backend = "redis"
        /// A server that belongs to the test; otherwise that of TEST_REDIS_URL.
        var server: OwnServer?

        func makeDatabase(embedder: any Embedder) async throws -> ScopedDatabase {
            var configuration = try RedisDatabase.Configuration(url: server?.url ?? SharedServer.redisURL())
            // A short deadline where the store is taken away, a long one where a hundred checks
            // share two processors.
            configuration.timeout = server == nil ? .seconds(30) : .seconds(5)
            let faults = server?.faults(deadline: configuration.timeout)
            return try await RedisHarness(configuration, faults: faults).makeDatabase(embedder: embedder)
        }
    }

    @Test(arguments: ConformanceCheck.all)
    func check(_ check: ConformanceCheck) async {
        await Tally.run(check, on: Harness(), unmet: [.storeFaults, .wire, .opaqueBytes])
    }

    @Test func `undoing everything in reverse leads back to the beginning`() async throws {
        try await UndoHistory().run(on: Harness(), content: StoredContent.redis)
    }

    @Test func `a process that dies while it unites memories loses nothing`() async throws {
        try await MergeSweep().run(on: Harness())
    }

    @Test func `a process that dies while it derives memories and summaries loses nothing`() async throws {
        try await DerivationSweep().run(on: Harness())
    }

    @Test func `of an end and a cancellation of a task one counts`() async throws {
        try await TaskRaces().run(on: Harness())
    }
}
