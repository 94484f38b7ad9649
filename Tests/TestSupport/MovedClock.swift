public import AgentMemory
import Synchronization

/// A clock that only the test moves.
public final class MovedClock: Sendable {
    private let time: Mutex<Timestamp>

    /// - Parameter date: in ISO 8601.
    public init(at date: String = "2026-01-01T12:00:00Z") {
        time = Mutex(Timestamp(parsing: date) ?? .earliest)
    }

    public var now: Timestamp { time.withLock(\.self) }

    public func move(bySeconds seconds: Int64) { time.withLock { $0 = $0.advanced(bySeconds: seconds) } }
}
