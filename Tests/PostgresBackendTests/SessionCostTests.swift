import AgentMemory
import PostgresDriver
import TestSupport
import Testing

@testable import PostgresBackend

/// What a call touches, by the counters of the server.
@Suite(.tags(.store)) struct SessionCostTests {
    private struct Touched: Equatable {
        var read = 0
        var inserted = 0
        var updated = 0
        var deleted = 0
    }

    /// Since the backend last told them to the collector, which it does not inside a transaction.
    private static let counters = PostgresStatement(
        """
        SELECT relname::text, coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0), n_tup_ins, n_tup_upd, n_tup_del \
        FROM pg_stat_xact_user_tables WHERE schemaname = current_schema()
        """)

    private static func touched(_ result: PostgresResult) throws -> [String: Touched] {
        var tables: [String: Touched] = [:]
        for row in result.rows {
            tables[try row.text(0)] = Touched(
                read: try row.int(1), inserted: try row.int(2), updated: try row.int(3), deleted: try row.int(4))
        }
        return tables
    }

    /// Rows that the statements touch, by table. They run often enough before for the server to
    /// settle on a plan, and leave nothing behind.
    private func touched(
        by statements: [PostgresStatement], in store: PostgresWorkingMemoryStore
    ) async throws -> [String: Touched] {
        try await store.database.pool.withConnection(deadline: .soon) { connection in
            var tables: [String: Touched] = [:]
            for _ in 0..<8 {
                let results = try await connection.pipeline(
                    [PostgresStatement("BEGIN"), Self.counters] + statements
                        + [Self.counters, PostgresStatement("ROLLBACK")], deadline: .soon)
                let before = try Self.touched(results[1])
                tables = try Self.touched(results[results.count - 2])
                for (name, counts) in tables {
                    let earlier = before[name] ?? Touched()
                    tables[name] = Touched(
                        read: counts.read - earlier.read, inserted: counts.inserted - earlier.inserted,
                        updated: counts.updated - earlier.updated, deleted: counts.deleted - earlier.deleted)
                }
            }
            return tables
        }
    }

    @Test func `a long session is not read to add to it or to see its end`() async throws {
        try await TestStore.withSessions { store in
            let key = try SessionKey(sessionID: "long", namespace: "n", userID: "u")
            try await store.create(Sample.session(key, try Sample.messages(0..<10_000)))
            for number in 0..<50 {
                let other = try SessionKey(sessionID: "other \(number)")
                try await store.create(Sample.session(other, try Sample.messages(0..<100)))
            }
            try await store.database.ask("ANALYZE")
            let append = SessionAppend([try Sample.message("new")], at: .now())
            let adding = try await touched(by: SessionWriteSQL.append(append, to: key), in: store)
            #expect(adding["session_messages"] == Touched(inserted: 1))
            #expect(adding["sessions"]?.updated == 1)
            #expect(try #require(adding["sessions"]).read < 10)
            #expect(adding["session_revisions"]?.inserted == 1)
            let repeatable = SessionAppend([try Sample.message("new")], at: .now(), skipsRepeats: true)
            let comparing = try await touched(by: SessionWriteSQL.append(repeatable, to: key), in: store)
            #expect(comparing["session_messages"]?.inserted == 1)
            // Looked through twice: by the append, and by the question why nothing was added.
            #expect(try #require(comparing["session_messages"]).read <= 2 * SessionAppend.repeatWindow)
            let statements = SessionSQL.read(key, lastMessages: 20)
            let reading = try await touched(by: Array(statements[1..<5]), in: store)
            #expect(reading["session_messages"] == Touched(read: 20))
            #expect(try #require(reading["sessions"]).read < 10)
            let marking = try await touched(
                by: SessionWriteSQL.markPersisted(memoryIDs: [], messageIDs: ["m9990"], at: .now(), in: key), in: store)
            #expect(marking["session_messages"] == Touched(read: 1, updated: 1))
        }
    }

    @Test func `a replacement writes only what differs`() async throws {
        try await TestStore.withSessions { store in
            let key = try SessionKey(sessionID: "s")
            var messages = try Sample.messages(0..<200)
            var memories = try (0..<10).map { try Sample.memory("\($0)") }
            var revision = try await store.create(Sample.session(key, messages, memories: memories))
            /// Where each row lies, and who wrote it, by id.
            func places(_ table: String) async throws -> [String: String] {
                let rows = try await store.database.ask("SELECT id, ctid::text || ' ' || xmin::text FROM \(table)").rows
                return Dictionary(uniqueKeysWithValues: try rows.map { (try $0.text(0), try $0.text(1)) })
            }
            let messagesBefore = try await places("session_messages")
            let memoriesBefore = try await places("session_memories")
            messages.removeFirst(3)
            messages[50] = try Sample.message(messages[50].id, "edited")
            messages[60].persistedAt = .latest
            messages.insert(try Sample.message("summary"), at: 0)
            messages += try Sample.messages(200..<202)
            memories[2].persistedAt = .latest
            memories.append(try Sample.memory("new"))
            revision = try await store.write(
                Sample.session(key, messages, memories: memories, step: 1), expecting: .revision(revision.number),
                writerStamp: nil)
            #expect(try await store.read(key, lastMessages: nil)?.memory.messages == messages)
            #expect(try await store.read(key, lastMessages: nil)?.memory.memories == memories)
            let messagesAfter = try await places("session_messages")
            let written = messagesAfter.filter { messagesBefore[$0.key] != $0.value }.keys
            #expect(Set(written) == ["summary", "m53", "m63", "m200", "m201"])
            #expect(messagesAfter.count == messages.count)
            let memoriesAfter = try await places("session_memories")
            #expect(Set(memoriesAfter.filter { memoriesBefore[$0.key] != $0.value }.keys) == ["2", "new"])
            // The same again writes no message at all.
            try await store.write(
                Sample.session(key, messages, memories: memories, step: 2), expecting: .revision(revision.number),
                writerStamp: nil)
            #expect(try await places("session_messages") == messagesAfter)
            #expect(try await places("session_memories") == memoriesAfter)
        }
    }
}
