import AgentMemory
import RedisDriver
import TestServices
import TestSupport
import Testing

@testable import RedisBackend

/// Finding and listing sessions, and what can happen to the index and to the server.
@Suite(.tags(.store)) struct SessionIndexTests {
    @Test func `coexists with the index of the reference`() async throws {
        try await TestStore.run { store in
            var command = RedisCommand(
                "FT.CREATE", store.sessionIndex, "ON", "JSON", "PREFIX", "1", "\(store.sessionPrefix):", "SCORE", "1.0",
                "SCHEMA")
            for tag in ["session_id", "namespace", "user_id"] {
                command.append(["$.\(tag)", "AS", tag, "TAG", "SEPARATOR", ",", "SORTABLE"])
            }
            for number in ["created_at", "updated_at"] {
                command.append(["$.\(number)", "AS", number, "NUMERIC", "SORTABLE"])
            }
            try await store.client.send(command)
            for user in ["Ada", "ada"] {
                try await store.setDocument(
                    "\(store.sessionPrefix):\(user):s",
                    SessionLayoutTests.referenceDocument("s", userID: .string(user)))
            }
            try await store.withSessions { sessions in
                let names = try await store.client.send(RedisCommand("FT._LIST")).array?.compactMap(\.string) ?? []
                #expect(
                    Set(names.filter { $0.hasPrefix(store.name) }) == [store.sessionIndex, "\(store.sessionIndex)_v1"])
                #expect(
                    try await sessions.matching(SessionReference(sessionID: "s", userID: "ada"), limit: 9)
                        == [SessionKey(sessionID: "s", userID: "ada")])
                try await sessions.write(
                    session(SessionKey(sessionID: "t", userID: "ada")), expecting: .absent, writerStamp: nil)
                // The reference finds ours in its own index.
                let found = try await store.client.send(
                    RedisCommand("FT.SEARCH", store.sessionIndex, "@session_id:{t}", "RETURN", "1", "session_id"))
                #expect(found.array?.first?.integer == 1)
            }
        }
    }

    /// The engine counts a document until its expired key has been removed; so do these, which
    /// outlive their time.
    @Test func `leaves out what is past`() async throws {
        try await TestStore.run { store in
            try await store.withSessions { sessions in
                let now = Int(Timestamp.now().secondsSinceEpoch)
                func put(_ id: String, ttl: JSONValue, at seconds: Int, expiresAt: JSONValue? = nil) async throws {
                    var object = try #require(
                        SessionLayoutTests.referenceDocument(id, namespace: "n", ttl: ttl, at: seconds).objectValue)
                    if let expiresAt { object["expires_at"] = expiresAt }
                    try await store.setDocument("\(store.sessionPrefix):n:\(id)", .object(object))
                }
                try await put("reference-past", ttl: 10, at: now - 20)
                try await put("reference-now", ttl: 1000, at: now - 20)
                try await put("reference-ever", ttl: nil, at: 0)
                try await put("past", ttl: 10, at: now, expiresAt: .int(now * 1000 - 5000))
                try await put("now", ttl: 10, at: now - 100, expiresAt: .int(now * 1000 + 60_000))
                try await store.setDocument("\(store.sessionPrefix):n:odd", ["namespace": "n"])
                let page = try await sessions.sessionIDs(namespace: "n", userID: nil, page: PageRequest(limit: 2))
                #expect(page.items == ["now", "reference-ever"] && page.total == 3 && page.nextOffset == 2)
                let rest = try await sessions.sessionIDs(
                    namespace: "n", userID: nil, page: PageRequest(limit: 5, offset: 2))
                #expect(rest.items == ["reference-now"] && rest.total == 3)
                let far = try await sessions.sessionIDs(
                    namespace: "n", userID: nil, page: PageRequest(limit: 5, offset: .max - 5))
                #expect(far.items.isEmpty && far.total == 3 && far.nextOffset == nil)
                #expect(
                    try await sessions.sessionIDs(namespace: "none", userID: nil, page: PageRequest()).total == 0)
            }
        }
    }

    /// The engine trims what it indexes.
    @Test func `tells blanks at the ends apart`() async throws {
        try await TestStore.run { store in
            try await store.withSessions { sessions in
                for id in ["a", " a", "a ", " a "] {
                    for user in 0..<3 {
                        let key = try SessionKey(sessionID: id, userID: "u\(user)")
                        try await sessions.write(session(key), expecting: .absent, writerStamp: nil)
                    }
                }
                for id in ["a", " a", "a ", " a "] {
                    for limit in 1...4 {
                        let found = try await sessions.matching(SessionReference(sessionID: id), limit: limit)
                        #expect(
                            found == (try (0..<min(limit, 3)).map { try SessionKey(sessionID: id, userID: "u\($0)") }))
                    }
                }
                #expect(
                    try await sessions.sessionIDs(namespace: nil, userID: nil, page: PageRequest()).items
                        == [" a", " a ", "a", "a "])
            }
        }
    }

    @Test func `is made again when it is lost`() async throws {
        // Where others build theirs too, a call may not wait long enough.
        try await OwnServer.run(.redis) { server in
            try await TestStore.run(url: server.url) { store in
                try await store.withSessions { sessions in
                    let key = try SessionKey(sessionID: "s")
                    try await sessions.write(session(key), expecting: .absent, writerStamp: nil)
                    try await store.dropIndexes()
                    #expect(await sessions.health().contains { $0.component == "sessions" && !$0.isOK })
                    #expect(try await sessions.matching(SessionReference(sessionID: "s"), limit: 1) == [key])
                    try await store.dropIndexes()
                    #expect(try await sessions.sessionIDs(namespace: nil, userID: nil, page: PageRequest()).total == 1)
                    #expect(await sessions.health() == [ComponentHealth("sessions")])
                }
            }
        }
    }
}

