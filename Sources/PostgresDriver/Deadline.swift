/// Until when something must be done.
struct Deadline: Sendable {
    private(set) var instant: ContinuousClock.Instant
    /// What each finished statement leaves the next one at least; `nil` for one deadline over all
    /// of them.
    var perStatement: Duration?

    /// One more statement is done.
    mutating func renew() {
        if let perStatement { instant = max(instant, .now + perStatement) }
    }
}

extension Duration {
    /// Rounded up, an hour at most: a poller asks again then.
    var pollMilliseconds: Int32 {
        let (seconds, attoseconds) = min(max(self, .zero), .seconds(3600)).components
        return Int32(seconds * 1000 + attoseconds / 1_000_000_000_000_000 + 1)
    }
}
