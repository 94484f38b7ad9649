import AgentMemory

/// The mark of an operation that is at work: kept with its first batch, renewed with later ones.
actor OpenMark {
    private let interval: Duration
    private let store: @Sendable () async throws -> Void
    private var last: ContinuousClock.Instant?

    /// Whether the operation is kept.
    private(set) var isSet: Bool

    /// - Parameters:
    ///   - isSet: whether the operation is kept already.
    ///   - leaseSeconds: how long a mark lasts.
    ///   - store: keeps the operation, or renews its lease.
    init(isSet: Bool = false, leaseSeconds: Int, store: @escaping @Sendable () async throws -> Void) {
        self.isSet = isSet
        interval = .seconds(leaseSeconds) / 3
        last = isSet ? .now : nil
        self.store = store
    }

    /// Keeps the operation, unless that was done a moment ago.
    func renew() async throws {
        if let last, last.duration(to: .now) < interval { return }
        // Before the call, which may be done although it fails.
        isSet = true
        try await store()
        last = .now
    }
}
