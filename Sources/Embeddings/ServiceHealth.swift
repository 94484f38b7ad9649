import Synchronization

/// What the last calls told of a service, and the probe that asks when they are too old.
final class ServiceHealth: Sendable {
    /// A success is believed for so long, ...
    static let successLifetime = Duration.seconds(60)
    /// ... a failure for so long: readiness should come back soon, but not cost a request a call.
    static let failureLifetime = Duration.seconds(5)

    private struct State {
        var reason: String?
        var knownAt: Duration?
        var probe: Task<Void, Never>?
    }

    private let state = Mutex(State())
    private let time: EmbedderTime

    init(time: EmbedderTime) {
        self.time = time
    }

    /// - Parameter reason: `nil` for a success.
    func record(_ reason: String?) {
        state.withLock { state in
            state.reason = reason
            state.knownAt = time.elapsed()
        }
    }

    /// The reason of the last failure, unless it was followed by a success. If what is known is too old, `probe` runs
    /// first, once for all who ask meanwhile; it ends with a call of ``record(_:)``.
    func unavailability(probe: @escaping @Sendable () async -> Void) async -> String? {
        let running: Task<Void, Never>? = state.withLock { state in
            let lifetime = state.reason == nil ? Self.successLifetime : Self.failureLifetime
            if let knownAt = state.knownAt, time.elapsed() - knownAt < lifetime { return nil }
            if let task = state.probe { return task }
            // Its own task: whoever asked first may be cancelled while others wait.
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
