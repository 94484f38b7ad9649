import ModelServices
import Synchronization

/// Time that passes only while a task sleeps, and then at once.
final class VirtualTime: Sendable {
    private let state = Mutex<(elapsed: Duration, sleeps: [Duration])>((.zero, []))

    var sleeps: [Duration] { state.withLock { $0.sleeps } }

    func advance(by duration: Duration) {
        state.withLock { $0.elapsed += duration }
    }

    /// Chance always gives 1: pauses are whole.
    var clock: ServiceClock {
        ServiceClock(
            sleep: { duration in
                try Task.checkCancellation()
                self.state.withLock {
                    $0.elapsed += duration
                    $0.sleeps.append(duration)
                }
            },
            elapsed: { self.state.withLock { $0.elapsed } },
            unixSeconds: { 784_111_777 },
            chance: { 1 })
    }
}
