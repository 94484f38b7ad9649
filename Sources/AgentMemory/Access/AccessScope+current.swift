extension AccessScope {
    /// What the work of this task may reach, for stores that enforce it by themselves, in addition
    /// to what they are asked.
    ///
    /// The use cases set it to the caller's scope around every call of a store, and the server's
    /// own work to ``everything``. `nil`, the default, reaches nothing in such a store.
    @TaskLocal public static var current: AccessScope?
}
