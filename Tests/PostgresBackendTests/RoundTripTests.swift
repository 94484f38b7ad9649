import AgentMemory
import PostgresDriver
import TestServices
import TestSupport
import Testing

@testable import PostgresBackend

/// How often a search asks the store.
@Suite(.tags(.store)) struct RoundTripTests {
    @Test func `a filter's last count is the guess until it proves wrong`() {
        let counts = RecentCounts()
        let statement = PostgresStatement("SELECT 1", [.text("a")])
        let (ten, eleven) = (MatchCounts(matches: 10, total: 20), MatchCounts(matches: 11, total: 21))
        #expect(counts.guess(statement) == nil)
        counts.note(statement, ten, wasRight: nil)
        #expect(counts.guess(statement) == ten)
        counts.note(statement, eleven, wasRight: false)
        #expect(counts.guess(statement) == nil)
        counts.note(statement, ten, wasRight: nil)
        #expect(counts.guess(statement) == nil)
        counts.note(statement, ten, wasRight: nil)
        #expect(counts.guess(statement) == ten)
        counts.note(statement, eleven, wasRight: true)
        #expect(counts.guess(statement) == eleven)
        let long = PostgresStatement("SELECT 1", [.textArray(Array(repeating: "id", count: 1000))])
        counts.note(long, ten, wasRight: nil)
        #expect(counts.guess(long) == nil)
    }

    @Test func `a search sees what was written since the last one`() async throws {
        try await TestStore.withDatabase { database in
            let checked = CheckedDatabase(database)
            let mine = MemoryFilter(tags: [.userID: try TagCondition(field: .userID, eq: "me")])
            func total() async throws -> Int {
                try await checked.search(
                    SearchQuery(
                        text: "text", ranking: .semantic(distanceThreshold: nil), filter: mine,
                        page: PageRequest(limit: 3))
                ).total
            }
            for number in 0..<6 {
                #expect(try await total() == number)
                _ = try await database.add([try MemoryRecord(id: "m\(number)", text: "text \(number)", userID: "me")])
            }
            // Past the exact zone, where the plan changes with the count.
            for step in 0..<4 {
                _ = try await database.add(
                    try (0..<400).map {
                        try MemoryRecord(id: "n\(step)-\($0)", text: "text \(step) \($0)", userID: "me")
                    })
                let matches = 6 + 400 * (step + 1)
                #expect(try await total() == matches)
                #expect(try await total() == matches)
            }
            _ = try await database.update([
                RecordUpdate(id: "m0", changes: try RecordChanges(expiresAt: .set(Timestamp.now())))
            ])
            #expect(try await total() == 1605)
        }
    }
}
