import AgentMemory
import PostgresDriver
import TestSupport
import Testing

@testable import PostgresBackend

@Suite(.tags(.store)) struct SessionExpiryTests {
    /// Lets the time to live of a session pass.
    private func expire(_ key: SessionKey, in store: PostgresWorkingMemoryStore) async throws {
        let changed = try await store.database.ask(
            "UPDATE sessions SET expires_at = clock_timestamp() WHERE session_id = $1", [.text(key.sessionID)])
        #expect(changed.affectedRows == 1)
    }

    private func count(_ table: String, in store: PostgresWorkingMemoryStore) async throws -> Int {
        try await store.database.ask("SELECT count(*) FROM \(table)").singleRow().int(0)
    }

    @Test func `an expired session is absent from every call`() async throws {
        try await TestStore.withSessions { store in
            let key = try SessionKey(sessionID: "s", namespace: "n", userID: "u")
            let memory = Sample.session(
                key, try Sample.messages(0..<2), memories: [try Sample.memory("a")], ttlSeconds: 60)
            let first = try await store.create(memory)
            try await store.create(Sample.session(try SessionKey(sessionID: "t", namespace: "n", userID: "u")))
            try await expire(key, in: store)
            #expect(try await store.read(key, lastMessages: nil) == nil)
            #expect(try await store.read(key, lastMessages: 1) == nil)
            #expect(try await store.matching(try SessionReference(sessionID: "s"), limit: 5).isEmpty)
            for (namespace, user) in [(nil, nil), ("n", nil), (nil, "u"), ("n", "u")] as [(String?, String?)] {
                let page = try await store.sessionIDs(namespace: namespace, userID: user, page: PageRequest(limit: 5))
                #expect(page.items == ["t"] && page.total == 1)
            }
            #expect(try await store.append(SessionAppend([], at: .now()), to: key) == nil)
            #expect(
                try await store.append(SessionAppend([], at: .now(), expectedRevision: first.number + 9), to: key)
                    == nil)
            #expect(try await store.delete(key, expectedRevision: nil) == false)
            #expect(try await store.delete(key, expectedRevision: first.number + 9) == false)
            #expect(
                await failureCode {
                    try await store.write(memory, expecting: .revision(first.number), writerStamp: nil)
                } == .conflict)
            try await store.markPersisted(memoryIDs: ["a"], messageIDs: ["m0"], at: .latest, in: key)
            let marked = try await store.database.ask(
                "SELECT count(persisted_at) FROM session_messages"
            ).singleRow().int(0)
            #expect(marked == 0)
            // A write creates it again, with nothing of the old one.
            let anew = try await store.create(Sample.session(key, [try Sample.message("new")]))
            #expect(anew.number > first.number)
            let stored = try #require(try await store.read(key, lastMessages: nil))
            #expect(stored.memory.messages.map(\.id) == ["new"] && stored.memory.memories.isEmpty)
            #expect(stored.revisions == [anew])
            #expect(try await count("session_messages", in: store) == 1)
        }
    }

    @Test func `every write restarts the time to live`() async throws {
        try await TestStore.withSessions { store in
            let key = try SessionKey(sessionID: "s")
            /// Seconds that are left, by the server's clock.
            func left() async throws -> Double {
                try await store.database.ask(
                    "SELECT extract(epoch FROM expires_at - clock_timestamp())::float8 FROM sessions"
                ).singleRow().float8(0)
            }
            var revision = try await store.create(Sample.session(key, ttlSeconds: 1000))
            #expect(try await (900...1000).contains(left()))
            revision = try await store.write(
                Sample.session(key, ttlSeconds: 5000, step: 1), expecting: .revision(revision.number), writerStamp: nil)
            #expect(try await (4900...5000).contains(left()))
            try await store.database.ask("UPDATE sessions SET expires_at = clock_timestamp() + interval '1 minute'")
            // A mark is not a write.
            try await store.markPersisted(memoryIDs: ["a"], messageIDs: ["a"], at: .now(), in: key)
            #expect(try await left() <= 60)
            let appended = try #require(try await store.append(SessionAppend([], at: .now()), to: key))
            #expect(try await (4900...5000).contains(left()))
            try await store.write(
                Sample.session(key, step: 2), expecting: .revision(appended.current.number), writerStamp: nil)
            #expect(try await store.database.ask("SELECT expires_at = 'infinity' FROM sessions").singleRow().bool(0))
        }
    }

    @Test func `the sweep takes what has expired and nothing else`() async throws {
        try await TestStore.withSessions { store in
            for number in 0..<50 {
                try await store.create(
                    Sample.session(
                        try SessionKey(sessionID: "s\(number)"), [try Sample.message("m")],
                        memories: [try Sample.memory("a")], ttlSeconds: number < 5 ? nil : 1000))
            }
            try await store.database.ask(
                "UPDATE sessions SET expires_at = clock_timestamp() WHERE session_id NOT IN ('s0', 's1', 's2', 's3', 's4', 's5')"
            )
            try await store.sweep()
            for table in ["sessions", "session_messages", "session_memories", "session_revisions"] {
                #expect(try await count(table, in: store) == 6, "\(table)")
            }
            // In the background too, and as long as it takes.
            try await store.database.ask("UPDATE sessions SET expires_at = clock_timestamp() WHERE session_id = 's5'")
            let upkeep = Task { try await store.run() }
            try await eventually { try await count("sessions", in: store) <= 5 }
            upkeep.cancel()
            try await upkeep.value
        }
    }
}
