import AgentMemory
import Logging
import RedisDriver
import Synchronization
import TestSupport
import Testing

@testable import RedisBackend

/// Writes as hashes show them.
@Suite(.tags(.store)) struct WritingTests {
    @Test func `replaces records whole`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                let date = Timestamp.now()
                let full = try MemoryRecord(
                    id: " a", text: "one", userID: "u", topics: ["x"], metadata: ["k": 1], persistedAt: date,
                    eventDate: date)
                let bare = try MemoryRecord(id: " a", text: "two")
                #expect(try await database.add([full]) == [" a"])
                let before = try await store.hash(" a")
                #expect(
                    before["event_date"] != nil && before["persisted_at"] != nil && before["keyword_terms"] == "one")
                #expect(try await database.add([full, bare, full, bare]) == [" a", " a", " a", " a"])
                let after = try await store.hash(" a")
                #expect(after["event_date"] == nil && after["persisted_at"] == nil && after["topics"] == "")
                #expect(after["text"] == "two" && after["keyword_terms"] == "two" && after["id_exact"] == "< a>")
                #expect(try await database.list(ListQuery(page: PageRequest())).items == [bare])
                #expect(try await database.delete([" a", " a", "unknown"]) == 1)
                #expect(try await database.delete([]) == 0)
                #expect(try await database.add([]) == [])
            }
        }
    }

    @Test func `keeps equivalent but different IDs apart`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                let ids = ["é", "e\u{301}"]
                _ = try await database.add(ids.map { try MemoryRecord(id: $0, text: "text") })
                #expect(try await database.count(.everything) == 2)
                let hybrid = try await database.ids("text", .hybrid(alpha: 0.5, .bm25std))
                #expect(hybrid.map { Array($0.utf8) } == [Array("e\u{301}".utf8), Array("é".utf8)])
                let update = RecordUpdate(id: "é", changes: try RecordChanges(pinned: true))
                #expect(try await database.update([update, update]) == 1)
                #expect(try await database.delete(ids) == 2)
            }
        }
    }

    @Test func `stores large texts and batches`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                let text = String(repeating: "päper 😀 ", count: 80_000)
                let records =
                    [try MemoryRecord(id: "large", text: text)]
                    + (try (0..<3000).map { try MemoryRecord(id: "r\($0 + 10_000)", text: "text \($0)") })
                #expect(try await database.add(records).count == 3001)
                let large = MemoryFilter(tags: [.id: try TagCondition(field: .id, eq: "large")])
                #expect(try await database.list(ListQuery(filter: large, page: PageRequest())).items == [records[0]])
                #expect(try await database.listed(limit: 10_000).count == 3001)
                #expect(try await database.listed(limit: 10, offset: 3000).count == 1)
                #expect(try await database.listed(limit: 10, offset: .max).isEmpty)
                #expect(try await database.delete(records.map(\.id)) == 3001)
            }
        }
    }

    @Test func `updates single fields at once`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                _ = try await database.add([
                    MemoryRecord(id: "a", text: "text", userID: "u", topics: ["t"], eventDate: .now())
                ])
                let fields: [RecordChanges] = [
                    try RecordChanges(text: "other text"), try RecordChanges(userID: .set("v")),
                    try RecordChanges(sessionID: .set("s")), try RecordChanges(namespace: .set("n")),
                    try RecordChanges(memoryType: .episodic), try RecordChanges(topics: []),
                    try RecordChanges(pinned: true),
                    try RecordChanges(eventDate: .set(nil)), try RecordChanges(metadata: ["a": 1]),
                ]
                try await withThrowingTaskGroup(of: Int.self) { group in
                    for change in fields {
                        group.addTask { try await database.update([RecordUpdate(id: "a", changes: change)]) }
                    }
                    for try await count in group { #expect(count == 1) }
                }
                let record = try #require(try await database.list(ListQuery(page: PageRequest())).items.first)
                #expect(
                    record.text == "other text" && record.userID == "v" && record.sessionID == "s"
                        && record.namespace == "n")
                #expect(
                    record.memoryType == .episodic && record.topics.isEmpty && record.pinned && record.eventDate == nil)
                #expect(record.metadata["a"]?.intValue == 1)
                #expect(record.memoryHash == record.computedHash())
                #expect(try await store.hash("a")["keyword_terms"] == "other text")
                #expect(try await store.hash("a")["event_date"] == nil)
            }
        }
    }

    @Test func `updates all or none`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                _ = try await database.add([MemoryRecord(id: "a", text: "a"), MemoryRecord(id: "b", text: "b")])
                let count = try await database.update([
                    RecordUpdate(id: "a", changes: try RecordChanges(pinned: true)),
                    RecordUpdate(id: "unknown", changes: try RecordChanges(pinned: true)),
                ])
                #expect(count == 1)
                #expect(try await store.hash("unknown").isEmpty)
                // A stale plan writes nothing at all.
                let read = try await database.client.pipeline(["a", "b"].map(database.readCommand))
                let hashes = zip(["a", "b"], read.map { $0.array ?? [] })
                let plans = try hashes.flatMap { id, hash in
                    let update = RecordUpdate(id: id, changes: try RecordChanges(namespace: .set("n")))
                    return UpdateFold([update]) { _ in RecordHash.record(from: hash) }.changes.map {
                        UpdatePlan($0, hash, key: database.key(id), guardsOwner: false)
                    }
                }
                #expect(plans.count == 2)
                _ = try await database.update([RecordUpdate(id: "b", changes: try RecordChanges(userID: .set("u")))])
                let keys = [database.finder.registry.key, database.eventsKey] + plans.map(\.key)
                let reply = try await database.client.evaluate(UpdatePlan.script, keys: keys) { command in
                    command.append(database.origin)
                    for plan in plans { plan.append(to: &command) }
                }
                #expect(reply.integer == 0)
                #expect(try await store.hash("a")["namespace"] == "")
            }
        }
    }

    @Test func `counts an access once in an interval`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                let now = Timestamp.now()
                let old = now.advanced(bySeconds: -3600)
                _ = try await database.add([MemoryRecord(id: "a", text: "a", lastAccessed: old)])
                let touch = RecordUpdate(id: "a", changes: try RecordChanges(access: .init(at: now)))
                let counted = try await withThrowingTaskGroup(of: Int.self) { group in
                    for _ in 0..<20 { group.addTask { try await database.update([touch]) } }
                    return try await group.reduce(0, +)
                }
                #expect(counted == 1)
                #expect(try await store.hash("a")["access_count"] == "1")
                #expect(try await store.hash("a")["last_accessed"] == RedisDate.text(now))
            }
        }
    }

    @Test func `embeds only texts that changed`() async throws {
        final class Counting: Embedder {
            let base = TestEmbedder(dimensions: 4)
            let texts = Mutex<[String]>([])
            var model: String { base.model }
            var dimensions: Int { base.dimensions }
            func embed(_ texts: [String]) async throws -> [[Float]] {
                self.texts.withLock { $0 += texts }
                return try await base.embed(texts)
            }
            func unavailability() async -> String? { nil }
        }
        try await TestStore.run { store in
            let embedder = Counting()
            let database = try RedisMemoryDatabase(
                database: store.server { $0.timeout = .seconds(15) }, configuration: store.configuration(),
                embedder: embedder, logger: .init(label: "test"))
            _ = try await database.add([MemoryRecord(id: "a", text: "a")])
            _ = try await database.update([RecordUpdate(id: "a", changes: try RecordChanges(text: "a", pinned: true))])
            _ = try await database.update([RecordUpdate(id: "a", changes: try RecordChanges(text: "b"))])
            _ = try await database.update([RecordUpdate(id: "unknown", changes: try RecordChanges(text: "c"))])
            #expect(embedder.texts.withLock { $0 } == ["a", "b"])
            await database.close()
        }
    }
}
