import AgentMemory
import RedisDriver
import TestSupport
import Testing

@testable import RedisBackend

@Suite(.tags(.store)) struct SnapshotTests {
    private static func records(_ range: Range<Int>, text: String = "tea") throws -> [MemoryRecord] {
        try range.map {
            try MemoryRecord(id: "r\($0 + 1000)", text: "\(text) \($0)", namespace: $0.isMultiple(of: 2) ? "n" : "m")
        }
    }

    private static func all(_ snapshot: any RecordSnapshot) async throws -> [SnapshotRecord] {
        var all: [SnapshotRecord] = []
        while case let page = try await snapshot.next(), !page.isEmpty { all += page }
        return all
    }

    @Test func `the records are those of the beginning, whatever is written meanwhile`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                let before = try Self.records(0..<450)
                _ = try await database.add(before)
                let selection = try SnapshotSelection(hasVectors: true)
                try await database.withSnapshot(of: selection) { snapshot in
                    #expect(snapshot.isOfOneMoment)
                    var found = try await snapshot.next()
                    #expect(found.count == 200)
                    // Before and behind the place of the walk.
                    _ = try await database.delete(["r1003", "r1399", "r1449"])
                    _ = try await database.update([
                        RecordUpdate(id: "r1005", changes: RecordChanges(text: "coffee")),
                        RecordUpdate(id: "r1300", changes: RecordChanges(text: "coffee")),
                        RecordUpdate(id: "r1301", changes: RecordChanges(namespace: .set("elsewhere"))),
                    ])
                    _ = try await database.add([
                        MemoryRecord(id: "r0", text: "new"), MemoryRecord(id: "r1350x", text: "new"),
                        MemoryRecord(id: "z", text: "new"), MemoryRecord(id: "r1399", text: "again"),
                    ])
                    found += try await Self.all(snapshot)
                    #expect(found.map(\.record.id) == before.map(\.id))
                    #expect(zip(found, before).allSatisfy { $0.record == $1 })
                    let withoutVector = found.filter { $0.vector == nil }.map(\.record.id)
                    // Their text is another one now, or gone.
                    #expect(withoutVector == ["r1300", "r1399", "r1449"])
                }
            }
        }
    }

    @Test func `a snapshot begins at the last event, whatever numbers there are`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                for count in 0..<7 {
                    try await database.withSnapshot(of: try SnapshotSelection()) { snapshot in
                        _ = try await database.add([MemoryRecord(id: "r\(count)", text: "tea")])
                        let found = try await Self.all(snapshot).count
                        #expect(found == count)
                    }
                    // Without the oldest events, or any.
                    if count == 3 { try await database.sweepEvents(keptSeconds: 0) }
                }
            }
        }
    }

    @Test func `a selection is that of the beginning too`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                let before = try Self.records(0..<20)
                _ = try await database.add(before)
                let selection = try SnapshotSelection(namespace: "n")
                try await database.withSnapshot(of: selection) { snapshot in
                    _ = try await database.update([
                        RecordUpdate(id: "r1004", changes: RecordChanges(namespace: .set("m"))),
                        RecordUpdate(id: "r1005", changes: RecordChanges(namespace: .set("n"))),
                    ])
                    let found = try await Self.all(snapshot).map(\.record)
                    #expect(found.map(\.id) == before.filter { $0.namespace == "n" }.map(\.id))
                    #expect(found == before.filter { $0.namespace == "n" })
                }
            }
        }
    }

    @Test func `without a history each record comes once, and other programs' keys do not matter`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase({ $0.history = .off }) { database in
                let records = try Self.records(0..<30)
                _ = try await database.add(records)
                try await database.client.send(RedisCommand("SET", database.key("string"), "x"))
                try await database.client.send(RedisCommand("HSET", database.key("hash"), "a", "b"))
                try await database.withSnapshot(of: try SnapshotSelection()) { snapshot in
                    #expect(!snapshot.isOfOneMoment)
                    let found = try await Self.all(snapshot).map(\.record)
                    #expect(found == records)
                }
            }
        }
    }

    @Test func `what has expired is left out`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                let now = Timestamp.now()
                _ = try await database.add([
                    MemoryRecord(id: "a", text: "tea", expiresAt: now), MemoryRecord(id: "b", text: "tea"),
                    MemoryRecord(id: "c", text: "tea", expiresAt: now.advanced(bySeconds: 1)),
                ])
                try await database.withSnapshot(of: try SnapshotSelection(moment: now)) { snapshot in
                    let found = try await Self.all(snapshot).map(\.record.id)
                    #expect(found == ["b", "c"])
                }
            }
        }
    }

    @Test func `sessions come in order, whatever their keys are`() async throws {
        try await TestStore.run { store in
            try await store.withSessions { sessions in
                let keys = try [
                    SessionKey(sessionID: "s"), SessionKey(sessionID: "s", namespace: "a"),
                    SessionKey(sessionID: "s", namespace: "a", userID: "u"), SessionKey(sessionID: "s", userID: "a"),
                    SessionKey(sessionID: "t:\u{2028}*?[", userID: "u"),
                ]
                var written: [WorkingMemory] = []
                for key in keys {
                    written.append(try session(key, messages: 3))
                    _ = try await sessions.write(written[written.count - 1], expecting: .absent, writerStamp: nil)
                }
                func found(_ selection: SnapshotSelection) async throws -> [WorkingMemory] {
                    try await sessions.withSessions(of: selection) { snapshot in
                        var all: [WorkingMemory] = []
                        while case let page = try await snapshot.next(), !page.isEmpty { all += page }
                        return all
                    }
                }
                let all = try await found(try SnapshotSelection())
                #expect(all.map(\.key) == keys.sorted())
                #expect(all == written.sorted { $0.key < $1.key })
                #expect(try await found(try SnapshotSelection(userID: "u")).map(\.key) == [keys[2], keys[4]])
            }
        }
    }
}
