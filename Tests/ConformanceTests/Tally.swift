import MemoryConformance
import Synchronization
import Testing

/// Runs checks, and says at the end on which servers how many have run: a backend that was skipped would show.
enum Tally {
    private static let counts = Mutex<[String: (run: Int, passed: Int)]>([:])

    /// - Parameter unmet: what the harness does not have. A check that needs none of it must apply, and pass.
    static func run(
        _ check: ConformanceCheck, on harness: some ConformanceHarness, unmet: Set<ConformanceCheck.Need>
    ) async {
        let result = await check.run(on: harness, CheckSettings(oracle: ReferenceConformanceTests.Harness()))
        if check.needs.isDisjoint(with: unmet) {
            #expect(result.passed, "\(result.check.id): \(result.outcome) \(result.evidence)")
        } else if case .notApplicable = result.outcome {
        } else {
            Issue.record("\(check.id) ran although it needs what the harness of \(harness.backend) does not have")
        }
        if !result.figures.isEmpty {
            let figures = result.figures.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
            print("conformance: \(check.id) on \(harness.backend): \(figures.joined(separator: ", "))")
        }
        let count = counts.withLock { counts in
            var count = counts[harness.backend] ?? (run: 0, passed: 0)
            count.run += 1
            count.passed += result.failed ? 0 : 1
            counts[harness.backend] = count
            return count
        }
        guard count.run == ConformanceCheck.all.count else { return }
        do {
            let scoped = try await harness.makeDatabase(embedder: SteeredEmbedder())
            let versions = await scoped.database.health().compactMap(\.version).joined(separator: "; ")
            try await scoped.remove()
            print(
                "conformance: \(count.passed) of \(count.run) checks passed or do not apply on \(harness.backend) (\(versions))"
            )
        } catch {
            Issue.record("the versions of \(harness.backend) cannot be told: \(error)")
        }
    }
}
