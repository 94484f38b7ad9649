/// The handling of memories and sessions.
public struct MemorySettings: SettingsRoom {
    public static let title = "Memories and sessions"

    public let isLongTermEnabled = Setting<Bool>.bool(
        "LONG_TERM_MEMORY", default: true, "`false`: the routes of long-term memory respond with 400.")
    public let indexesAllMessages = Setting<Bool>.bool(
        "INDEX_ALL_MESSAGES_IN_LONG_TERM_MEMORY", default: false, "Every message of a session becomes a memory too.")
    public let requiresMessageTimestamps = Setting<Bool>.bool(
        "REQUIRE_MESSAGE_TIMESTAMPS", default: false,
        "Messages without `created_at` get 422; otherwise they get the time of the request, and the response a warning."
    )
    public let maximumFutureSeconds = Setting<Int>.int(
        "MAX_FUTURE_TIMESTAMP_SECONDS", in: 0...Int(Int32.max), unit: .seconds, default: 300,
        "How far in the future `created_at` of a message may be.")
    public let summarizationThreshold = Setting<Double>.number(
        "SUMMARIZATION_THRESHOLD", in: 0.01...1, default: 0.7,
        "The share of a context window that `context_percentage_until_summarization` counts to.")
    public let compactionInterval = Setting<Int?>.int(
        "COMPACTION_EVERY_MINUTES", in: 1...525_600, defaultInWords: "not at all",
        "The interval at which all memories are compacted, in minutes, by one server of all.")
    public let keepsHistory = Setting<Bool>.choice(
        "HISTORY", ["ALL": true, "OFF": false], default: true,
        "Whether writes of long-term memory make events, for histories, restoring and undoing."
    )
    public let historyDays = Setting<Int>.int(
        "HISTORY_DAYS", in: 1...36_500, default: 30,
        "After this number of days events are removed.")
}
