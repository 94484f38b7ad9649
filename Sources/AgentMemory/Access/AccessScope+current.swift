extension AccessScope {
    /// What the work of this task may reach, for stores that enforce it by themselves, in addition
    /// to what they are asked.
    ///
    /// The use cases set it to the caller's scope around every call of a store, and the server's
    /// own work to ``everything``. `nil`, the default, reaches nothing in such a store.
    @TaskLocal public static var current: AccessScope?

    /// Runs `work` with this scope as ``current``.
    public func limiting<Value>(
        isolation: isolated (any Actor)? = #isolation, _ work: () async throws -> Value
    ) async rethrows -> Value {
        try await Self.$current.withValue(self, operation: work, isolation: isolation)
    }
}
