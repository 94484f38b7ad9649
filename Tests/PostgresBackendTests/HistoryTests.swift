import AgentMemory
import PostgresDriver
import TestSupport
import Testing

@testable import PostgresBackend

@Suite(.tags(.store)) struct HistoryTests {
    @Test func `a number is settled once nothing before it can come`() {
        #expect(HistorySQL.settled(last: 10, held: []) == 10)
        #expect(HistorySQL.settled(last: 10, held: [7, 3]) == 3)
        #expect(HistorySQL.settled(last: 10, held: [12]) == 10)
        let wrapped = (1 << 31) + 5
        #expect(HistorySQL.settled(last: wrapped, held: [2]) == wrapped - 3)
        #expect(HistorySQL.settled(last: wrapped, held: [(1 << 31) - 1]) == (1 << 31) - 1)
    }

    @Test func `events end at a write that is not committed, also of another program`() async throws {
        try await TestStore.withDatabase { database in
            _ = try await database.add([MemoryRecord(id: "a", text: "one")])
            try await database.database.withTransaction([], deadline: .soon) { connection, _ in
                try await connection.query(PostgresStatement("UPDATE memories SET text = 'two'"), deadline: .soon)
                _ = try await database.add([MemoryRecord(id: "b", text: "two")])
                let events = try await database.events(after: 0, limit: 10, within: .everything)
                #expect(events.map(\.id) == ["a"])
                try await connection.query(PostgresStatement("COMMIT"), deadline: .soon)
            }
            let events = try await database.events(after: 0, limit: 10, within: .everything)
            #expect(events.map(\.kind) == [.added, .changed, .added])
            #expect(events.map(\.caller) == [nil, nil, nil])
            #expect(events[1].before?.members.map(\.name) == ["text"])
        }
    }

    @Test func `documents with escapes that the server cannot decode are kept`() async throws {
        try await TestStore.withDatabase { database in
            let metadata = try #require(
                try JSONValue(parsing: #"{"a": "\u0000 \ud83d\ude00", "n": 1.0, "\u0000": [null]}"#).objectValue)
            let first = try MemoryRecord(id: "a", text: "one", extractionStrategyConfig: metadata, metadata: metadata)
            _ = try await database.add([first])
            _ = try await database.add([MemoryRecord(id: "a", text: "two", metadata: ["b": 1])])
            _ = try await database.add([first])
            _ = try await database.delete(["a"])
            let events = try await database.events(after: 0, limit: 10, within: .everything)
            #expect(events.map(\.kind) == [.added, .replaced, .replaced, .deleted])
            #expect(events[1].before?["metadata"]?.jsonText == JSONValue.object(metadata).jsonText)
            #expect(events[3].before.map(JSONValue.object)?.jsonText == JSONValue.object(first.jsonObject).jsonText)
        }
    }

    @Test func `old events are removed, and without a history there are none`() async throws {
        try await TestStore.withDatabase { database in
            _ = try await database.add([MemoryRecord(id: "a", text: "one"), MemoryRecord(id: "b", text: "one")])
            _ = try await database.ask(
                "UPDATE memory_events SET happened_at = now() - interval '31 days' WHERE id = 'a'")
            try await database.sweepEvents()
            let kept = try await database.events(after: 0, limit: 10, within: .everything)
            #expect(kept.map(\.id) == ["b"])
        }
        try await TestStore.withSchema { schema in
            let database = try PostgresMemoryDatabase(
                database: try PostgresDatabase(
                    configuration: try TestStore.configuration(schema: schema).database, logger: TestStore.logger),
                history: .off, embedder: TestEmbedder(model: "test", dimensions: 64), logger: TestStore.logger)
            try await database.prepare()
            _ = try await database.add([MemoryRecord(id: "a", text: "one")])
            _ = try await database.delete(["a"])
            #expect(try await database.events(after: 0, limit: 10, within: .everything).isEmpty)
            await database.close()
        }
    }
}
