#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Time and randomness for retries and health; tests use a virtual one.
public struct ServiceClock: Sendable {
    /// - Throws: `CancellationError`.
    public var sleep: @Sendable (Duration) async throws -> Void
    /// The time since a fixed moment; never decreases.
    public var elapsed: @Sendable () -> Duration
    /// Seconds since 1970, for dates in headers.
    public var unixSeconds: @Sendable () -> Int
    /// A number from 0 to 1.
    public var chance: @Sendable () -> Double

    public init(
        sleep: @escaping @Sendable (Duration) async throws -> Void, elapsed: @escaping @Sendable () -> Duration,
        unixSeconds: @escaping @Sendable () -> Int, chance: @escaping @Sendable () -> Double
    ) {
        self.sleep = sleep
        self.elapsed = elapsed
        self.unixSeconds = unixSeconds
        self.chance = chance
    }

    /// The clock of the system.
    public static var real: ServiceClock {
        let start = ContinuousClock.now
        return ServiceClock(
            sleep: { try await Task.sleep(for: $0) },
            elapsed: { ContinuousClock.now - start },
            unixSeconds: { Int(time(nil)) },
            chance: { Double.random(in: 0...1) })
    }
}
