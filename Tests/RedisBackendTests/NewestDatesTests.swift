import AgentMemory
import RedisDriver
import TestSupport
import Testing

@testable import RedisBackend

/// Lists that read no more than the newest records.
@Suite(.tags(.store)) struct NewestDatesTests {
    private static func record(_ number: Int, second: Int) throws -> MemoryRecord {
        try MemoryRecord(
            id: "r\(number)", text: "[1,0,0,0] \(number)", userID: number.isMultiple(of: 2) ? "even" : "odd",
            createdAt: Timestamp(secondsSinceEpoch: 1_000_000 + Double(second)))
    }

    @Test func `a narrowed list is the whole one`() async throws {
        try await TestStore.run { store in
            try await store.withDatabase { database in
                // Seven of each second, so that pages end among equals.
                var records = try (0..<2100).map { try Self.record($0, second: $0 / 7) }
                for start in stride(from: 0, to: records.count, by: 300) {
                    _ = try await database.add(Array(records[start..<start + 300]))
                }
                let everything = QueryText(MemoryFilter.everything)
                let pages = [(0, 10), (0, 25), (25, 25), (0, 3), (100, 50), (300, 200), (2095, 10)]
                func check(_ when: String) async throws {
                    let expected = records.sorted {
                        $0.createdAt != $1.createdAt ? $0.createdAt > $1.createdAt : $0.id < $1.id
                    }
                    for (offset, limit) in pages {
                        let page = try PageRequest(limit: limit, offset: offset)
                        let found = try await database.list(ListQuery(page: page))
                        let ids = found.items.map(\.id)
                        #expect(ids == expected.dropFirst(offset).prefix(limit).map(\.id), "\(when) \(offset) \(limit)")
                        #expect(found.total == expected.count)
                    }
                }
                try await check("first")
                for (offset, limit) in pages {
                    let page = try PageRequest(limit: limit, offset: offset)
                    #expect((database.newestDates.narrowing(everything, page: page) != nil) == (page.end <= 525))
                }
                try await check("narrowed")
                let odd = MemoryFilter(tags: [.userID: try TagCondition(field: .userID, eq: "odd")])
                #expect(database.newestDates.narrowing(QueryText(odd), page: try PageRequest(limit: 10)) == nil)

                let newer = try (2100..<2140).map { try Self.record($0, second: 290 + $0 % 50) }
                _ = try await database.add(newer)
                records += newer
                try await check("after newer ones")

                let newest = Set(records.filter { $0.createdAt.secondsSinceEpoch > 1_000_280 }.map(\.id))
                _ = try await database.delete(Array(newest), within: .everything)
                records.removeAll { newest.contains($0.id) }
                try await check("after deletions")
                try await check("narrowed again")
            }
        }
    }
}
