import Synchronization

/// Whether a service responds, known from the last calls, or from a probe if these are too old.
final class ServiceHealth: Sendable {
    /// How long a success counts.
    static let successLifetime = Duration.seconds(60)
    /// How long a failure counts: readiness should return soon, but not cost one request per call.
    static let failureLifetime = Duration.seconds(5)

    private struct State {
        var reason: String?
        var knownAt: Duration?
        var probe: Task<Void, Never>?
    }

    private let state = Mutex(State())
    private let clock: ServiceClock

    init(clock: ServiceClock) {
        self.clock = clock
    }

    /// - Parameter reason: `nil` for a success.
    func record(_ reason: String?) {
        state.withLock { state in
            state.reason = reason
            state.knownAt = clock.elapsed()
        }
    }

    /// The reason of the last failure, unless a success followed or it is older than
    /// ``successLifetime``; without a probe.
    var lastFailure: String? {
        state.withLock { state in
            guard let knownAt = state.knownAt, clock.elapsed() - knownAt < Self.successLifetime else { return nil }
            return state.reason
        }
    }

    /// The reason of the last failure, unless a success followed. If the last result is too old,
    /// `probe` runs first, once for all concurrent callers; it ends with a call of ``record(_:)``.
    func unavailability(probe: @escaping @Sendable () async -> Void) async -> String? {
        let running: Task<Void, Never>? = state.withLock { state in
            let lifetime = state.reason == nil ? Self.successLifetime : Self.failureLifetime
            if let knownAt = state.knownAt, clock.elapsed() - knownAt < lifetime { return nil }
            if let task = state.probe { return task }
            // Its own task: the first caller may be cancelled while others wait.
            let task = Task {
                await probe()
                self.state.withLock { $0.probe = nil }
            }
            state.probe = task
            return task
        }
        await running?.value
        return state.withLock { $0.reason }
    }
}
