import AgentMemory
import PostgresDriver
import TestSupport
import Testing

@testable import PostgresBackend

@Suite(.tags(.store)) struct SnapshotTests {
    private static func all(_ snapshot: any RecordSnapshot) async throws -> [SnapshotRecord] {
        var all: [SnapshotRecord] = []
        while case let page = try await snapshot.next(), !page.isEmpty { all += page }
        return all
    }

    @Test func `records and sessions are those of one moment`() async throws {
        try await TestStore.withSchema { schema in
            let shared = try TestStore.shared(schema: schema, poolSize: 1)
            let memories = try PostgresMemoryDatabase(
                database: shared, embedder: TestEmbedder(dimensions: 8), logger: TestStore.logger)
            let sessions = PostgresWorkingMemoryStore(database: shared)
            let before = try (0..<1200).map { try MemoryRecord(id: "r\($0 + 10_000)", text: "tea \($0)") }
            _ = try await memories.add(before)
            let kept = Sample.session(
                try SessionKey(sessionID: "kept", namespace: "n", userID: "u"), try Sample.messages(0..<3))
            _ = try await sessions.write(kept, expecting: .absent, writerStamp: nil)
            let selection = try SnapshotSelection(hasVectors: true)
            try await memories.withSnapshot(of: selection) { records in
                #expect(records.isOfOneMoment)
                let count = try await records.count()
                #expect(count == 1200)
                var found = try await records.next()
                // The only connection of calls is free.
                _ = try await memories.delete(["r11000", "r10001"])
                _ = try await memories.add([MemoryRecord(id: "r10500x", text: "new")])
                _ = try await sessions.delete(kept.key, expectedRevision: nil)
                _ = try await sessions.write(
                    Sample.session(try SessionKey(sessionID: "new")), expecting: .absent, writerStamp: nil)
                found += try await Self.all(records)
                #expect(found.map(\.record) == before)
                let vectors = try await TestEmbedder(dimensions: 8).embed(before.map(\.text))
                #expect(found.map(\.vector) == vectors)
                try await sessions.withSessions(of: selection) { snapshot in
                    let (count, first) = (try await snapshot.count(), try await snapshot.next())
                    let second = try await snapshot.next()
                    #expect(count == 1 && first == [kept] && second.isEmpty)
                }
            }
            #expect(try await memories.count(.everything) == 1199)
            await memories.close()
            await sessions.close()
        }
    }

    @Test func `sessions of a selection come in order, large ones alone`() async throws {
        try await TestStore.withSessions { sessions in
            let keys = try [
                SessionKey(sessionID: "a"), SessionKey(sessionID: "a", userID: "u"),
                SessionKey(sessionID: "a", namespace: "n"), SessionKey(sessionID: "b", namespace: "n", userID: "u"),
            ]
            for (index, key) in keys.enumerated() {
                _ = try await sessions.write(
                    Sample.session(key, try Sample.messages(0..<(index == 1 ? 2500 : 2))), expecting: .absent,
                    writerStamp: nil)
            }
            func found(_ selection: SnapshotSelection) async throws -> [SessionKey] {
                try await sessions.withSessions(of: selection) { snapshot in
                    var all: [SessionKey] = []
                    while case let page = try await snapshot.next(), !page.isEmpty { all += page.map(\.key) }
                    return all
                }
            }
            #expect(try await found(try SnapshotSelection()) == keys.sorted())
            #expect(try await found(try SnapshotSelection(namespace: "n")) == [keys[2], keys[3]])
            let limited = Caller(subject: "u", users: ["u"], rights: .read).scope
            #expect(try await found(try SnapshotSelection(scope: limited)) == [keys[1], keys[3]])
        }
    }
}
