import Synchronization

/// The measurements of a check.
final class Figures: Sendable {
    private let values = Mutex<[String: Double]>([:])

    var all: [String: Double] { values.withLock(\.self) }

    func set(_ name: String, _ value: Double) {
        values.withLock { $0[name] = value }
    }
}
