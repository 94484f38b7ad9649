import MemoryConformance
import Synchronization
import Testing

/// Runs checks, and says at the end on which servers how many have run: a backend that was skipped would show.
enum Tally {
    /// The same histories in every run, on all backends.
    static let settings = CheckSettings(seed: 2026, histories: 500, oracle: ReferenceConformanceTests.Harness())

    /// What the harnesses of these tests do not have. A check that needs one of these may not apply; any other one must.
    private static let lacking: Set<ConformanceCheck.Need> = [.storeFaults, .wire]

    private struct Count {
        var run = 0
        var passed = 0
        var notApplicable = 0
    }

    private static let counts = Mutex<[String: Count]>([:])

    static func run(_ check: ConformanceCheck, on harness: some ConformanceHarness) async {
        let result = await check.run(on: harness, settings)
        let passed = result.passed
        // What is called directly has no wire and no store of its own to kill; the end-to-end tests run these checks.
        let isExcused = !passed && !result.failed && !check.needs.isDisjoint(with: lacking)
        #expect(passed || isExcused, "\(check.id) on \(harness.backend): \(describe(result))")
        let count = counts.withLock { counts in
            counts[harness.backend, default: Count()].run += 1
            if passed { counts[harness.backend, default: Count()].passed += 1 }
            if isExcused { counts[harness.backend, default: Count()].notApplicable += 1 }
            return counts[harness.backend, default: Count()]
        }
        guard count.run == ConformanceCheck.all.count else { return }
        do {
            let scoped = try await harness.makeDatabase(embedder: SteeredEmbedder())
            let versions = await scoped.database.health().compactMap(\.version).joined(separator: "; ")
            try await scoped.remove()
            let excused = count.notApplicable > 0 ? ", \(count.notApplicable) do not apply" : ""
            print(
                "conformance: \(count.passed) of \(count.run) checks passed\(excused) on \(harness.backend) (\(versions))"
            )
        } catch {
            Issue.record("the versions of \(harness.backend) cannot be told: \(error)")
        }
    }

    private static func describe(_ result: CheckResult) -> String {
        switch result.outcome {
        case .passed: "passed"
        case .failed: result.evidence
        case .notApplicable(let reason): "does not apply: \(reason)"
        }
    }
}
