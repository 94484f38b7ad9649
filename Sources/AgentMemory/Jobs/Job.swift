/// Work to be done in the background.
public struct NewJob: Sendable, Equatable {
    /// The handler that processes the job, such as `promotion`: 1 to 64 letters, digits, `-`, `_`
    /// or `.`.
    public let kind: String
    public let payload: JSONObject
    /// How long the job waits before it may be leased, by the queue's clock.
    public let delay: Duration

    public init(kind: String, payload: JSONObject, delay: Duration = .zero) {
        self.kind = kind
        self.payload = payload
        self.delay = delay
    }
}

/// A job that a worker holds for a while.
public struct LeasedJob: Sendable, Equatable {
    /// The queue's identifier of the job, in a form that only the queue interprets; handed back
    /// unchanged.
    public let id: String
    public let kind: String
    public let payload: JSONObject
    /// Number of leases so far, this one included, however the earlier ones ended.
    public let attempt: Int
    public let enqueuedAt: Timestamp
    /// Tells this lease from every other lease of the job; opaque, made by the queue.
    public let token: String

    public init(id: String, kind: String, payload: JSONObject, attempt: Int, enqueuedAt: Timestamp, token: String) {
        self.id = id
        self.kind = kind
        self.payload = payload
        self.attempt = attempt
        self.enqueuedAt = enqueuedAt
        self.token = token
    }
}

/// A job with its payload, whatever its state.
public struct QueuedJob: Sendable {
    public let kind: String
    public let payload: JSONObject
    public let enqueuedAt: Timestamp

    public init(kind: String, payload: JSONObject, enqueuedAt: Timestamp) {
        self.kind = kind
        self.payload = payload
        self.enqueuedAt = enqueuedAt
    }
}

/// What ``JobQueue/revise(_:)`` does to a job.
public enum JobRevision: Sendable, Equatable {
    case keep
    /// The job stays as it is; it is reported if a worker holds it.
    case observe
    case remove
    /// The job goes on with this payload.
    case replacePayload(JSONObject)
}

/// The state of a job.
public enum JobState: String, Sendable, CaseIterable {
    /// Can be leased, now or after its delay. A job whose lease has ended counts here or as leased
    /// until it is leased again.
    case waiting
    case leased
    /// In the dead-letter list: given up until it is requeued.
    case dead
}

/// A job as operators see it; never shows the payload, which contains users' texts.
public struct JobSummary: Sendable, Equatable {
    public let id: String
    public let kind: String
    public let state: JobState
    /// Number of leases so far.
    public let attempts: Int
    public let enqueuedAt: Timestamp
    /// Why the last attempt failed; `nil` when none did.
    public let reason: String?

    public init(id: String, kind: String, state: JobState, attempts: Int, enqueuedAt: Timestamp, reason: String?) {
        self.id = id
        self.kind = kind
        self.state = state
        self.attempts = attempts
        self.enqueuedAt = enqueuedAt
        self.reason = reason
    }
}

/// How many jobs there are in each state.
public struct JobCounts: Sendable, Equatable {
    public let waiting: Int
    public let leased: Int
    public let dead: Int

    public init(waiting: Int, leased: Int, dead: Int) {
        self.waiting = waiting
        self.leased = leased
        self.dead = dead
    }
}
