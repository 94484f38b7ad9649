import AgentMemory
import TestSupport
import Testing

@testable import RedisBackend

/// Values are data (rule F10) and are compared code point by code point (rule F1).
@Suite(.tags(.store)) struct HostileValueTests {
    static let values = [
        "a", "A", "a b", "a|b", "{a}", "a*", "*", "%a%", "'q'", "\"q\"", "a\\b", "a\\", "\\", "\\\\", "a\\,b", "$p0",
        "a;b", "ÄÖ", "äö",
        "é", "e\u{301}", "日本", "a-b", "@x:{y}", "a\u{A0}b", "İ", "ß", "ss", "(z)", "[z]", "true", "1.0", "-1", "inf",
        "~a", "a:b",
        "a\\ b", "\\*", "=>{$weight:0}", "ismissing(@x)", "<a>", "😀", String(repeating: "x", count: 500), "a.b", "a/b",
        "nil",
    ]

    @Test(arguments: [TagField.userID, .topics, .id, .sessionID])
    func `each value is itself`(field: TagField) async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                // An id may have blanks at its ends; other values are trimmed before they get here.
                let values =
                    Self.values.filter { field != .topics || !$0.contains(",") }
                    + (field == .id ? [" a", "a ", "  a", " a b"] : [])
                let records = try values.enumerated().map { i, value in
                    try MemoryRecord(
                        id: field == .id ? value : "r\(i)", text: "text",
                        sessionID: field == .sessionID ? value : nil, userID: field == .userID ? value : nil,
                        topics: field == .topics ? [value, "common"] : [])
                }
                _ = try await database.add(records + [try MemoryRecord(id: "none", text: "text")])
                for (i, record) in records.enumerated() {
                    let value = values[i]
                    for condition in [
                        try TagCondition(field: field, eq: value),
                        try TagCondition(field: field, any: [value, "nowhere"]),
                    ] {
                        let filter = MemoryFilter(tags: [field: condition])
                        #expect(try await database.listed(filter) == [record.id], "\(value)")
                    }
                    // Not a sole id, so that the index is asked for it.
                    let filter = MemoryFilter(
                        tags: [
                            field: try TagCondition(field: field, eq: value),
                            .memoryType: try TagCondition(field: .memoryType, eq: "semantic"),
                        ])
                    #expect(try await database.count(filter) == 1, "\(value)")
                    let others = MemoryFilter(tags: [field: try TagCondition(field: field, ne: value)])
                    #expect(try await database.count(others) == records.count, "\(value)")
                    let start = MemoryFilter(tags: [field: try TagCondition(field: field, startsWith: value)])
                    let expected = (records + [try MemoryRecord(id: "none", text: "text")]).filter {
                        field.values(of: $0).contains { $0.utf8.starts(with: value.utf8) }
                    }
                    #expect(try await database.count(start) == expected.count, "\(value)")
                    #expect(try await database.ids("[1,0,0,0]", filter: filter) == [record.id], "\(value)")
                }
                #expect(try await database.delete(records.map(\.id)) == records.count)
            }
        }
    }

    @Test func `prefixes cover many values from one character on`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                _ = try await database.add(
                    (0..<1500).map { try MemoryRecord(id: "r\($0)", text: "text", userID: "u\($0)") })
                let filter = MemoryFilter(tags: [.userID: try TagCondition(field: .userID, startsWith: "u")])
                #expect(try await database.count(filter) == 1500)
            }
        }
    }

    @Test func `dates are compared to the microsecond`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                let base: Int64 = 1_732_341_234_123_457
                let far: Int64 = 253_402_300_799_123_000
                let dates = [base, base + 1, base + 2, -base, far, far + 1000].map { Timestamp(microseconds: $0) }
                _ = try await database.add(
                    dates.enumerated().map {
                        try MemoryRecord(id: "d\($0)", text: "text", createdAt: $1, eventDate: $1)
                    }
                        + [MemoryRecord(id: "none", text: "text", createdAt: Timestamp(microseconds: 0))])
                func ids(_ comparison: DateCondition.Comparison, _ index: Int) async throws -> Set<String> {
                    let bound = DateCondition.Bound(comparison, try #require(dates[index]))
                    let filter = MemoryFilter(dates: [.eventDate: try DateCondition(field: .eventDate, [bound])])
                    return Set(try await database.listed(filter))
                }
                #expect(try await ids(.eq, 1) == ["d1"])
                #expect(try await ids(.gt, 1) == ["d2", "d4", "d5"])
                #expect(try await ids(.gte, 1) == ["d1", "d2", "d4", "d5"])
                #expect(try await ids(.lt, 1) == ["d0", "d3"])
                #expect(try await ids(.lte, 1) == ["d0", "d1", "d3"])
                #expect(try await ids(.ne, 1) == ["d0", "d2", "d3", "d4", "d5", "none"])
                #expect(try await ids(.eq, 4) == ["d4"])
                #expect(try await database.listed() == ["d5", "d4", "d2", "d1", "d0", "none", "d3"])
            }
        }
    }
}
