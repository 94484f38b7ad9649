import AgentMemory
import PostgresDriver
import TestSupport
import Testing

@testable import PostgresBackend

/// Values that would mean something if they were read as SQL, as a pattern or as an array.
@Suite(.tags(.store)) struct HostileValueTests {
    private static let values = [
        "'; DROP TABLE memories; --", "%", "_", "a%b_c", "\\", "\"", "{x}", "NULL", "$1", "\u{E9}", "e\u{301}",
        "\u{1F600}", "A", "a",
        "x|y", ":: text", "\u{10FFFF}z",
    ]

    @Test func `every value is found as itself only`() async throws {
        try await TestStore.withDatabase { database in
            let records = try Self.values.map { value in
                try MemoryRecord(
                    id: "id \(value)", text: "text \(value)", sessionID: value, userID: value, namespace: value,
                    topics: [value],
                    entities: [value, "shared"], metadata: ["k\(value)": .string(value)])
            }
            #expect(try await database.add(records) == records.map(\.id))
            for (value, record) in zip(Self.values, records) {
                for field in [TagField.sessionID, .userID, .namespace, .topics, .entities] {
                    let exact = MemoryFilter(tags: [field: try TagCondition(field: field, eq: value)])
                    let page = try await database.list(ListQuery(filter: exact, page: PageRequest()))
                    #expect(page.items.map { Array($0.id.utf8) } == [Array(record.id.utf8)])
                    #expect(page.items.first?.metadata == record.metadata)
                    let prefix = MemoryFilter(tags: [field: try TagCondition(field: field, startsWith: value)])
                    let wanted = records.count { prefix.matches($0) }
                    #expect(try await database.count(prefix) == wanted)
                    let others = MemoryFilter(tags: [field: try TagCondition(field: field, ne: value)])
                    #expect(try await database.count(others) == records.count - 1)
                }
                let byID = MemoryFilter(tags: [.id: try TagCondition(field: .id, eq: record.id)])
                #expect(try await database.list(ListQuery(filter: byID, page: PageRequest())).total == 1)
            }
            #expect(try await database.delete(records.map(\.id)) == records.count)
        }
    }

    @Test func `records come back as they were`() async throws {
        try await TestStore.withDatabase { database in
            let metadata = try #require(
                JSONValue(
                    parsing:
                        #"{"n": 12345678901234567890.10, "e": 1e400, "z": [null, true, {"b": 1, "a": "\u0000\ud83d\ude00"}]}"#
                ).objectValue)
            let record = try MemoryRecord(
                id: "x", text: "  a text \u{1F600}\r\n\t with all sorts \u{FFFF} ", memoryType: .episodic,
                topics: ["b", "a", "b"],
                extractedFrom: ["1"], discreteMemoryExtracted: false, extractionStrategyConfig: ["k": 1.50],
                metadata: metadata,
                pinned: true, accessCount: 7, createdAt: .earliest, lastAccessed: .latest,
                updatedAt: Timestamp(microseconds: -1), persistedAt: Timestamp(microseconds: 946_684_800_000_001),
                eventDate: Timestamp(microseconds: 1))
            _ = try await database.add([record])
            let page = try await database.list(ListQuery(page: PageRequest()))
            #expect(page.items == [record])
            #expect(page.items.first.map { Array($0.text.utf8) } == Array(record.text.utf8))
        }
    }
}
