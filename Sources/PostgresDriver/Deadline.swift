/// The time by which something must be done.
struct Deadline: Sendable {
    private(set) var instant: ContinuousClock.Instant
    /// The least time that each finished statement leaves for the next one; `nil` for one deadline
    /// over all of them.
    var perStatement: Duration?

    /// Notes that one more statement is done.
    mutating func renew() {
        if let perStatement { instant = max(instant, .now + perStatement) }
    }
}

extension Duration {
    /// Rounded up, an hour at most: a poller then computes it again.
    var pollMilliseconds: Int32 {
        let (seconds, attoseconds) = min(max(self, .zero), .seconds(3600)).components
        return Int32(seconds * 1000 + attoseconds / 1_000_000_000_000_000 + 1)
    }
}
