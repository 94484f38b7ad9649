#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// What retries know of time and chance; tests put in their own.
struct EmbedderTime: Sendable {
    /// - Throws: `CancellationError`.
    var sleep: @Sendable (Duration) async throws -> Void
    /// Since a moment that does not change; never goes back.
    var elapsed: @Sendable () -> Duration
    /// Seconds since 1970, for dates in headers.
    var unixSeconds: @Sendable () -> Int
    /// From 0 to 1.
    var chance: @Sendable () -> Double

    static var real: EmbedderTime {
        let start = ContinuousClock.now
        return EmbedderTime(
            sleep: { try await Task.sleep(for: $0) },
            elapsed: { ContinuousClock.now - start },
            unixSeconds: { Int(time(nil)) },
            chance: { Double.random(in: 0...1) })
    }
}
