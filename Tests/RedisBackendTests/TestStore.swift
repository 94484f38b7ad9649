import AgentMemory
import Foundation
import Logging
import RedisDriver
import Testing

@testable import RedisBackend

/// Vectors that a test can choose: a text that begins with `[1,0,0,0]` has this one, every other
/// text one that follows from its bytes.
struct TestEmbedder: Embedder {
    var model = "test"
    var dimensions = 4

    func embed(_ texts: [String]) async throws -> [[Float]] {
        texts.map { text in
            if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
                let chosen = text[text.index(after: text.startIndex)..<end].split(separator: ",").compactMap {
                    Float($0)
                }
                if chosen.count == dimensions { return chosen }
            }
            var seed: UInt64 = 0xCBF2_9CE4_8422_2325
            for byte in (model + text).utf8 { seed = (seed ^ UInt64(byte)) &* 0x100_0000_01B3 }
            return (0..<dimensions).map { _ in
                seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Float(seed >> 40) / Float(1 << 24) + 0.01
            }
        }
    }

    func unavailability() async -> String? { nil }
}

/// A part of the test server that belongs to one test: its own index and its own keys.
struct TestStore: Sendable {
    let endpoint: RedisEndpoint
    let name: String
    let client: RedisClient

    var prefix: String { "\(name):memory" }
    var index: String { "\(name)_index" }

    /// Runs `body` with a store of its own and removes what it left.
    static func run(url: String? = nil, _ body: (TestStore) async throws -> Void) async throws {
        let url = try #require(
            url ?? ProcessInfo.processInfo.environment["TEST_REDIS_URL"],
            "TEST_REDIS_URL names the Redis server for tests")
        let endpoint = try RedisEndpoint(url: url)
        let client = try RedisClient(
            configuration: RedisClient.Configuration(endpoint: endpoint), logger: Logger(label: "test"))
        let store = TestStore(
            endpoint: endpoint, name: "test\(String(UInt64.random(in: 0 ... .max), radix: 36))", client: client)
        let result: Result<Void, any Error>
        do {
            try await body(store)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        try? await store.dropIndexes()
        try? await store.deleteKeys()
        await client.close()
        try result.get()
    }

    func configuration() -> RedisMemoryDatabase.Configuration {
        var configuration = RedisMemoryDatabase.Configuration()
        configuration.indexName = index
        configuration.keyPrefix = prefix
        return configuration
    }

    func server(_ change: (inout RedisDatabase.Configuration) -> Void = { _ in }) -> RedisDatabase.Configuration {
        var server = RedisDatabase.Configuration(endpoint: endpoint)
        change(&server)
        return server
    }

    func database(
        dimensions: Int = 4, model: String = "test",
        _ change: (inout RedisMemoryDatabase.Configuration) -> Void = { _ in },
        server: (inout RedisDatabase.Configuration) -> Void = { _ in }
    ) throws -> RedisMemoryDatabase {
        var configuration = configuration()
        change(&configuration)
        return try RedisMemoryDatabase(
            database: self.server {
                // Indexes are built one after another, and many tests make theirs at once.
                $0.timeout = .seconds(15)
                server(&$0)
            }, configuration: configuration, embedder: TestEmbedder(model: model, dimensions: dimensions),
            logger: Logger(label: "test"))
    }

    /// Runs `body` with a prepared database over this store.
    func withDatabase(
        _ change: (inout RedisMemoryDatabase.Configuration) -> Void = { _ in },
        _ body: (RedisMemoryDatabase) async throws -> Void
    ) async throws {
        let database = try database(change)
        let result: Result<Void, any Error>
        do {
            try await database.prepare()
            try await body(database)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await database.close()
        try result.get()
    }

    func dropIndexes() async throws {
        for name in [index, "\(index)_v1", "\(index)_2", "\(index)_3", sessionIndex, "\(sessionIndex)_v1"] {
            _ = try await client.pipeline([RedisCommand("FT.DROPINDEX", name)])
        }
    }

    func deleteKeys() async throws {
        try await client.send(RedisCommand("DEL", "\(index)_spaces"))
        var cursor = "0"
        repeat {
            let reply = try await client.send(RedisCommand("SCAN", cursor, "MATCH", "\(name):*", "COUNT", "5000"))
            cursor = reply.array?.first?.string ?? "0"
            var command = RedisCommand("DEL")
            let keys = reply.array?.last?.array?.compactMap(\.string) ?? []
            command.append(keys)
            if !keys.isEmpty { try await client.send(command) }
        } while cursor != "0"
    }

    func hash(_ id: String) async throws -> [String: String] {
        let reply = try await client.send(RedisCommand("HGETALL", "\(prefix):\(id)")).array ?? []
        var fields: [String: String] = [:]
        for i in stride(from: 0, to: reply.count, by: 2) { fields[reply[i].string ?? ""] = reply[i + 1].string }
        return fields
    }
}

extension RedisMemoryDatabase {
    func ids(
        _ text: String, _ ranking: SearchQuery.Ranking = .semantic(distanceThreshold: nil),
        filter: MemoryFilter = .everything, limit: Int = 10, offset: Int = 0
    ) async throws -> [String] {
        try await search(
            SearchQuery(text: text, ranking: ranking, filter: filter, page: PageRequest(limit: limit, offset: offset))
        ).items.map(\.record.id)
    }

    func listed(_ filter: MemoryFilter = .everything, limit: Int = 100, offset: Int = 0) async throws -> [String] {
        try await list(ListQuery(filter: filter, page: PageRequest(limit: limit, offset: offset))).items.map(\.id)
    }
}
