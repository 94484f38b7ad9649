import AgentMemory
import RedisDriver
import TestSupport
import Testing

@testable import RedisBackend

/// Documents and keys that are shared with the reference server.
@Suite(.tags(.store)) struct SessionLayoutTests {
    /// A document as the reference writes it: whole seconds, no revisions.
    static func referenceDocument(
        _ sessionID: String, namespace: JSONValue = nil, userID: JSONValue = nil, ttl: JSONValue = nil,
        at seconds: Int = 1_784_732_661
    ) -> JSONValue {
        [
            "messages": [
                [
                    "role": "user", "content": "hello there", "id": "m1", "created_at": "2026-07-22T14:54:22.539816Z",
                    "persisted_at": nil, "discrete_memory_extracted": "f",
                ],
                [
                    "role": "tool", "content": "fourth", "id": "m2", "created_at": "2026-07-22T14:54:25Z",
                    "persisted_at": "2026-07-22T15:00:00Z", "discrete_memory_extracted": "t",
                ],
            ],
            "memories": [
                [
                    "id": "wm-1", "text": "likes skiing", "session_id": nil, "user_id": nil, "namespace": "wns",
                    "last_accessed": "2026-07-22T15:04:21.915671Z", "created_at": "2026-07-22T15:04:21.915676Z",
                    "updated_at": "2026-07-22T15:04:21.915678Z", "pinned": false, "access_count": 0,
                    "topics": ["ski"], "entities": nil, "memory_hash": nil, "discrete_memory_extracted": "f",
                    "memory_type": "semantic", "persisted_at": nil, "extracted_from": nil, "event_date": nil,
                    "extraction_strategy": "discrete", "extraction_strategy_config": [:], "metadata": [:],
                ]
            ],
            "context": "earlier", "user_id": userID, "tokens": 42, "session_id": .string(sessionID),
            "namespace": namespace, "ttl_seconds": ttl, "data": ["k": [1, nil, ["x": 1.5]]],
            "long_term_memory_strategy": ["strategy": "summary", "config": ["max": 3]],
            "last_accessed": .int(seconds), "created_at": .int(seconds - 60), "updated_at": .int(seconds + 1),
        ]
    }

    @Test func `reads what the reference wrote`() async throws {
        try await TestStore.run { store in
            try await store.withSessions { sessions in
                let key = try SessionKey(sessionID: "w1", namespace: "wns", userID: "wu")
                let document = Self.referenceDocument("w1", namespace: "wns", userID: "wu")
                try await store.setDocument("\(store.sessionPrefix):wns:wu:w1", document)
                let read = try #require(try await sessions.read(key, lastMessages: nil))
                #expect(read == (try SessionDocument.session(document)))
                #expect(read.memory.messages.map(\.id) == ["m1", "m2"] && read.messageCount == 2)
                #expect(read.memory.data == ["k": [1, nil, ["x": 1.5]]] && read.memory.strategy.name == .summary)
                let stamp = try #require(Timestamp(microseconds: 1_784_732_661_000_000))
                let original = SessionRevision(number: 0, stamp: stamp, writerStamp: nil, messageCount: 2)
                #expect(read.revisions == [original])
                #expect(try await sessions.matching(SessionReference(sessionID: "w1"), limit: 9) == [key])
                #expect(
                    try await sessions.sessionIDs(namespace: "wns", userID: nil, page: PageRequest()).items == ["w1"])

                let message = try SessionMessage(id: "m3", role: "user", content: "more", createdAt: stamp)
                let at = stamp.advanced(bySeconds: 60)
                let appended = try await sessions.append(SessionAppend([message], at: at, tokens: 43), to: key)
                let next = SessionRevision(number: 1, stamp: at, writerStamp: nil, messageCount: 3)
                #expect(appended?.revisions == [original, next] && appended?.memory.tokens == 43)
                #expect(appended?.memory.context == "earlier" && appended?.memory.memories == read.memory.memories)
                var memory = read.memory
                memory.lastAccessed = at.advanced(bySeconds: 1)
                let written = try await sessions.write(memory, expecting: .revision(1), writerStamp: stamp)
                #expect(written.number == 2 && written.writerStamp == stamp)
                #expect(try await sessions.read(key, lastMessages: 1)?.revisions == [original, next, written])
            }
        }
    }

    @Test func `tolerates what a document lacks`() async throws {
        try await TestStore.run { store in
            try await store.withSessions { sessions in
                let key = try SessionKey(sessionID: "bare")
                let plain = "\(store.sessionPrefix):bare"
                try await store.setDocument(plain, ["session_id": "bare", "namespace": "", "unknown": [1]])
                let read = try #require(try await sessions.read(key, lastMessages: nil))
                #expect(read.memory.key == key && read.messageCount == 0 && read.current.number == 0)
                #expect(try await sessions.read(key, lastMessages: 0) == read)
                let message = try SessionMessage(id: "m", role: "user", content: "x", createdAt: .now())
                let appended = try await sessions.append(SessionAppend([message], at: .now()), to: key)
                #expect(appended?.messageCount == 1 && appended?.revisions.map(\.number) == [0, 1])
                #expect(try await sessions.read(key, lastMessages: 5)?.memory.messages == [message])
                try await sessions.markPersisted(memoryIDs: ["m"], messageIDs: [], at: .now(), in: key)
                #expect(try await sessions.delete(key, expectedRevision: 1))
            }
        }
    }

    @Test func `writes what the reference reads`() async throws {
        try await TestStore.run { store in
            try await store.withSessions { sessions in
                let key = try SessionKey(sessionID: "w1", namespace: "wns", userID: "wu")
                let date = try #require(Timestamp(parsing: "2026-07-22T15:04:21.551024Z"))
                var memory = try session(key, messages: 2, at: date)
                memory.ttlSeconds = 100
                try await sessions.write(memory, expecting: .absent, writerStamp: nil)
                let plain = "\(store.sessionPrefix):wns:wu:w1"
                let document = try #require(try await store.document(plain))
                let names = Set(Self.referenceDocument("x").objectValue?.members.map(\.name) ?? [])
                #expect(
                    Set(document.objectValue?.members.map(\.name) ?? []).subtracting(names)
                        == ["revision", "revisions", "expires_at"])
                #expect(document["last_accessed"]?.doubleValue == 1_784_732_661.551024)
                #expect(
                    document["data"]?.isNull == true && document["user_id"] == "wu" && document["ttl_seconds"] == 100)
                #expect(document["messages"]?.arrayValue?.first?["created_at"] == .string(date.iso8601))
                let ttl = try await store.client.send(RedisCommand("PTTL", plain)).integer
                #expect((90_000...100_000).contains(ttl ?? 0))
                memory.ttlSeconds = nil
                memory.lastAccessed = date.advanced(bySeconds: 1)
                let number = try #require(document["revision"]?.intValue)
                try await sessions.write(memory, expecting: .revision(number), writerStamp: nil)
                #expect(try await store.client.send(RedisCommand("PTTL", plain)).integer == -1)
            }
        }
    }

    @Test func `keeps sessions apart whose plain keys are the same`() async throws {
        try await TestStore.run { store in
            try await store.withSessions { sessions in
                // What the reference keeps there is no session.
                try await store.client.send(RedisCommand("SET", "\(store.sessionPrefix):migration:complete", "true"))
                let keys = try [
                    SessionKey(sessionID: "s", namespace: "a"), SessionKey(sessionID: "s", userID: "a"),
                    SessionKey(sessionID: "a:s"), SessionKey(sessionID: "s", namespace: "a", userID: "b"),
                    SessionKey(sessionID: "s", namespace: "a:b"), SessionKey(sessionID: "s", userID: "a:b"),
                    SessionKey(sessionID: "b:s", namespace: "a"), SessionKey(sessionID: "b:s", userID: "a"),
                    SessionKey(sessionID: "a:b:s"), SessionKey(sessionID: "complete", namespace: "migration"),
                ]
                for key in keys {
                    try await sessions.write(session(key), expecting: .absent, writerStamp: nil)
                }
                for key in keys { #expect(try await sessions.read(key, lastMessages: nil)?.memory.key == key) }
                #expect(
                    Set(try await sessions.matching(SessionReference(sessionID: "s"), limit: 9))
                        == Set(keys.filter { $0.sessionID == "s" }))
                #expect(
                    try await sessions.sessionIDs(namespace: nil, userID: nil, page: PageRequest()).items
                        == ["a:b:s", "a:s", "b:s", "complete", "s"])
                // The others stay where they are when one leaves the shared key.
                for (i, key) in keys.enumerated() {
                    #expect(try await sessions.delete(key, expectedRevision: nil))
                    for (j, other) in keys.enumerated() {
                        let read = try await sessions.read(other, lastMessages: 0)
                        #expect((read == nil) == (j <= i), "\(other)")
                    }
                }
                #expect(
                    try await store.client.send(RedisCommand("GET", "\(store.sessionPrefix):migration:complete")).string
                        == "true")
            }
        }
    }

    @Test func `the reference may write a session under its plain key later`() async throws {
        try await TestStore.run { store in
            try await store.withSessions { sessions in
                let first = try SessionKey(sessionID: "s", namespace: "a")
                let second = try SessionKey(sessionID: "s", userID: "a")
                try await sessions.write(session(first), expecting: .absent, writerStamp: nil)
                try await sessions.write(session(second), expecting: .absent, writerStamp: nil)
                _ = try await sessions.delete(first, expectedRevision: nil)
                // Two documents of one session: the newer one counts.
                try await store.setDocument(
                    "\(store.sessionPrefix):a:s", Self.referenceDocument("s", userID: "a"))
                #expect(try await sessions.read(second, lastMessages: nil)?.messageCount == 2)
                #expect(try await sessions.matching(SessionReference(sessionID: "s"), limit: 9) == [second])
                let page = try await sessions.sessionIDs(namespace: nil, userID: "a", page: PageRequest())
                #expect(page.items == ["s"] && page.total == 1)
                try await sessions.write(session(second), expecting: .revision(0), writerStamp: nil)
                _ = try await sessions.delete(second, expectedRevision: nil)
                #expect(try await sessions.read(second, lastMessages: nil) == nil)
                #expect(try await sessions.matching(SessionReference(sessionID: "s"), limit: 9).isEmpty)
            }
        }
    }

    @Test func `keeps JSON that RedisJSON would change`() async throws {
        try await TestStore.run { store in
            try await store.withSessions { sessions in
                let key = try SessionKey(sessionID: "numbers")
                let numbers = [
                    "0", "-1", "9223372036854775807", "12345678901234567890123", "-0", "1.0", "1.50", "0.1", "1e2",
                    "999999999999999.9", "123456789012.345", "100000000000000000.5", "0.0001", "0.00001", "0.0", "-0.0",
                    "1E5", "5e-324", "1e400", "3.141592653589793", "1784732661.551024",
                ]
                var deep: JSONValue = 1.50
                for _ in 0..<200 { deep = [deep] }
                let values: [JSONValue] =
                    try numbers.map { try JSONValue(parsing: $0) } + [
                        deep, "\u{0}\u{1F}\"\\é e\u{301} 🙂", ["": ["a.b": ["$": nil]]], [], [:],
                    ]
                for value in values {
                    var memory = try session(key)
                    memory.data = ["v": value]
                    memory.strategy = MemoryStrategy(.custom, config: ["v": value])
                    let record = try MemoryRecord(
                        id: "r", text: "text", extractionStrategyConfig: ["v": value], metadata: ["v": value])
                    let plain = SessionMemory(
                        try MemoryRecord(id: "q", text: "text"), givenLists: [], persistedAt: nil)
                    memory.memories = [plain, SessionMemory(record, givenLists: [], persistedAt: nil)]
                    try await sessions.write(memory, expecting: .absent, writerStamp: nil)
                    try await sessions.markPersisted(
                        memoryIDs: ["r"], messageIDs: [], at: memory.createdAt, in: key)
                    memory.memories[1].persistedAt = memory.createdAt
                    #expect(try await sessions.read(key, lastMessages: nil)?.memory == memory, "\(value.jsonText)")
                    #expect(try await sessions.read(key, lastMessages: 9)?.memory == memory, "\(value.jsonText)")
                    #expect(try await sessions.delete(key, expectedRevision: nil))
                }
            }
        }
    }
}
