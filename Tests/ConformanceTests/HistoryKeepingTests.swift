import AgentMemory
import MemoryConformance
import Testing

/// A backend without events keeps the contract of histories with those that the server keeps.
enum HistoryKeepingChecks {
    /// Without the one that limits callers by patterns: a backend that has no scopes knows no
    /// condition for them, and the server refuses such reads.
    static let checks = ConformanceCheck.all.filter { $0.id != "scope/A1-reads" }.filter {
        ["history", "scope", "concurrency", "record", "update", "delete"].contains($0.chapter)
            && $0.needs.isDisjoint(with: [
                .secondProcess, .storeFaults, .wire, .expiry, .metadataFilters, .jobQueue, .opaqueBytes, .wholeCalls,
                .oracle,
            ])
    }

    static func run(_ check: ConformanceCheck, on place: HistoryKeepingHarness.Place) async {
        let result = await check.run(on: HistoryKeepingHarness(place: place), Tally.settings)
        #expect(result.passed, "\(check.id): \(result.evidence)")
    }
}

@Suite(.tags(.store)) struct HistoryKeepingTests {
    @Test func `the checks of histories are among those that run`() {
        #expect(HistoryKeepingChecks.checks.count { $0.chapter == "history" } == 8)
    }

    @Test(arguments: HistoryKeepingHarness.Place.allCases, HistoryKeepingChecks.checks)
    func check(_ place: HistoryKeepingHarness.Place, _ check: ConformanceCheck) async {
        await HistoryKeepingChecks.run(check, on: place)
    }

    @Test(arguments: HistoryKeepingHarness.Place.allCases)
    func `undoing everything in reverse leads back to the beginning`(
        _ place: HistoryKeepingHarness.Place
    ) async throws {
        try await UndoHistory().run(on: HistoryKeepingHarness(place: place))
    }

    @Test(arguments: HistoryKeepingHarness.Place.allCases)
    func `a process that dies while it writes leaves no change without its event`(
        _ place: HistoryKeepingHarness.Place
    ) async throws {
        try await CrashSweep(place: place).run()
    }

    @Test(arguments: HistoryKeepingHarness.Place.allCases)
    func `writers of two processes take turns`(_ place: HistoryKeepingHarness.Place) async throws {
        try await TwoWriters(place: place).run()
    }
}
