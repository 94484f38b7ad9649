import MemoryConformance
import Synchronization

/// Waits until a server returns what it has acknowledged, and counts how often it had to wait.
///
/// A server that stores after it has responded breaks rule R6, and with it nearly every check. With
/// this, the other checks give useful results.
final class WriteSettling: Sendable {
    struct Tally: Equatable {
        /// Writes that were waited for.
        var writes = 0
        /// Writes that could not be read at once.
        var late = 0
        /// Writes that could not be read within the limit.
        var lost = 0
        var slowest: Duration = .zero
    }

    /// Time limit for one write.
    let limit: Duration
    private let counted = Mutex(Tally())

    init(limit: Duration) { self.limit = limit }

    var tally: Tally { counted.withLock(\.self) }

    /// Repeats the question until the answer is yes or the limit has passed.
    func wait(until look: () async throws -> Bool) async throws {
        let clock = ContinuousClock()
        let start = clock.now
        var isLate = false
        var isVisible = try await look()
        while !isVisible, clock.now - start < limit {
            isLate = true
            try await Task.sleep(for: .milliseconds(10))
            isVisible = try await look()
        }
        let waited = clock.now - start
        counted.withLock { tally in
            tally.writes += 1
            guard isLate else { return }
            tally.late += 1
            if !isVisible { tally.lost += 1 }
            tally.slowest = max(tally.slowest, waited)
        }
    }
}
