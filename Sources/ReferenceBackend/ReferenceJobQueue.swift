public import AgentMemory

/// Background jobs in memory; lost when the process ends.
public actor ReferenceJobQueue: JobQueue {
    public nonisolated let name = "reference"

    private let now: @Sendable () -> Timestamp
    private var jobs: [Entry] = []
    private var lastID = 0
    private var lastToken = 0
    private var deletions: [ExactString: Timestamp] = [:]

    private struct Entry {
        let id: String
        let kind: String
        var payload: JSONObject
        let enqueuedAt: Timestamp
        var attempts = 0
        /// When the job may be leased: after its delay, or when its lease ends.
        var dueAt: Timestamp
        /// The lease in force; `nil` while the job waits.
        var token: String?
        var isDead = false
        var reason: String?

        var state: JobState { isDead ? .dead : token == nil ? .waiting : .leased }
    }

    /// - Parameter now: the clock of delays and leases.
    public init(now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }) {
        self.now = now
    }

    public func prepare() {}

    public func close() {}

    public func health() -> [ComponentHealth] {
        [ComponentHealth("jobs", version: "in memory")]
    }

    @discardableResult
    public func enqueue(_ new: [NewJob]) -> [String] {
        let time = now()
        return new.map { job in
            lastID += 1
            jobs.append(
                Entry(
                    id: String(lastID), kind: job.kind, payload: job.payload, enqueuedAt: time,
                    dueAt: time.advanced(by: job.delay)))
            return String(lastID)
        }
    }

    public func lease(kinds: [String], limit: Int, for duration: Duration) -> [LeasedJob] {
        let time = now()
        let due = jobs.indices.filter { !jobs[$0].isDead && jobs[$0].dueAt <= time && kinds.contains(jobs[$0].kind) }
        return due.sorted { jobs[$0].dueAt < jobs[$1].dueAt }.prefix(limit).map { index in
            lastToken += 1
            jobs[index].token = String(lastToken)
            jobs[index].attempts += 1
            jobs[index].dueAt = time.advanced(by: duration)
            let job = jobs[index]
            return LeasedJob(
                id: job.id, kind: job.kind, payload: job.payload, attempt: job.attempts, enqueuedAt: job.enqueuedAt,
                token: String(lastToken))
        }
    }

    public func extend(_ job: LeasedJob, for duration: Duration) -> Bool {
        let end = now().advanced(by: duration)
        return change(job) { $0.dueAt = end }
    }

    public func complete(_ job: LeasedJob) -> Bool {
        guard let index = index(of: job) else { return false }
        jobs.remove(at: index)
        return true
    }

    public func retry(_ job: LeasedJob, after delay: Duration, reason: String) -> Bool {
        let due = now().advanced(by: delay)
        return change(job) {
            $0.token = nil
            $0.dueAt = due
            $0.reason = reason
        }
    }

    public func bury(_ job: LeasedJob, reason: String) -> Bool {
        change(job) {
            $0.token = nil
            $0.isDead = true
            $0.reason = reason
        }
    }

    public func counts() -> JobCounts {
        func count(_ state: JobState) -> Int { jobs.count { $0.state == state } }
        return JobCounts(waiting: count(.waiting), leased: count(.leased), dead: count(.dead))
    }

    public func list(_ state: JobState, page: PageRequest) -> Page<JobSummary> {
        let listed = jobs.filter { $0.state == state }
        return Page(
            items: page.part(of: listed).map {
                JobSummary(
                    id: $0.id, kind: $0.kind, state: $0.state, attempts: $0.attempts, enqueuedAt: $0.enqueuedAt,
                    reason: $0.reason)
            }, total: listed.count, request: page)
    }

    public func requeue(_ ids: [String]?) -> Int {
        let time = now()
        let wanted = ids.map { Set($0.map(ExactString.init)) }
        var count = 0
        for index in jobs.indices where jobs[index].isDead && wanted?.contains(ExactString(jobs[index].id)) ?? true {
            jobs[index].isDead = false
            jobs[index].attempts = 0
            jobs[index].dueAt = time
            count += 1
        }
        return count
    }

    public func time() -> Timestamp { now() }

    public func revise(_ decision: @Sendable (QueuedJob) -> JobRevision) -> (revised: Int, leased: [String]) {
        let time = now()
        var (revised, leased) = (0, [String]())
        var kept: [Entry] = []
        for var job in jobs {
            let revision = decision(QueuedJob(kind: job.kind, payload: job.payload, enqueuedAt: job.enqueuedAt))
            if revision != .keep, job.state == .leased, job.dueAt > time {
                leased.append(job.id)
                kept.append(job)
                continue
            }
            switch revision {
            case .keep, .observe: break
            case .remove:
                revised += 1
                continue
            case .replacePayload(let payload):
                revised += 1
                job.payload = payload
            }
            kept.append(job)
        }
        jobs = kept
        return (revised, leased)
    }

    public func noteDeleted(_ ids: [String]) {
        let time = now()
        let oldest = time.advanced(bySeconds: -Int64(DeletionNote.keptSeconds))
        deletions = deletions.filter { $0.value >= oldest }
        for id in ids { deletions[ExactString(id)] = time }
    }

    public func deleted(_ ids: [String], since date: Timestamp) -> [String] {
        ids.filter { id in deletions[ExactString(id)].map { $0 >= date } ?? false }
    }

    public func removeNotes(of ids: [String]) {
        for id in ids { deletions[ExactString(id)] = nil }
    }

    private func index(of job: LeasedJob) -> Int? {
        jobs.firstIndex { $0.id == job.id && $0.token == job.token }
    }

    private func change(_ job: LeasedJob, _ body: (inout Entry) -> Void) -> Bool {
        guard let index = index(of: job) else { return false }
        body(&jobs[index])
        return true
    }
}

extension Timestamp {
    fileprivate func advanced(by duration: Duration) -> Timestamp {
        let parts = duration.components
        let moved = advanced(bySeconds: parts.seconds)
        return Timestamp(microseconds: moved.microseconds + parts.attoseconds / 1_000_000_000_000) ?? .latest
    }
}
