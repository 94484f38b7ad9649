import AgentMemory
import PostgresDriver
import TestSupport
import Testing

@testable import PostgresBackend

@Suite(.tags(.store)) struct SessionTests {
    private static let hostile = [
        "'; DROP TABLE sessions; --", "%", "_", "\\", "\"", "{x}", "NULL", "$1", "\u{E9}", "e\u{301}", "\u{1F600}", "A",
        "a", "x|y", "a:b", "a/b", ":: text", "\u{10FFFF}z", String(repeating: "\u{1F600}", count: 128),
    ]

    @Test func `a session comes back as it was`() async throws {
        try await TestStore.withSessions { store in
            let config = try #require(
                JSONValue(
                    parsing:
                        #"{"n": 12345678901234567890.10, "e": 1e400, "z": [null, {"b": 1, "a": "\u0000\ud83d\ude00"}]}"#
                ).objectValue)
            let record = try MemoryRecord(
                id: "r\u{301}", text: "  a text \u{1F600}\r\n\u{FFFF} ", sessionID: "s", userID: "u", namespace: "n",
                memoryType: .episodic, topics: ["b", "a", "b"], entities: [], discreteMemoryExtracted: false,
                extractionStrategyConfig: config, metadata: config, pinned: true, accessCount: 7, createdAt: .earliest,
                lastAccessed: .latest, updatedAt: Timestamp(microseconds: -1), eventDate: Timestamp(microseconds: 1))
            let messages = try Self.hostile.map { value in
                try SessionMessage(
                    id: value, role: value, content: " \(value)\n\t\u{1} ", createdAt: .earliest, persistedAt: .latest,
                    discreteMemoryExtracted: true)
            }
            let memory = WorkingMemory(
                key: try SessionKey(sessionID: "s", namespace: "n", userID: "u"),
                messages: messages + [try Sample.message("m"), try Sample.message("m")],
                memories: [
                    SessionMemory(record, givenLists: [.topics, .entities], persistedAt: nil),
                    SessionMemory(record, givenLists: [], persistedAt: .latest),
                ],
                data: config, context: "a\u{0}b \u{1F600}", tokens: .max,
                strategy: MemoryStrategy(.custom, config: config), ttlSeconds: .max, createdAt: .earliest,
                updatedAt: Timestamp(microseconds: -1)!, lastAccessed: Timestamp(microseconds: 946_684_800_000_001)!)
            let revision = try await store.write(memory, expecting: .absent, writerStamp: .earliest)
            let stored = try #require(try await store.read(memory.key, lastMessages: nil))
            #expect(stored.memory == memory)
            #expect(stored.memory.context.map { Array($0.utf8) } == Array("a\u{0}b \u{1F600}".utf8))
            #expect(stored.messageCount == messages.count + 2)
            #expect(stored.revisions == [revision])
            #expect(revision.stamp == memory.lastAccessed && revision.writerStamp == .earliest)
            // Absent is not empty.
            let bare = Sample.session(try SessionKey(sessionID: "bare"))
            try await store.create(bare)
            #expect(try await store.read(bare.key, lastMessages: nil)?.memory == bare)
            var emptied = bare
            emptied.data = [:]
            emptied.context = ""
            try await store.write(
                emptied,
                expecting: .revision(try #require(try await store.read(bare.key, lastMessages: 0)).current.number),
                writerStamp: nil)
            let again = try #require(try await store.read(bare.key, lastMessages: nil)).memory
            #expect(again.data == [:] && again.context == "")
        }
    }

    @Test func `every key is a session of its own`() async throws {
        try await TestStore.withSessions { store in
            let values = Self.hostile.map { Optional($0) }
            var keys: [SessionKey] = []
            for value in Self.hostile {
                for (namespace, user) in [(value, nil), (nil, value), (value, value), (nil, nil)]
                    as [(String?, String?)]
                {
                    keys.append(try SessionKey(sessionID: value, namespace: namespace, userID: user))
                }
            }
            for key in keys { try await store.create(Sample.session(key, [try Sample.message("m")])) }
            for key in keys {
                #expect(await failureCode { try await store.create(Sample.session(key)) } == .conflict)
                let stored = try #require(try await store.read(key, lastMessages: 5))
                #expect(stored.memory.key == key && stored.messageCount == 1)
            }
            for value in values {
                let id = try #require(value)
                func matches(_ namespace: String?, _ user: String?) async throws -> [SessionKey] {
                    let reference = try SessionReference(sessionID: id, namespace: namespace, userID: user)
                    let found = try await store.matching(reference, limit: 10)
                    #expect(found == keys.filter(reference.matches).sorted())
                    return found
                }
                #expect(try await matches(nil, nil).count == 4)
                #expect(try await matches(id, nil).count == 2)
                #expect(try await matches(id, id).count == 1)
                #expect(try await matches("other", nil).isEmpty)
                #expect(
                    try await store.sessionIDs(namespace: value, userID: nil, page: PageRequest(limit: 50)).items
                        .map { Array($0.utf8) } == [Array(id.utf8)])
            }
            let reference = try SessionReference(sessionID: "a")
            #expect(try await store.matching(reference, limit: 2).count == 2)
            for key in keys { #expect(try await store.delete(key, expectedRevision: nil)) }
            #expect(try await store.database.ask("SELECT count(*) FROM session_messages").singleRow().int(0) == 0)
        }
    }

    @Test func `IDs are listed once in the order of their bytes`() async throws {
        try await TestStore.withSessions { store in
            let ids = ["b", "B", "a", "\u{E9}", "e\u{301}", "e", "10", "9"]
            for id in ids {
                for user in [nil, "u", "v"] {
                    try await store.create(Sample.session(try SessionKey(sessionID: id, namespace: "n", userID: user)))
                }
            }
            try await store.create(Sample.session(try SessionKey(sessionID: "alone", userID: "u")))
            let sorted = (ids + ["alone"]).map { ExactString($0) }.sorted()
            var pages: [String] = []
            for offset in stride(from: 0, to: 12, by: 2) {
                let page = try await store.sessionIDs(
                    namespace: nil, userID: nil, page: PageRequest(limit: 2, offset: offset))
                #expect(page.total == 9)
                pages += page.items
            }
            #expect(pages.map { ExactString($0) } == sorted)
            func total(_ namespace: String?, _ user: String?) async throws -> Int {
                try await store.sessionIDs(namespace: namespace, userID: user, page: PageRequest(limit: 1)).total
            }
            #expect(try await total("n", nil) == 8)
            #expect(try await total(nil, "u") == 9)
            #expect(try await total("n", "u") == 8)
            #expect(try await total("n", "w") == 0)
            #expect(try await total("N", nil) == 0)
        }
    }

    @Test func `a write needs the revision it expects`() async throws {
        try await TestStore.withSessions { store in
            let key = try SessionKey(sessionID: "s")
            #expect(
                await failureCode {
                    try await store.write(Sample.session(key), expecting: .revision(1), writerStamp: nil)
                } == .conflict)
            let first = try await store.create(Sample.session(key, try Sample.messages(0..<3)))
            let second = try await store.write(
                Sample.session(key, try Sample.messages(1..<5), step: 1), expecting: .revision(first.number),
                writerStamp: first.stamp)
            #expect(second.number == first.number + 1 && second.messageCount == 4)
            #expect(
                await failureCode {
                    try await store.write(
                        Sample.session(key, step: 2), expecting: .revision(first.number), writerStamp: nil)
                } == .conflict)
            let late = SessionAppend([], at: Sample.start, expectedRevision: first.number)
            #expect(await failureCode { try await store.append(late, to: key) } == .conflict)
            #expect(await failureCode { try await store.delete(key, expectedRevision: first.number) } == .conflict)
            let stored = try #require(try await store.read(key, lastMessages: nil))
            #expect(stored.revisions == [first, second])
            #expect(stored.memory.messages == (try Sample.messages(1..<5)))
            #expect(try await store.delete(key, expectedRevision: second.number))
            #expect(try await store.read(key, lastMessages: nil) == nil)
            #expect(try await store.delete(key, expectedRevision: second.number) == false)
            // Created again, it does not repeat the same numbers.
            #expect(try await store.create(Sample.session(key)).number > second.number)
        }
    }

    @Test func `an append is a write of its own`() async throws {
        try await TestStore.withSessions { store in
            let key = try SessionKey(sessionID: "s")
            let early = SessionAppend(try Sample.messages(0..<1), at: Sample.start)
            #expect(try await store.append(early, to: key) == nil)
            #expect(try await store.read(key, lastMessages: nil) == nil)
            let memories = [try Sample.memory("a")]
            let first = try await store.create(Sample.session(key, try Sample.messages(0..<2), memories: memories))
            // The clock of the writer stands still, the stamps do not.
            let appended = try #require(
                try await store.append(
                    SessionAppend(
                        try Sample.messages(2..<4), at: Sample.start, expectedRevision: first.number,
                        writerStamp: first.stamp, tokens: 7),
                    to: key))
            #expect(
                appended.messageCount == 4 && appended.memory.messages.isEmpty && appended.memory.memories == memories)
            #expect(appended.memory.tokens == 7)
            let stamp = try #require(Timestamp(microseconds: first.stamp.microseconds + 1))
            let second = SessionRevision(
                number: first.number + 1, stamp: stamp, writerStamp: first.stamp, messageCount: 4)
            #expect(appended.revisions == [first, second])
            #expect(appended.memory.lastAccessed == stamp && appended.memory.updatedAt == Sample.start)
            let third = try #require(
                try await store.append(SessionAppend([], at: stamp.advanced(bySeconds: 1)), to: key))
            #expect(third.memory.lastAccessed == stamp.advanced(bySeconds: 1) && third.memory.tokens == 7)
            let stored = try #require(try await store.read(key, lastMessages: nil))
            #expect(stored.memory.messages == (try Sample.messages(0..<4)))
            #expect(try await store.read(key, lastMessages: 3)?.memory.messages == (try Sample.messages(1..<4)))
            #expect(try await store.read(key, lastMessages: 0)?.memory.messages == [])
            #expect(try await store.read(key, lastMessages: 9)?.messageCount == 4)
        }
    }

    @Test func `the history is bounded`() async throws {
        try await TestStore.withSessions { store in
            let key = try SessionKey(sessionID: "s")
            let first = try await store.create(Sample.session(key))
            for step in 1...Int64(SessionRevision.kept) {
                let at = try #require(Timestamp(microseconds: Sample.start.microseconds + step))
                _ = try await store.append(SessionAppend([], at: at), to: key)
            }
            let stored = try #require(try await store.read(key, lastMessages: 0))
            #expect(stored.revisions.map(\.number) == Array(first.number + 1...first.number + SessionRevision.kept))
            let rows = try await store.database.ask("SELECT count(*) FROM session_revisions").singleRow().int(0)
            #expect(rows == SessionRevision.kept)
        }
    }

    @Test func `marks go on what has none`() async throws {
        try await TestStore.withSessions { store in
            let key = try SessionKey(sessionID: "s")
            let earlier = Timestamp.earliest
            let memory = Sample.session(
                key,
                [
                    try Sample.message("a"), try Sample.message("b", persistedAt: earlier),
                    try Sample.message("a", "twice"),
                ],
                memories: [
                    try Sample.memory("a"), try Sample.memory("b", persistedAt: earlier), try Sample.memory("c"),
                ])
            let revision = try await store.create(memory)
            try await store.markPersisted(
                memoryIDs: ["a", "b", "x"], messageIDs: ["a", "b", "x"], at: .latest, in: key)
            try await store.markPersisted(memoryIDs: ["a"], messageIDs: [], at: earlier, in: key)
            let other = try SessionKey(sessionID: "s", userID: "u")
            try await store.markPersisted(memoryIDs: ["a"], messageIDs: ["a"], at: .latest, in: other)
            let stored = try #require(try await store.read(key, lastMessages: nil))
            #expect(stored.memory.messages.map(\.persistedAt) == [.latest, earlier, .latest])
            #expect(stored.memory.memories.map(\.persistedAt) == [.latest, earlier, nil])
            #expect(stored.revisions == [revision])
            // A later write stores what it says.
            try await store.write(memory, expecting: .revision(revision.number), writerStamp: nil)
            #expect(try await store.read(key, lastMessages: nil)?.memory == memory)
        }
    }
}
