import AgentMemory
import PostgresDriver
import Synchronization
import TestServices
import TestSupport
import Testing

@testable import PostgresBackend

@Suite(.tags(.store)) struct WritingTests {
    private func all(_ database: PostgresMemoryDatabase) async throws -> [MemoryRecord] {
        try await database.list(ListQuery(page: PageRequest(limit: 100))).items
    }

    @Test func `the last of an ID counts and replaces the whole record`() async throws {
        try await TestStore.withDatabase { database in
            _ = try await database.add([MemoryRecord(id: "a", text: "one", userID: "u", topics: ["t"])])
            let ids = try await database.add([
                MemoryRecord(id: "a", text: "two"), MemoryRecord(id: "b", text: "other"),
                MemoryRecord(id: "a", text: "three"),
            ])
            #expect(ids == ["a", "b", "a"])
            let stored = try await all(database).first { $0.id == "a" }
            #expect(stored?.text == "three")
            #expect(stored?.userID == nil)
            #expect(stored?.topics == [])
        }
    }

    /// An answer that was lost leaves open what became of the write.
    @Test func `only what is certainly not done is said to be so`() {
        func mayHaveBeenDone(_ code: PostgresError.Code, _ state: String? = nil, provably: Bool = false) -> Bool {
            MemoryError(PostgresError(code, "x", sqlState: state, provablyNotExecuted: provably)).mayHaveBeenDone
        }
        for code in [PostgresError.Code.connectionLost, .timedOut, .closed, .unexpectedResult] {
            #expect(mayHaveBeenDone(code))
            #expect(!mayHaveBeenDone(code, provably: true))
        }
        for code in [PostgresError.Code.connectionFailed, .poolTimedOut, .invalidConfiguration] {
            #expect(!mayHaveBeenDone(code))
        }
        // The server undoes what it refuses, unless it was ending.
        #expect(!mayHaveBeenDone(.server, "57014"))
        #expect(!mayHaveBeenDone(.server, "40001"))
        #expect(mayHaveBeenDone(.server, "57P01"))
    }

    @Test func `updates of different fields at once all survive`() async throws {
        try await TestStore.withDatabase { database in
            _ = try await database.add([MemoryRecord(id: "a", text: "one")])
            let access = RecordChanges.Access(at: .now(), minimumIntervalSeconds: 0)
            try await withThrowingTaskGroup(of: Int.self) { group in
                for round in 0..<10 {
                    group.addTask {
                        try await database.update([RecordUpdate(id: "a", changes: try RecordChanges(access: access))])
                    }
                    group.addTask {
                        try await database.update([
                            RecordUpdate(id: "a", changes: try RecordChanges(text: "text \(round)"))
                        ])
                    }
                }
                group.addTask {
                    try await database.update([RecordUpdate(id: "a", changes: try RecordChanges(topics: ["t"]))])
                }
                for try await changed in group { #expect(changed == 1) }
            }
            let record = try #require(try await all(database).first)
            #expect(record.accessCount == 10)
            #expect(record.topics == ["t"])
            #expect(record.memoryHash == record.computedHash())
            // The words and the vector are those of the text that won.
            let found = try await database.search(
                SearchQuery(text: record.text, ranking: .semantic(distanceThreshold: 0.001), page: PageRequest()))
            #expect(found.total == 1)
        }
    }

    @Test func `an access that is not due changes nothing`() async throws {
        try await TestStore.withDatabase { database in
            let now = Timestamp.now()
            _ = try await database.add([MemoryRecord(id: "a", text: "one", lastAccessed: now)])
            let soon = RecordChanges.Access(at: now.advanced(bySeconds: 899))
            let due = RecordChanges.Access(at: now.advanced(bySeconds: 900))
            #expect(try await database.update([RecordUpdate(id: "a", changes: try RecordChanges(access: soon))]) == 0)
            #expect(try await database.update([RecordUpdate(id: "a", changes: try RecordChanges(access: due))]) == 1)
        }
    }

    @Test func `changes without a text leave the vector index alone`() async throws {
        try await TestStore.withDatabase { database in
            _ = try await database.add([MemoryRecord(id: "a", text: "one")])
            let place = "SELECT ctid::text FROM memory_embeddings"
            let before = try await database.ask(place).singleRow().text(0)
            #expect(
                try await database.update([
                    RecordUpdate(id: "a", changes: try RecordChanges(topics: ["t"], pinned: true))
                ]) == 1)
            #expect(try await database.ask(place).singleRow().text(0) == before)
        }
    }

    @Test func `a restart and an empty store are survived`() async throws {
        try await OwnServer.run(.postgres) { server in
            let database = try TestStore.database(schema: "memories_here", url: server.url, timeout: .seconds(10))
            try await database.prepare()
            _ = try await database.add([MemoryRecord(id: "a", text: "one")])
            try await server.crash()
            let down = await #expect(throws: MemoryError.self) { try await database.count(.everything) }
            #expect(down?.code == .storeUnavailable)
            #expect(await database.health().allSatisfy { !$0.isOK })
            try await server.restart()
            #expect(try await database.count(.everything) == 1)
            #expect(await database.health().allSatisfy(\.isOK))
            // The same address, another store: empty, without schema and extension.
            try await server.crash()
            try server.removeData()
            try await server.restart()
            #expect(try await database.count(.everything) == 0)
            _ = try await database.add([MemoryRecord(id: "b", text: "two")])
            #expect(try await all(database).map(\.id) == ["b"])
            await database.close()
        }
    }

    @Test func `a store that is down at the start is prepared later`() async throws {
        try await OwnServer.run(.postgres) { server in
            try await server.crash()
            let database = try TestStore.database(schema: "later", url: server.url)
            let error = await #expect(throws: MemoryError.self) { try await database.prepare() }
            #expect(error?.code == .storeUnavailable)
            try await server.restart()
            #expect(try await database.count(.everything) == 0)
            await database.close()
        }
    }

    @Test func `a call that takes too long is a typed error`() async throws {
        try await TestStore.withSchema { schema in
            let database = try TestStore.database(schema: schema, timeout: .milliseconds(600))
            try await database.prepare()
            let other = try TestStore.database(schema: schema)
            try await other.pool.withConnection(deadline: .soon) { connection in
                let lock = ["BEGIN", "LOCK TABLE memories"].map { PostgresStatement($0) }
                _ = try await connection.pipeline(lock, deadline: .soon)
                let error = await #expect(throws: MemoryError.self) {
                    try await database.count(.init(tags: [.id: TagCondition(field: .id, eq: "x")]))
                }
                #expect(error?.code == .timedOut)
            }
            await other.close()
            await database.close()
        }
    }
}
