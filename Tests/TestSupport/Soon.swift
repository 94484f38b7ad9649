extension ContinuousClock.Instant {
    /// A deadline for what is quick, on a machine that runs many other tests meanwhile.
    public static var soon: ContinuousClock.Instant { .now + .seconds(60) }
}
