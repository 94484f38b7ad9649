public import AgentMemory
public import Logging
import PostgresDriver

/// Background jobs in a table of PostgreSQL, from which workers of any number of processes take
/// them without waiting for each other (`FOR UPDATE SKIP LOCKED`). Time is the server's.
public final class PostgresJobQueue: JobQueue {
    public let name = "postgres"

    let database: PostgresDatabase

    /// How often an unprepared queue is checked, and old notes of deletions are removed.
    private static let upkeepInterval: Duration = .seconds(5)
    private static let sweepBatch = 1000

    /// A queue in a database that others may use too. It connects in ``prepare()``, not here.
    public init(database: PostgresDatabase) {
        self.database = database
        database.join()
    }

    /// A queue in a database of its own.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` for an unusable URL or schema name.
    public convenience init(configuration: PostgresDatabase.Configuration, logger: Logger) throws {
        self.init(database: try PostgresDatabase(configuration: configuration, logger: logger))
    }

    public func prepare() async throws {
        try await database.prepare(evenIfDone: false)
    }

    public func run() async throws {
        try await database.maintain(every: Self.upkeepInterval) { try await sweep() }
    }

    private func sweep() async throws {
        try await database.sweep(batch: Self.sweepBatch, DeletionSQL.sweep)
    }

    public func close() async {
        database.leave()
    }

    public func health() async -> [ComponentHealth] {
        [await database.health("jobs")]
    }

    @discardableResult
    public func enqueue(_ jobs: [NewJob]) async throws -> [String] {
        guard !jobs.isEmpty else { return [] }
        let result = try await send(JobSQL.enqueue(jobs))
        return try result.rows.map { try $0.int8(0) }.sorted().map(Self.id)
    }

    public func lease(kinds: [String], limit: Int, for duration: Duration) async throws -> [LeasedJob] {
        let quietTime = database.quietTime
        guard quietTime.permitsLease else { return [] }
        let wasQuiet = quietTime.isQuiet
        let statements = [JobSQL.lease(kinds: kinds, limit: limit, for: duration)] + (wasQuiet ? [JobSQL.wait] : [])
        let results = try await OwnLook.run { try await self.send(statements) }
        let result = results[0]
        if result.count > 0 {
            quietTime.noteCall()
        } else if wasQuiet {
            quietTime.noteNothingDue(for: .seconds(try results[1].singleRow().float8(0)))
        }
        let (number, kind, payload) = try (result.column("number"), result.column("kind"), result.column("payload"))
        let (attempts, enqueuedAt) = try (result.column("attempts"), result.column("enqueued_at"))
        let (token, due) = try (result.column("lease_token"), result.column("run_at"))
        let jobs = try result.rows.map { row in
            let job = LeasedJob(
                id: Self.id(try row.int8(number)), kind: try row.text(kind), payload: try row.jsonObject(payload),
                attempt: try row.int(attempts), enqueuedAt: try row.date(enqueuedAt), token: try row.text(token))
            return (job: job, due: try row.timestamp(due), number: try row.int8(number))
        }
        return jobs.sorted { ($0.due, $0.number) < ($1.due, $1.number) }.map(\.job)
    }

    public func extend(_ job: LeasedJob, for duration: Duration) async throws -> Bool {
        try await changing(job) { JobSQL.extend($0, for: duration) }
    }

    public func complete(_ job: LeasedJob) async throws -> Bool {
        try await changing(job) { JobSQL.complete($0) }
    }

    public func retry(_ job: LeasedJob, after delay: Duration, reason: String) async throws -> Bool {
        try await changing(job) { JobSQL.retry($0, after: delay, reason: reason) }
    }

    public func bury(_ job: LeasedJob, reason: String) async throws -> Bool {
        try await changing(job) { JobSQL.bury($0, reason: reason) }
    }

    public func counts() async throws -> JobCounts {
        let row = try await send(JobSQL.counts, retry: .repeatable).singleRow()
        return JobCounts(waiting: try row.int("waiting"), leased: try row.int("leased"), dead: try row.int("dead"))
    }

