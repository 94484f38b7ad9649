import AgentMemory
import Logging
import MemoryConformance
import MemoryService
import PostgresBackend
import PostgresDriver
import RedisBackend
import RedisDriver
import ReferenceBackend
import TestServices

/// A backend that makes no events, with its history in one of the stores.
struct HistoryKeepingHarness: ConformanceHarness {
    enum Place: String, Sendable, CaseIterable {
        case memory, redis, postgres
    }

    /// The stores of one scope.
    struct Stores: Sendable {
        let events: any EventStore
        let jobs: any JobQueue
        let remove: @Sendable () async throws -> Void
    }

    let place: Place
    var backend: String { "keeping, with its history in \(place.rawValue)" }

    static let logger = Logger(label: "conformance.history") { _ in SwiftLogNoOpLogHandler() }

    func makeDatabase(embedder: any Embedder) async throws -> ScopedDatabase {
        let stores = try await stores()
        let database = HistoryKeepingDatabase(
            KeepingDatabase(embedder: embedder), events: stores.events, deletions: stores.jobs,
            leaseDuration: .seconds(30), logger: Self.logger)
        try await database.prepare()
        return ScopedDatabase(database: CheckedDatabase(database), remove: stores.remove)
    }

    func stores() async throws -> Stores {
        let name = "history_\(UInt32.random(in: .min ... .max))"
        switch place {
        case .memory: return Stores(events: ReferenceEventStore(), jobs: ReferenceJobQueue(), remove: {})
        case .redis: return try redisStores(name)
        case .postgres: return try await postgresStores(name)
        }
    }

    private func redisStores(_ name: String) throws -> Stores {
        var server = try RedisDatabase.Configuration(url: try SharedServer.redisURL())
        server.timeout = .seconds(30)
        let endpoint = server.endpoint
        let database = try RedisDatabase(configuration: server, logger: Self.logger)
        var events = RedisEventStore.Configuration()
        events.key = "\(name):events"
        var jobs = RedisJobQueue.Configuration()
        jobs.keyPrefix = "\(name):jobs"
        let store = RedisEventStore(database: database, configuration: events)
        let queue = RedisJobQueue(database: database, configuration: jobs)
        return Stores(events: store, jobs: queue) {
            await store.close()
            await queue.close()
            let client = try RedisClient(configuration: .init(endpoint: endpoint), logger: Self.logger)
            let keys = try await client.send(RedisCommand("KEYS", "\(name):*")).array ?? []
            for key in keys.compactMap(\.string) { _ = try await client.send(RedisCommand("UNLINK", key)) }
            await client.close()
        }
    }

    private func postgresStores(_ name: String) async throws -> Stores {
        let url = try SharedServer.postgresURL()
        let direct = try SharedServer.url(pastPooler: url)
        var configuration = PostgresDatabase.Configuration(
            databaseURL: url, schema: name, poolSize: 8, timeout: .seconds(30))
        configuration.migrationURL = direct
        let database = try PostgresDatabase(configuration: configuration, logger: Self.logger)
        let store = PostgresEventStore(database: database)
        let queue = PostgresJobQueue(database: database)
        try await store.prepare()
        return Stores(events: store, jobs: queue) {
            await store.close()
            await queue.close()
            let pool = try PostgresPool(
                .init(connection: .init(connectionString: direct ?? url), maximumConnections: 1))
            defer { pool.close() }
            let deadline = ContinuousClock.now + .seconds(30)
            try await pool.withConnection(deadline: deadline) { connection in
                try await connection.script("DROP SCHEMA IF EXISTS \(name) CASCADE", deadline: deadline)
            }
        }
    }
}
