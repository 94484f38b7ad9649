/// Background jobs.
public struct JobSettings: SettingsRoom {
    public static let title = "Background jobs"

    public let concurrency = Setting<Int>.int(
        "JOB_CONCURRENCY", in: 1...256, default: 4, "Jobs at the same time.")
    public let pollInterval = Setting<Duration>.seconds(
        "JOB_POLL_SECONDS", in: 0.05...60, default: 1,
        "The interval at which jobs of other replicas, retries and ended leases are looked for.")
    public let lease = Setting<Duration>.seconds(
        "JOB_LEASE_SECONDS", in: 1...3600, default: 15, "How long a dead server keeps others from its jobs.")
    public let attempts = Setting<Int>.int(
        "JOB_ATTEMPTS", in: 1...1000, default: 10, "After this number of attempts a job ends in the dead-letter list.")
    public let backoff = Setting<Duration>.seconds(
        "JOB_BACKOFF_SECONDS", in: 0.01...3600, default: 1,
        "The delay after the first failure; it doubles with each further one.")
    public let backoffLimit = Setting<Duration>.seconds(
        "JOB_BACKOFF_LIMIT_SECONDS", in: 0.01...86_400, default: 300, "The longest delay.")
}
