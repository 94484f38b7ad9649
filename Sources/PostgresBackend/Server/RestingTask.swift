import Synchronization

/// Work whose cost grows with the store: after each run it pauses for twenty times as long as the
/// run took.
final class RestingTask: Sendable {
    private let next = Mutex(ContinuousClock.now)

    var isDue: Bool { next.withLock { $0 <= .now } }

    func run(_ work: () async throws -> Void) async throws {
        let start = ContinuousClock.now
        defer {
            let end = ContinuousClock.now
            next.withLock { $0 = end + (end - start) * 20 }
        }
        try await work()
    }
}
