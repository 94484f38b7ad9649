import Synchronization

/// How long a service has asked not to be called: a pause that all calls share.
final class ServicePause: Sendable {
    /// A longer pause is not kept, so that one wrong header does not end the calls for good.
    static let longest = Duration.seconds(3600)

    private let end = Mutex<Duration?>(nil)

    /// Keeps a pause that begins now, unless a longer one is known.
    func note(_ pause: Duration, at now: Duration) {
        end.withLock { end in
            let asked = now + min(pause, Self.longest)
            end = end.map { max($0, asked) } ?? asked
        }
    }

    /// What is left of the pause; `nil` if it is over.
    func rest(at now: Duration) -> Duration? {
        end.withLock { end in
            guard let end, now < end else { return nil }
            return end - now
        }
    }
}
