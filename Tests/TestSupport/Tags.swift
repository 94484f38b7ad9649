public import Testing

/// Why a suite does not run at the same time as all others. swift-testing selects tests by name
/// alone, so `Scripts/test` names what has these tags, and a test compares.
extension Tag {
    /// Needs a Redis or a Postgres.
    @Tag public static var store: Self
    /// Starts whole servers.
    @Tag public static var server: Self
    /// Needs no service, but a part that is installed, such as the sentence model, or the machine
    /// to itself: it starts processes, measures deadlines, or computes for seconds.
    @Tag public static var alone: Self
}
