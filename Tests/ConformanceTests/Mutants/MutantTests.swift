import AgentMemory
import ReferenceBackend
import Testing

@testable import MemoryConformance

/// The kit notices databases that are wrong in one way, each by the check that was written against
/// that.
@Suite struct MutantTests {
    /// What is altered below passes everything while nothing is altered: so it is the alteration
    /// that fails.
    @Test(arguments: ConformanceCheck.all.filter { !["size", "recall"].contains($0.chapter) })
    func `the unaltered database passes`(_ check: ConformanceCheck) async {
        await Tally.run(
            check, on: Mutant.Harness(backend: "unaltered", alter: { _ in }),
            unmet: [.storeFaults, .wire, .sessionStore, .jobQueue, .tokenStore, .atomicWrites, .opaqueBytes])
    }

    @Test(arguments: Mutant.all)
    func `a mutant is caught by its check`(_ mutant: Mutant) async throws {
        let check = try #require(ConformanceCheck.all.first { $0.id == mutant.caughtBy }, "no check \(mutant.caughtBy)")
        let result = await check.run(on: mutant.harness, Tally.settings)
        #expect(result.failed, "\(mutant.caughtBy) \(result)")
    }

    /// Histories find it too, and the script they tell replays it: on the mutant, not on the
    /// database that is right.
    @Test(arguments: Mutant.all.filter { $0.histories != nil })
    func `a mutant is caught by histories`(_ mutant: Mutant) async throws {
        let histories = try #require(mutant.histories)
        let check = try #require(ConformanceCheck.all.first { $0.id == histories.rawValue })
        let result = await check.run(on: mutant.harness, Tally.settings)
        guard case .failed(let evidence) = result.outcome else {
            Issue.record("\(histories.rawValue) \(result)")
            return
        }
        let history = try History(script: try #require(evidence.script))
        #expect(history.steps.count <= 6, "\(history.script)")
        let oracle = ReferenceConformanceTests.Harness()
        #expect(try await HistoryReplay.run(history, on: mutant.harness, oracle: oracle) != nil)
        #expect(try await HistoryReplay.run(history, on: oracle, oracle: oracle) == nil)
    }

    @Test func `there are mutants of many kinds with distinct names`() {
        #expect(Mutant.all.count >= 18)
        #expect(Set(Mutant.all.map(\.name)).count == Mutant.all.count)
    }

    /// A check whose filter matches nothing, or everything, would pass with any filter, and is
    /// refused.
    @Test(arguments: [("nobody", [], "empty"), ("u", ["a", "b"], "everything")] as [(String, [String], String)])
    func `a check with a trivial set is refused`(_ user: String, _ expected: [String], _ word: String) async throws {
        let check = ConformanceCheck("filter/F2-trivial", hint: "none") { scope in
            _ = try await scope.database.add(
                try ["a", "b"].map { try MemoryRecord(id: $0, text: "[1] x", userID: "u") })
            try await scope.expectMatches("user", try tag(.userID, eq: user), expected)
        }
        let result = await check.run(on: ReferenceConformanceTests.Harness())
        guard case .failed(let evidence) = result.outcome else {
            Issue.record("the check was not refused: \(result)")
            return
        }
        #expect(evidence.reason.contains("the check is wrong, its expected set is \(word)"), "\(evidence.reason)")
    }
}
