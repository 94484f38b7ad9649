import AgentMemory
import BackendHarnesses
import Foundation
import MemoryConformance
import RedisBackend
import TestServices
import Testing

/// The Redis backend, and the stores of sessions and jobs next to it, follow the contract, on the
/// server of TEST_REDIS_URL.
@Suite struct RedisConformanceTests {
    struct Harness: ConformanceHarness {
        let backend = "redis"
        /// A server that belongs to the test; otherwise that of TEST_REDIS_URL.
        var server: OwnServer?

        func makeDatabase(embedder: any Embedder) async throws -> ScopedDatabase {
            var configuration = try RedisDatabase.Configuration(url: server?.url ?? Self.url)
            // A short deadline where the store is taken away, a long one where a hundred checks
            // share two processors.
            configuration.timeout = server == nil ? .seconds(30) : .seconds(5)
            let faults = server?.faults(deadline: configuration.timeout)
            return try await RedisHarness(configuration, faults: faults).makeDatabase(embedder: embedder)
        }

        static var url: String {
            get throws {
                try #require(
                    ProcessInfo.processInfo.environment["TEST_REDIS_URL"], "TEST_REDIS_URL is not set: run make test")
            }
        }
    }

    @Test(arguments: ConformanceCheck.all)
    func check(_ check: ConformanceCheck) async {
        await Tally.run(check, on: Harness(), unmet: [.storeFaults, .wire])
    }
}
