import Synchronization

/// The upkeep that gives records their tokens' bits which were stored without some: by a server
/// without late interaction, with another model, or by the reference.
///
/// It goes through the store in turns of a few seconds, so that other upkeep is not held up, and
/// rests after each pass for twenty times as long as that took.
public final class TokenSweep<Position: Sendable>: Sendable {
    /// What one step of a pass did.
    public struct Step: Sendable {
        /// Where the next step begins; `nil` if the pass is over.
        public let next: Position?
        /// How much of the store the pass has seen, 0 to 1.
        public let seen: Double
        /// Records that got their bits.
        public let completed: Int

        public init(next: Position?, seen: Double, completed: Int) {
            self.next = next
            self.seen = seen
            self.completed = completed
        }
    }

    private struct State {
        var position: Position?
        var seen = 0.0
        var completed = 0
        var spent: Duration = .zero
        var restsUntil = ContinuousClock.now
    }

    private let state = Mutex(State())

    public init() {}

    /// What is left, in one sentence for `/v1/ready`; `nil` if nothing was found that lacks bits.
    public var notice: String? {
        state.withLock { state in
            guard state.completed > 0 else { return nil }
            return "older records are being prepared for late interaction: \(Int(state.seen * 100)) % done"
        }
    }

    /// Takes steps until the turn's time is over or the pass is.
    ///
    /// - Parameters:
    ///   - limit: after this time no further step is begun.
    ///   - step: from a position, `nil` being the beginning.
    /// - Returns: how many records got their bits.
    public func turn(
        for limit: Duration = .seconds(4), _ step: (Position?) async throws -> Step
    ) async throws -> Int {
        guard state.withLock({ $0.restsUntil <= .now }) else { return 0 }
        do {
            return try await work(for: limit, step)
        } catch let error as MemoryError {
            // Searches do without: what fails now is tried again later, and the rest of the upkeep
            // goes on.
            state.withLock { $0.restsUntil = .now + .seconds(300) }
            throw error
        }
    }

    private func work(for limit: Duration, _ step: (Position?) async throws -> Step) async throws -> Int {
        let start = ContinuousClock.now
        var completed = 0
        while ContinuousClock.now - start < limit {
            try Task.checkCancellation()
            let done = try await step(state.withLock(\.position))
            completed += done.completed
            state.withLock { state in
                state.position = done.next
                state.seen = done.seen
                state.completed += done.completed
            }
            guard done.next == nil else { continue }
            state.withLock { state in
                let now = ContinuousClock.now
                state.restsUntil = now + max(.seconds(60), (state.spent + (now - start)) * 20)
                state.spent = .zero
                state.completed = 0
            }
            return completed
        }
        state.withLock { $0.spent += ContinuousClock.now - start }
        return completed
    }
}
