import AgentMemory
import Synchronization

/// Limits how many requests each caller sends: a bucket of tokens for each (the amount of a minute
/// at most), which fills again evenly.
final class RateLimiter: Sendable {
    private let capacity: Double
    private let perSecond: Double
    private let buckets = Mutex<[ExactString: Bucket]>([:])

    private struct Bucket {
        var level: Double
        var at: ContinuousClock.Instant
    }

    /// Buckets that are kept at most; those that are full again are dropped first.
    private static let kept = 100_000

    init(perMinute: Int) {
        capacity = Double(perMinute)
        perSecond = Double(perMinute) / 60
    }

    /// Takes one request of this caller.
    ///
    /// - Returns: `nil` if it may go on, else the whole seconds after which the next one may.
    func wait(of subject: String, at now: ContinuousClock.Instant = .now) -> Int? {
        // By its bytes: two names that Unicode calls equivalent are two callers.
        let subject = ExactString(subject)
        return buckets.withLock { known in
            if known.count >= Self.kept, known[subject] == nil {
                known = known.filter { level(of: $0.value, at: now) < capacity }
                if known.count >= Self.kept { known.removeAll() }
            }
            let left = known[subject].map { level(of: $0, at: now) } ?? capacity
            guard left >= 1 else { return max(1, Int(((1 - left) / perSecond).rounded(.up))) }
            known[subject] = Bucket(level: left - 1, at: now)
            return nil
        }
    }

    private func level(of bucket: Bucket, at now: ContinuousClock.Instant) -> Double {
        min(capacity, bucket.level + (now - bucket.at) / .seconds(1) * perSecond)
    }
}
