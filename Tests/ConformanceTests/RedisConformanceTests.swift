import AgentMemory
import Foundation
import Logging
import MemoryConformance
import RedisBackend
import RedisDriver
import Testing

/// The Redis backend keeps the contract, on the server of TEST_REDIS_URL.
@Suite struct RedisConformanceTests {
    struct Harness: ConformanceHarness {
        let backend = "redis"

        func makeDatabase(embedder: any Embedder) async throws -> ScopedDatabase {
            let scope = "conformance-\(UUID().uuidString.prefix(8).lowercased())"
            var configuration = try RedisMemoryDatabase.Configuration(url: try Self.url)
            configuration.indexName = "\(scope)-index"
            configuration.keyPrefix = scope
            configuration.timeout = .seconds(30)
            let settled = configuration
            let logger = Logger(label: "redis")
            let database = try RedisMemoryDatabase(configuration: settled, embedder: embedder, logger: logger)
            try await Self.prepare(database)
            return ScopedDatabase(
                database: database,
                reopen: { embedder in
                    let other = try RedisMemoryDatabase(configuration: settled, embedder: embedder, logger: logger)
                    try await Self.prepare(other)
                    return other
                },
                remove: {
                    await database.close()
                    try await Self.remove(settled)
                })
        }

        /// A new index looks through all keys of the server, those of other tests too, and is not ready until it has.
        private static func prepare(_ database: RedisMemoryDatabase) async throws {
            let deadline = ContinuousClock.now + .seconds(60)
            while true {
                do {
                    return try await database.prepare()
                } catch let error as MemoryError where error.code == .storeUnavailable && ContinuousClock.now < deadline
                {
                    continue
                }
            }
        }

        static var url: String {
            get throws {
                try #require(
                    ProcessInfo.processInfo.environment["TEST_REDIS_URL"], "TEST_REDIS_URL is not set: run make test")
            }
        }

        /// Drops every index whose name begins as the scope's does, with its records.
        private static func remove(_ configuration: RedisMemoryDatabase.Configuration) async throws {
            let client = try RedisClient(
                configuration: .init(endpoint: configuration.endpoint), logger: Logger(label: "redis"))
            if case .array(let names) = try await client.send(RedisCommand("FT._LIST")) {
                for name in names.compactMap(\.string) where name.hasPrefix(configuration.indexName) {
                    _ = try await client.send(RedisCommand("FT.DROPINDEX", name, "DD"))
                }
            }
            await client.close()
        }
    }

    @Test(arguments: ConformanceCheck.all)
    func check(_ check: ConformanceCheck) async {
        await Tally.run(check, on: Harness())
    }
}
