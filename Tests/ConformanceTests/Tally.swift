import MemoryConformance
import Synchronization
import Testing

/// Runs checks, and says at the end on which servers how many have run: a backend that was skipped
/// would show.
enum Tally {
    /// The same histories in every run, on all backends.
    static let settings = CheckSettings(seed: 2026, histories: 500, oracle: ReferenceConformanceTests.Harness())

    private struct Count {
        var run = 0
        var passed = 0
        var notApplicable = 0
    }

    private static let counts = Mutex<[String: Count]>([:])

    /// - Parameter unmet: what the harness does not have. A check that needs none of it must apply,
    ///   and pass.
    static func run(
        _ check: ConformanceCheck, on harness: some ConformanceHarness, unmet: Set<ConformanceCheck.Need>
    ) async {
        let result = await check.run(on: harness, settings)
        let applies = check.needs.isDisjoint(with: unmet)
        if applies {
            #expect(result.passed, "\(check.id) on \(harness.backend): \(describe(result))")
        } else if case .notApplicable = result.outcome {
        } else {
            Issue.record("\(check.id) ran although it needs what the harness of \(harness.backend) does not have")
        }
        if !result.figures.isEmpty {
            let figures = result.figures.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
            print("conformance: \(check.id) on \(harness.backend): \(figures.joined(separator: ", "))")
        }
        let count = counts.withLock { counts in
            counts[harness.backend, default: Count()].run += 1
            if result.passed { counts[harness.backend, default: Count()].passed += 1 }
            if !applies { counts[harness.backend, default: Count()].notApplicable += 1 }
            return counts[harness.backend, default: Count()]
        }
        guard count.run == ConformanceCheck.all.count else { return }
        do {
            let scoped = try await harness.makeDatabase(embedder: SteeredEmbedder())
            let versions = await scoped.database.health().compactMap(\.version).joined(separator: "; ")
            try await scoped.remove()
            print(
                "conformance: \(count.passed) of \(count.run) checks passed, \(count.notApplicable) do not apply, on \(harness.backend) (\(versions))"
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
