import AgentMemory
import Synchronization

/// A clock that only the test moves.
final class MovedClock: Sendable {
    private let time = Mutex(Timestamp(parsing: "2026-01-01T12:00:00Z") ?? .earliest)

    var now: Timestamp { time.withLock(\.self) }

    func move(bySeconds seconds: Int64) { time.withLock { $0 = $0.advanced(bySeconds: seconds) } }
}
