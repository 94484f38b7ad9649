import Synchronization

/// Whether a server's own upkeep may leave the database alone, because there were no calls for
/// some time. A database that is paid for by the time in which it works, or that sleeps when
/// nothing is asked, stays asleep then.
final class QuietTime: Sendable {
    /// How often the upkeep looks at the database in a quiet time.
    static let longestRest: Duration = .seconds(3600)

    /// The time without calls after which it is quiet; zero means never.
    let limit: Duration
    private let lastCall = Mutex(ContinuousClock.now)
    /// When jobs are looked for again, if it is quiet.
    private let nextLease = Mutex<ContinuousClock.Instant?>(nil)

    init(after limit: Duration) {
        self.limit = limit
    }

    var isQuiet: Bool { limit > .zero && lastCall.withLock { $0 + limit <= .now } }

    /// A call by a client, or on behalf of a job.
    func noteCall() {
        lastCall.withLock { $0 = .now }
        nextLease.withLock { $0 = nil }
    }

    /// Pauses for an interval, and for as long as it is quiet, at most for ``longestRest``.
    func rest(for interval: Duration) async throws {
        let end = ContinuousClock.now + Self.longestRest
        repeat {
            try await Task.sleep(for: interval)
        } while isQuiet && .now < end
    }

    /// Whether jobs may be looked for now.
    var permitsLease: Bool {
        !isQuiet || nextLease.withLock { $0.map { $0 <= .now } ?? true }
    }

    /// Notes that no job was due.
    ///
    /// - Parameter wait: the time until one is.
    func noteNothingDue(for wait: Duration) {
        nextLease.withLock { $0 = .now + wait }
    }
}
