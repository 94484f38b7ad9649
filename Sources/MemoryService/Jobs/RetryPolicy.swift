/// When a failed job is retried: after a delay that doubles with every attempt, with a random part
/// so that jobs that failed together are not retried together.
public struct RetryPolicy: Sendable, Equatable {
    /// Attempts in all; at least 1.
    public let attempts: Int
    /// The longest delay after the first attempt.
    public let base: Duration
    /// The longest delay after any attempt.
    public let limit: Duration

    public init(attempts: Int = 10, base: Duration = .seconds(1), limit: Duration = .seconds(300)) {
        self.attempts = max(1, attempts)
        self.base = base
        self.limit = limit
    }

    /// The delay after attempt number `attempt` (from 1): between half of min(limit, base ·
    /// 2^(attempt - 1)) and all of it.
    ///
    /// - Parameter random: from 0 to 1.
    public func delay(afterAttempt attempt: Int, random: Double) -> Duration {
        var longest = min(base, limit)
        for _ in 1..<max(1, min(attempt, 63)) where longest < limit { longest = min(longest * 2, limit) }
        return longest * (0.5 + 0.5 * random)
    }
}
