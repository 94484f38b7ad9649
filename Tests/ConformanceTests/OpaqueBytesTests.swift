import AgentMemory
import MemoryConformance
import Testing

/// A backend that keeps opaque bytes has late interaction, by the same checks as the built-in ones.
@Suite struct OpaqueBytesTests {
    private struct Harness: ConformanceHarness {
        var fault: KeepingDatabase.Fault?
        var backend: String { "keeping" }

        func makeDatabase(embedder: any Embedder) async throws -> ScopedDatabase {
            ScopedDatabase(
                database: CheckedDatabase(KeepingDatabase(embedder: embedder, fault: fault)), remove: {})
        }
    }

    private static let checks = ConformanceCheck.all.filter {
        ["search", "hybrid", "keyword", "capability", "update", "record"].contains($0.chapter)
            && $0.needs.isDisjoint(with: [.secondProcess, .storeFaults, .atomicWrites, .oracle])
    }

    @Test(arguments: checks) func `what keeps bytes passes`(_ check: ConformanceCheck) async {
        let result = await check.run(on: Harness(), Tally.settings)
        #expect(result.passed, "\(check.id): \(result.evidence)")
    }

    @Test(arguments: KeepingDatabase.Fault.allCases)
    func `what keeps them wrongly is caught`(_ fault: KeepingDatabase.Fault) async {
        var failed: [String] = []
        for check in Self.checks where check.rule == "S12" {
            if await check.run(on: Harness(fault: fault)).failed { failed.append(check.id) }
        }
        #expect(!failed.isEmpty, "\(fault)")
    }

    @Test func `without the bytes an explanation says that late interaction is missing`() async throws {
        let embedder = SteeredEmbedder(makesTokens: true)
        let ranking = SearchQuery.Ranking.blended(
            try BlendedRanking(.semantic, lateInteraction: 2, contextWeight: 0, dateWeight: 0))
        let query = try SearchQuery(text: "tea", ranking: ranking, page: PageRequest(), explains: true)
        let keeping = KeepingDatabase(embedder: embedder)
        // Stored without the server, and so without bytes.
        _ = try await keeping.add([MemoryRecord(id: "a", text: "green tea")])
        let database = CheckedDatabase(keeping)
        #expect(try await database.search(query).items.first?.explanation?.late == nil)
        _ = try await database.add([MemoryRecord(id: "b", text: "tea")])
        let hits = try await database.search(query).items
        #expect(hits.first { $0.record.id == "b" }?.explanation?.late == 2)
        // The other one counts as the average.
        #expect(hits.first { $0.record.id == "a" }?.explanation?.late == 2)
    }
}
