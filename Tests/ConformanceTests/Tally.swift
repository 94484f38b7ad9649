import MemoryConformance
import Synchronization
import Testing

/// Runs checks, and says at the end on which servers how many have run: a backend that was skipped would show.
enum Tally {
    private static let counts = Mutex<[String: (run: Int, passed: Int, notApplicable: Int)]>([:])

    static func run(_ check: ConformanceCheck, on harness: some ConformanceHarness) async {
        let result = await check.run(on: harness)
        if check.needs.contains(.wire) {
            // What is called directly has no wire; the end-to-end tests run these checks.
            #expect(!result.failed && !result.passed, "\(check.id) ran without a server")
        } else {
            #expect(result.passed, "\(result.check.id): \(result.outcome) \(result.evidence)")
        }
        let count = counts.withLock { counts in
            var count = counts[harness.backend] ?? (run: 0, passed: 0, notApplicable: 0)
            count.run += 1
            count.passed += result.passed ? 1 : 0
            count.notApplicable += !result.passed && !result.failed ? 1 : 0
            counts[harness.backend] = count
            return count
        }
        guard count.run == ConformanceCheck.all.count else { return }
        do {
            let scoped = try await harness.makeDatabase(embedder: SteeredEmbedder())
            let versions = await scoped.database.health().compactMap(\.version).joined(separator: "; ")
            try await scoped.remove()
            print(
                "conformance: \(count.passed) of \(count.run - count.notApplicable) applicable checks passed on \(harness.backend) (\(versions))"
            )
        } catch {
            Issue.record("the versions of \(harness.backend) cannot be told: \(error)")
        }
    }
}
