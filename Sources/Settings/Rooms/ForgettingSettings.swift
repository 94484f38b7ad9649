/// Periodic forgetting.
public struct ForgettingSettings: SettingsRoom {
    public static let title = "Forgetting"

    public let isEnabled = Setting<Bool>.bool(
        "FORGETTING_ENABLED", default: false, "Whether memories are forgotten by the policy below, in all namespaces.")
    public let everyMinutes = Setting<Int>.int(
        "FORGETTING_EVERY_MINUTES", in: 1...525_600, default: 60,
        "The interval of passes, in minutes, by one server of all; one pass at a time.")
    public let maximumAgeDays = Setting<Int?>.int(
        "FORGETTING_MAX_AGE_DAYS", in: 0...365_000, defaultInWords: "no limit",
        "Memories that were created more days ago are forgotten.")
    public let maximumInactiveDays = Setting<Int?>.int(
        "FORGETTING_MAX_INACTIVE_DAYS", in: 0...365_000, defaultInWords: "no limit",
        "Memories that were not accessed for more days are forgotten; with both limits, what exceeds both, or is older than 12 times the first."
    )
    public let budget = Setting<Int?>.int(
        "FORGETTING_BUDGET_KEEP_TOP_N", in: 0...Int(Int32.max), defaultInWords: "all of them",
        "How many of the other memories are kept, the most recent ones.")
}
