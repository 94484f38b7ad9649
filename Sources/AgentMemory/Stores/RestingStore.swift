/// A store that the server's own upkeep leaves alone in quiet times.
public protocol RestingStore: Sendable {
    /// Whether there were no calls for some time.
    var isQuiet: Bool { get }
}

/// Calls by which the server only looks whether it has something to do itself: they do not end the
/// quiet time of a ``RestingStore``.
public enum OwnLook {
    @TaskLocal static var isRunningNow = false

    /// Whether the task runs within ``run(isolation:_:)``.
    public static var isRunning: Bool { isRunningNow }

    /// Runs a look.
    ///
    /// - Throws: what `body` throws.
    public static func run<Value>(
        isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Value
    ) async rethrows -> Value {
        try await $isRunningNow.withValue(true, operation: body, isolation: isolation)
    }
}
