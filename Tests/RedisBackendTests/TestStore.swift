import AgentMemory
import Logging
import RedisDriver
import TestServices
import TestSupport

@testable import RedisBackend

/// A part of the test server that belongs to one test: its own index and its own keys.
struct TestStore: Sendable {
    let endpoint: RedisEndpoint
    let name: String
    let client: RedisClient

    var prefix: String { "\(name):memory" }
    var index: String { "\(name)_index" }

    /// Runs `body` with a store of its own and removes what it left.
    static func run(url: String? = nil, _ body: (TestStore) async throws -> Void) async throws {
        let endpoint = try RedisEndpoint(url: url ?? SharedServer.redisURL())
        let client = try RedisClient(
            configuration: RedisClient.Configuration(endpoint: endpoint), logger: Logger(label: "test"))
        let store = TestStore(
            endpoint: endpoint, name: "test\(String(UInt64.random(in: 0 ... .max), radix: 36))", client: client)
        try await withClosing {
            try await body(store)
        } close: {
            try? await store.dropIndexes()
            try? await store.deleteKeys()
            await client.close()
        }
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
        try await withClosing {
            try await database.prepare()
            try await body(database)
        } close: {
            await database.close()
        }
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

extension IndexSchema {
    /// The schema of an index over the vectors of a ``TestEmbedder`` with four dimensions.
    static func older(_ configuration: RedisMemoryDatabase.Configuration) -> IndexSchema {
        IndexSchema(
            keyPrefix: configuration.keyPrefix + ":", dimensions: 4, metric: configuration.distanceMetric,
            algorithm: configuration.algorithm)
    }

    /// FT.CREATE as versions sent it that had no field for the terms of metadata.
    func creationWithoutMetadata(_ name: String) -> RedisCommand {
        var arguments = creation(named: name).arguments
        if let at = arguments.firstIndex(of: RecordHash.metadataTerms) { arguments.removeSubrange(at..<at + 5) }
        return RedisCommand(arguments)
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