    public func list(_ state: JobState, page: PageRequest) async throws -> Page<JobSummary> {
        let results = try await database.reachingEverything {
            try await self.database.call { deadline in
                try await self.database.pipeline(
                    JobSQL.list(state, page: page), retry: .repeatable, deadline: deadline)
            }
        }
        let found = results[1]
        let (number, kind, attempts) = try (found.column("number"), found.column("kind"), found.column("attempts"))
        let (enqueuedAt, reason) = try (found.column("enqueued_at"), found.column("reason"))
        let jobs = try found.rows.map { row in
            JobSummary(
                id: Self.id(try row.int8(number)), kind: try row.text(kind), state: state,
                attempts: try row.int(attempts), enqueuedAt: try row.date(enqueuedAt),
                reason: try row.optionalText(reason))
        }
        return Page(items: jobs, total: try results[2].singleRow().int(0), request: page)
    }

    public func requeue(_ ids: [String]?) async throws -> Int {
        // An id that is not a number does not belong to this queue.
        let numbers = ids.map { $0.compactMap { Int64($0) } }
        return try await send(JobSQL.requeue(numbers)).affectedRows
    }

    public func noteDeleted(_ ids: [String]) async throws {
        guard !ids.isEmpty else { return }
        _ = try await send(DeletionSQL.note(ids), retry: .repeatable)
    }

    public func deleted(_ ids: [String], since date: Timestamp) async throws -> [String] {
        guard !ids.isEmpty else { return [] }
        return try await send(DeletionSQL.deleted(ids, since: date), retry: .repeatable).rows.map { try $0.text(0) }
    }

    public func removeNotes(of ids: [String]) async throws {
        guard !ids.isEmpty else { return }
        _ = try await send(DeletionSQL.removeNotes(of: ids), retry: .repeatable)
    }

    public func time() async throws -> Timestamp {
        try await send(JobSQL.time, retry: .repeatable).singleRow().date(0)
    }

    public func revise(
        _ decision: @Sendable (QueuedJob) -> JobRevision
    ) async throws -> (revised: Int, leased: [String]) {
        var (revised, held) = (0, [String]())
        var last: Int64 = 0
        while true {
            let found = try await send(JobSQL.all(after: last, limit: Self.revisedPerRead), retry: .repeatable)
            for row in found.rows {
                last = try row.int8(0)
                let job = QueuedJob(
                    kind: try row.text(1), payload: try row.jsonObject(2), enqueuedAt: try row.date(3))
                let statement: PostgresStatement
                switch decision(job) {
                case .keep: continue
                case .observe:
                    let isHeld = try await send(JobSQL.isLeased(last), retry: .repeatable).singleRow().bool(0)
                    if isHeld { held.append(Self.id(last)) }
                    continue
                case .remove: statement = JobSQL.remove(last)
                case .replacePayload(let payload): statement = JobSQL.replacePayload(of: last, by: payload)
                }
                if try await send(statement, retry: .repeatable).affectedRows > 0 {
                    revised += 1
                } else {
                    held.append(Self.id(last))
                }
            }
            if found.count < Self.revisedPerRead { return (revised, held) }
        }
    }

    private static let revisedPerRead = 100

    /// Twelve digits at least, so that ids compared as texts are in the order of the numbers.
    private static func id(_ number: Int64) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 12 - digits.utf8.count)) + digits
    }

    /// - Returns: whether the lease was still the job's.
    private func changing(_ job: LeasedJob, _ statement: (JobSQL.Lease) -> PostgresStatement) async throws -> Bool {
        guard let number = Int64(job.id) else { return false }
        return try await send(statement(JobSQL.Lease(number: number, token: job.token))).affectedRows > 0
    }

    private func send(
        _ statement: PostgresStatement, retry: PostgresPool.Retry = .onlyIfNotExecuted
    ) async throws -> PostgresResult {
        try await send([statement], retry: retry)[0]
    }

    private func send(
        _ statements: [PostgresStatement], retry: PostgresPool.Retry = .onlyIfNotExecuted
    ) async throws -> [PostgresResult] {
        // The queue is the server's own; what a job may reach is in its payload.
        try await database.reachingEverything {
            try await self.database.call { deadline in
                try await self.database.retryingConflicts {
                    try await self.database.pipeline(statements, retry: retry, deadline: deadline)
                }
            }
        }
    }
}
