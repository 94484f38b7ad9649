import AgentMemory
import PostgresDriver
import TestServices
import TestSupport
import Testing

@testable import PostgresBackend

@Suite(.tags(.store)) struct SharedDatabaseTests {
    private func vectors(in database: PostgresDatabase) throws -> PostgresMemoryDatabase {
        try PostgresMemoryDatabase(
            database: database, embedder: TestEmbedder(dimensions: 64), logger: TestStore.logger)
    }

    @Test func `all stores share one pool until the last is closed`() async throws {
        try await TestStore.withSchema { schema in
            let mark = "agent-memory \(schema.suffix(20))"
            // A pooler leaves the name on each connection of its own that it has used.
            let direct = try TestStore.directURL()
            let separator = direct.contains("?") ? "&" : "?"
            let url = direct + separator + "application_name=\(mark.replacing(" ", with: "%20"))"
            let database = try TestStore.shared(schema: schema, poolSize: 3, url: url)
            let memories = try vectors(in: database)
            let sessions = PostgresWorkingMemoryStore(database: database)
            let jobs = PostgresJobQueue(database: database)
            try await memories.prepare()
            try await sessions.prepare()
            try await jobs.prepare()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<30 {
                    group.addTask { _ = try await memories.count(.everything) }
                    group.addTask { try await jobs.enqueue([NewJob(kind: "k", payload: [:])]) }
                    group.addTask { try await sessions.create(Sample.session(try SessionKey(sessionID: "\(number)"))) }
                }
                try await group.waitForAll()
            }
            let connections = try await database.ask(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1", [.text(mark)]
            ).singleRow().int(0)
            #expect((1...3).contains(connections))
            #expect(
                await (memories.health() + sessions.health() + jobs.health()).map(\.component) == [
                    "store", "index", "sessions", "jobs",
                ])
            #expect(await (memories.health() + sessions.health() + jobs.health()).allSatisfy(\.isOK))
            await memories.close()
            await jobs.close()
            #expect(try await sessions.sessionIDs(namespace: nil, userID: nil, page: PageRequest()).total == 30)
            await sessions.close()
            #expect(
                await failureCode { try await sessions.read(try SessionKey(sessionID: "0"), lastMessages: 0) }
                    == .storeUnavailable)
        }
    }

    @Test func `replicas that start at once all come up`() async throws {
        try await TestStore.withSchema { schema in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for replica in 0..<4 {
                    group.addTask {
                        let database = try TestStore.shared(schema: schema)
                        let memories = try vectors(in: database)
                        let sessions = PostgresWorkingMemoryStore(database: database)
                        let jobs = PostgresJobQueue(database: database)
                        async let first: Void = sessions.prepare()
                        async let second: Void = memories.prepare()
                        async let third: Void = jobs.prepare()
                        _ = try await (first, second, third)
                        try await sessions.create(Sample.session(try SessionKey(sessionID: "\(replica)")))
                        try await jobs.enqueue([NewJob(kind: "k", payload: [:])])
                        await memories.close()
                        await sessions.close()
                        await jobs.close()
                    }
                }
                try await group.waitForAll()
            }
            let database = try TestStore.shared(schema: schema, autoMigrate: false)
            let jobs = PostgresJobQueue(database: database)
            #expect(try await jobs.counts().waiting == 4)
            await jobs.close()
        }
    }

    @Test func `without auto migrate missing tables are refused`() async throws {
        try await TestStore.withSchema { schema in
            let store = try PostgresWorkingMemoryStore(
                configuration: try TestStore.configuration(schema: schema, autoMigrate: false).database,
                logger: TestStore.logger)
            #expect(await failureCode { try await store.prepare() } == .misconfigured)
            #expect(await store.health().map(\.isOK) == [false])
            await store.close()
        }
        #expect(throws: MemoryError.self) {
            try PostgresJobQueue(
                configuration: .init(databaseURL: try SharedServer.postgresURL(), schema: "no name"),
                logger: TestStore.logger)
        }
    }

    @Test func `a crash is a typed error and is survived`() async throws {
        try await OwnServer.run(.postgres) { server in
            let database = try TestStore.shared(schema: "here", url: server.url, timeout: .seconds(10))
            let memories = try vectors(in: database)
            let store = PostgresWorkingMemoryStore(database: database)
            let queue = PostgresJobQueue(database: database)
            try await memories.prepare()
            let key = try SessionKey(sessionID: "s", userID: "u")
            let revision = try await store.create(Sample.session(key, try Sample.messages(0..<3)))
            let ids = try await queue.enqueue([
                NewJob(kind: "k", payload: ["n": 1]), NewJob(kind: "k", payload: ["n": 2]),
            ])
            let lost = try await queue.lease(kinds: ["k"], limit: 1, for: .seconds(1000))
            try await server.crash()
            #expect(await failureCode { try await store.read(key, lastMessages: nil) } == .storeUnavailable)
            #expect(
                await failureCode { try await store.append(SessionAppend([], at: .now()), to: key) }
                    == .storeUnavailable)
            #expect(
                await failureCode {
                    try await store.write(Sample.session(key), expecting: .revision(revision.number), writerStamp: nil)
                } == .storeUnavailable)
            #expect(
                await failureCode { try await queue.enqueue([NewJob(kind: "k", payload: [:])]) } == .storeUnavailable)
            #expect(await store.health().map(\.isOK) == [false])
            #expect(await queue.health().map(\.isOK) == [false])
            try await server.restart()
            // Acknowledged is kept, and every kind of call finds its way back.
            let appended = try #require(
                try await store.append(SessionAppend([try Sample.message("m3")], at: .now()), to: key))
            #expect(appended.messageCount == 4)
            try await store.write(
                Sample.session(key, try Sample.messages(0..<5), step: 1), expecting: .revision(appended.current.number),
                writerStamp: nil)
            #expect(try await store.read(key, lastMessages: nil)?.memory.messages == (try Sample.messages(0..<5)))
            #expect(try await queue.counts() == JobCounts(waiting: 1, leased: 1, dead: 0))
            #expect(try await queue.complete(lost[0]))
            #expect(try await queue.lease(kinds: ["k"], limit: 5, for: .seconds(1000)).map(\.id) == [ids[1]])
            #expect(await (store.health() + queue.health()).allSatisfy(\.isOK))
            // The same address, another store: empty, without schema and extension.
            try await server.crash()
            try server.removeData()
            try await server.restart()
            #expect(try await store.read(key, lastMessages: nil) == nil)
            try await store.create(Sample.session(key))
            try await queue.enqueue([NewJob(kind: "k", payload: [:])])
            // The vector index is made again too, though others noticed first.
            #expect(try await memories.count(.everything) == 0)
            #expect(await memories.health().allSatisfy(\.isOK))
            await memories.close()
            await store.close()
            await queue.close()
        }
    }
}