/// Servers of our own.
@Suite(.serialized, .tags(.store)) struct SessionFaultTests {
    @Test func `says that Redis JSON is missing`() async throws {
        try await OwnServer.run(.redis, json: false) { server in
            try await TestStore.run(url: server.url) { store in
                let sessions = try store.sessions()
                let error = await #expect(throws: MemoryError.self) { try await sessions.prepare() }
                #expect(error?.code == .misconfigured && error?.message.contains("RedisJSON") == true)
                let upkeep = await #expect(throws: MemoryError.self) { try await sessions.run() }
                #expect(upkeep?.code == .misconfigured)
                let key = try SessionKey(sessionID: "s")
                let write = await #expect(throws: MemoryError.self) {
                    try await sessions.write(session(key), expecting: .absent, writerStamp: nil)
                }
                #expect(write?.message == error?.message)
                #expect(await sessions.health() == [ComponentHealth("sessions", reason: error?.message)])
                await sessions.close()
            }
        }
    }

    @Test func `works again after the server came back empty`() async throws {
        try await OwnServer.run(.redis) { server in
            try await TestStore.run(url: server.url) { store in
                let sessions = try store.sessions(server: { $0.timeout = .seconds(3) })
                let key = try SessionKey(sessionID: "s")
                try await sessions.write(session(key), expecting: .absent, writerStamp: nil)
                #expect(try await sessions.sessionIDs(namespace: nil, userID: nil, page: PageRequest()).total == 1)
                try await server.crash()
                #expect(await failureCode { _ = try await sessions.read(key, lastMessages: nil) } == .storeUnavailable)
                #expect(
                    await failureCode { _ = try await sessions.matching(SessionReference(sessionID: "s"), limit: 1) }
                        == .storeUnavailable)
                #expect(
                    await failureCode { _ = try await sessions.delete(key, expectedRevision: nil) } == .storeUnavailable
                )
                #expect(await sessions.health().contains { !$0.isOK })
                try await server.restart()
                #expect(try await sessions.sessionIDs(namespace: nil, userID: nil, page: PageRequest()).total == 0)
                #expect(try await sessions.read(key, lastMessages: nil) == nil)
                try await sessions.write(session(key), expecting: .absent, writerStamp: nil)
                #expect(try await sessions.matching(SessionReference(sessionID: "s"), limit: 1) == [key])
                await sessions.close()
            }
        }
    }

    @Test func `changes nothing where memory has run out`() async throws {
        try await OwnServer.run(.redis) { server in
            try await TestStore.run(url: server.url) { store in
                try await store.withSessions { sessions in
                    let key = try SessionKey(sessionID: "s")
                    let revision = try await sessions.write(session(key), expecting: .absent, writerStamp: nil)
                    let before = try await sessions.read(key, lastMessages: nil)
                    try await store.client.send(RedisCommand("CONFIG", "SET", "maxmemory", "1"))
                    let message = try SessionMessage(id: "x", role: "user", content: "x", createdAt: .now())
                    #expect(
                        await failureCode {
                            _ = try await sessions.append(SessionAppend([message], at: .now()), to: key)
                        }
                            == .storeUnavailable)
                    #expect(
                        await failureCode {
                            try await sessions.write(
                                session(key, messages: 5), expecting: .revision(revision.number), writerStamp: nil)
                        } == .storeUnavailable)
                    #expect(try await sessions.read(key, lastMessages: nil) == before)
                    #expect(try await sessions.delete(key, expectedRevision: revision.number))
                    try await store.client.send(RedisCommand("CONFIG", "SET", "maxmemory", "0"))
                }
            }
        }
    }
}
