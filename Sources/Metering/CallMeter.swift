import Synchronization

/// Counts calls of one kind, those that fail, and how long they take.
public final class CallMeter: Sendable {
    public struct Counts: Sendable {
        /// Calls that have begun and not ended.
        public fileprivate(set) var inWork = 0
        /// Ended calls that threw another error than `CancellationError`.
        public fileprivate(set) var failures = 0
        /// Of ended calls.
        public fileprivate(set) var durations = DurationHistogram(DurationHistogram.boundsOfCalls)
    }

    private let state = Mutex(Counts())

    public init() {}

    /// Since the start.
    public var counts: Counts { state.withLock(\.self) }

    /// Counts one call.
    ///
    /// - Throws: what `call` throws.
    public func measure<Value>(
        isolation: isolated (any Actor)? = #isolation, _ call: () async throws -> Value
    ) async throws -> Value {
        let start = ContinuousClock.now
        state.withLock { $0.inWork += 1 }
        do {
            let value = try await call()
            end(after: ContinuousClock.now - start, isFailure: false)
            return value
        } catch {
            end(after: ContinuousClock.now - start, isFailure: !(error is CancellationError))
            throw error
        }
    }

    private func end(after duration: Duration, isFailure: Bool) {
        state.withLock { counts in
            counts.inWork -= 1
            if isFailure { counts.failures += 1 }
            counts.durations.record(duration)
        }
    }
}
