import AgentMemory
import RedisDriver
import TestSupport
import Testing

@testable import RedisBackend

@Suite(.tags(.store)) struct HistoryTests {
    @Test func `records of the reference have events too, and old events are removed`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                try await database.client.send(
                    RedisCommand("HSET", database.key("raw"), "id_", "raw", "text", "coffee", "topics", "a,b"))
                _ = try await database.update([RecordUpdate(id: "raw", changes: RecordChanges(topics: ["c"]))])
                _ = try await database.delete(["raw"])
                let events = try await database.events(after: 0, limit: 10, within: .everything)
                #expect(events.map(\.kind) == [.changed, .deleted])
                #expect(events[0].before?["topics"] == ["a", "b"])
                #expect(events[1].before?["topics"] == ["c"] && events[1].isRemoval)
                try await database.sweepEvents(keptSeconds: 3600)
                #expect(try await database.events(after: 0, limit: 10, within: .everything).count == 2)
                try await database.sweepEvents(keptSeconds: 0)
                #expect(try await database.events(after: 0, limit: 10, within: .everything).isEmpty)
                let keys = try await database.client.send(RedisCommand("KEYS", "\(database.eventsKey)?*"))
                #expect(keys.array?.isEmpty == true)
                // Numbers go on where they were.
                _ = try await database.add([MemoryRecord(id: "a", text: "tea")])
                #expect(try await database.events(after: 0, limit: 10, within: .everything).map(\.sequence) == [3])
            }
        }
    }

    @Test func `a key that is not a record is replaced without its content in the history`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                try await database.client.send(RedisCommand("SET", database.key("a"), "other"))
                _ = try await database.add([MemoryRecord(id: "a", text: "tea")])
                let events = try await database.events(after: 0, limit: 10, within: .everything)
                #expect(events.map(\.kind) == [.added])
                #expect(events[0].before == nil)
            }
        }
    }
}
