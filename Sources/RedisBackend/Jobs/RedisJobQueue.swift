public import AgentMemory
public import Logging
import RedisDriver
import Synchronization

/// Background jobs in Redis streams, one for each kind, with a consumer group; no module is needed.
public final class RedisJobQueue: JobQueue {
    public struct Configuration: Sendable {
        /// string, default: agent_memory:jobs; the prefix of all keys, before a colon.
        public var keyPrefix = "agent_memory:jobs"
        /// The interval of checks by ``run()``; default: 1 minute.
        public var upkeepInterval: Duration = .seconds(60)

        public init() {}
    }

    public let name = "redis"

    private let database: RedisDatabase
    private let configuration: Configuration
    private let isPrepared = Atomic(false)
    private let probe: WriteProbe

    private var client: RedisClient { database.calls }

    /// A queue in a database that others may use too. It connects in ``prepare()``, not here.
    public init(database: RedisDatabase, configuration: Configuration = Configuration()) {
        self.database = database
        self.configuration = configuration
        probe = WriteProbe(key: "\(configuration.keyPrefix):ready", logger: database.logger)
        database.join()
    }

    /// A queue in a database of its own.
    ///
    /// - Throws: as ``RedisDatabase/init(configuration:logger:)``.
    public convenience init(
        database: RedisDatabase.Configuration, configuration: Configuration = Configuration(), logger: Logger
    ) throws(MemoryError) {
        self.init(
            database: try RedisDatabase(configuration: database, logger: logger), configuration: configuration)
    }

    /// Streams and their groups are created with the first job of a kind, so only the connection is
    /// checked.
    public func prepare() async throws {
        try await database.mappingPreparation {
            _ = try await cardinalities()
            try await probe.run(client)
        }
        isPrepared.store(true, ordering: .relaxed)
    }

    public func run() async throws {
        try await database.maintain(
            every: configuration.upkeepInterval, isSettled: { isPrepared.load(ordering: .relaxed) }, prepare)
    }

    public func close() async {
        await database.leave()
    }

    public func health() async -> [ComponentHealth] {
        let health = await database.health("jobs") {
            if let refusal = try await probe.refusal(client) { return ComponentHealth("jobs", reason: refusal) }
            _ = try await cardinalities()
            return ComponentHealth("jobs")
        }
        return [health]
    }

    @discardableResult
    public func enqueue(_ jobs: [NewJob]) async throws -> [String] {
        guard !jobs.isEmpty else { return [] }
        let reply = try await evaluate(JobScripts.enqueue) { command in
            for job in jobs { Self.append(job, to: &command) }
        }
        let ids = reply.array?.compactMap(\.string) ?? []
        guard ids.count == jobs.count else { throw Self.unknownAnswer }
        return ids
    }

    /// A job in the form that ``JobScripts/enqueueFunction`` takes.
    static func append(_ job: NewJob, to command: inout RedisCommand) {
        command.append(job.kind)
        command.append(JSONValue.object(job.payload).jsonText)
        command.append(milliseconds(job.delay))
    }

    // MARK: Notes of deletions

    public func noteDeleted(_ ids: [String]) async throws {
        guard !ids.isEmpty else { return }
        _ = try await database.mappingErrors {
            try await client.evaluate(DeletionScripts.note, keys: [deletions]) { $0.append(ids) }
        }
    }

    public func deleted(_ ids: [String], since date: Timestamp) async throws -> [String] {
        guard !ids.isEmpty else { return [] }
        return try await database.mappingErrors {
            let replies = try await client.pipeline(ids.map { RedisCommand("ZSCORE", deletions, $0) }, isRead: true)
            return try zip(ids, replies).filter { try $1.get().double.map { $0 >= Double(date.microseconds) } ?? false }
                .map(\.0)
        }
    }

    public func removeNotes(of ids: [String]) async throws {
        guard !ids.isEmpty else { return }
        var command = RedisCommand("ZREM", deletions)
        command.append(ids)
        try await database.mappingErrors { _ = try await client.send(command) }
    }

    private var deletions: String { "\(configuration.keyPrefix):deleted" }

    // MARK: Leases

    public func lease(kinds: [String], limit: Int, for duration: Duration) async throws -> [LeasedJob] {
        guard limit > 0 else { return [] }
        let reply = try await evaluate(JobScripts.take) { command in
            command.append(limit)
            command.append(Self.leaseMilliseconds(duration))
            // In another order each time, so that all kinds are served.
            command.append(kinds.shuffled())
        }
        return try (reply.array ?? []).map { row in
            guard let fields = row.array, fields.count == 6, let id = fields[0].string, let kind = fields[1].string,
                let payload = fields[2].string.flatMap({ try? JSONValue(parsing: $0) })?.objectValue,
                let attempt = fields[3].integer, let enqueuedAt = fields[4].integer.flatMap(Self.date),
                let entry = fields[5].string
            else { throw Self.unknownAnswer }
            return LeasedJob(
                id: id, kind: kind, payload: payload, attempt: attempt, enqueuedAt: enqueuedAt, token: entry)
        }
    }

    public func extend(_ job: LeasedJob, for duration: Duration) async throws -> Bool {
        try await end(job, JobScripts.extend) { $0.append(Self.leaseMilliseconds(duration)) }
    }

    public func complete(_ job: LeasedJob) async throws -> Bool {
        try await end(job, JobScripts.complete) { _ in }
    }

    public func retry(_ job: LeasedJob, after delay: Duration, reason: String) async throws -> Bool {
        try await end(job, JobScripts.retry) { command in
            command.append(reason)
            command.append(Self.milliseconds(delay))
        }
    }

    public func bury(_ job: LeasedJob, reason: String) async throws -> Bool {
        try await end(job, JobScripts.bury) { $0.append(reason) }
    }

    // MARK: For operators

    public func counts() async throws -> JobCounts {
        let sizes = try await database.mappingErrors(cardinalities)
        return JobCounts(waiting: sizes[0], leased: sizes[1], dead: sizes[2])
    }

    public func list(_ state: JobState, page: PageRequest) async throws -> Page<JobSummary> {
        try await database.mappingErrors {
            let set = key(state)
            let (replies, _) = try await client.transaction([
                RedisCommand("ZCARD", set),
                RedisCommand("ZRANGE", set, String(page.offset), String(page.end - 1)),
            ])
            guard let total = try replies[0].get().integer, let members = try replies[1].get().array else {
                throw Self.unknownAnswer
            }
            let ids = members.compactMap(\.string)
            let hashes = try await client.pipeline(
                ids.map { RedisCommand("HMGET", hash($0), "kind", "enqueued", "attempts", "reason") }, isRead: true)
            let jobs = try zip(ids, hashes).compactMap { id, reply -> JobSummary? in
                guard let fields = try reply.get().array, fields.count == 4 else { throw Self.unknownAnswer }
                // A job may have been completed meanwhile.
                guard let kind = fields[0].string, let enqueuedAt = fields[1].integer.flatMap(Self.date) else {
                    return nil
                }
                return JobSummary(
                    id: id, kind: kind, state: state, attempts: fields[2].integer ?? 0, enqueuedAt: enqueuedAt,
                    reason: fields[3].string)
            }
            return Page(items: jobs, total: total, request: page)
        }
    }

    public func requeue(_ ids: [String]?) async throws -> Int {
        var rest = ids ?? []
        if ids == nil {
            rest = try await database.mappingErrors {
                let reply = try await client.send(RedisCommand("ZRANGE", key(.dead), "0", "-1"), isRead: true)
                return reply.array?.compactMap(\.string) ?? []
            }
        }
        var moved = 0
        while !rest.isEmpty {
            let batch = rest.prefix(1000)
            rest.removeFirst(batch.count)
            moved += try await evaluate(JobScripts.requeue) { $0.append(batch) }.integer ?? 0
        }
        return moved
    }

    // MARK: For erasures

    public func time() async throws -> Timestamp {
        let parts = try await database.mappingErrors {
            try await client.send(RedisCommand("TIME"), isRead: true).array?.compactMap {
                $0.string.flatMap { Int($0) }
            }
        }
        guard let parts, parts.count == 2, let time = Self.date(parts[0] * 1_000_000 + parts[1]) else {
            throw Self.unknownAnswer
        }
        return time
    }

    public func revise(
        _ decision: @Sendable (QueuedJob) -> JobRevision
    ) async throws -> (revised: Int, leased: [String]) {
        var (revised, held) = (0, [String]())
        // A job that is taken meanwhile is met again among the leased ones.
        for state in [JobState.dead, .waiting, .leased] {
            let ids = try await database.mappingErrors {
                try await client.send(RedisCommand("ZRANGE", key(state), "0", "-1"), isRead: true)
                    .array?.compactMap(\.string) ?? []
            }
            for start in stride(from: 0, to: ids.count, by: Self.revisedPerRead) {
                let slice = Array(ids[start..<min(start + Self.revisedPerRead, ids.count)])
                for (id, revision) in try await decisions(on: slice, decision) {
                    let outcome = try await evaluate(JobScripts.revise) { command in
                        command.append(id)
                        switch revision {
                        case .keep, .observe: command.append("?")
                        case .remove: command.append("")
                        case .replacePayload(let payload): command.append(JSONValue.object(payload).jsonText)
                        }
                    }.integer
                    if outcome == 1 { revised += 1 }
                    if outcome == 2 { held.append(id) }
                }
            }
        }
        return (revised, held.exactlyDistinct())
    }

    private static let revisedPerRead = 100

    /// The jobs that are not to stay as they are.
    private func decisions(
        on ids: [String], _ decision: @Sendable (QueuedJob) -> JobRevision
    ) async throws -> [(id: String, revision: JobRevision)] {
        try await database.mappingErrors {
            let hashes = try await client.pipeline(
                ids.map { RedisCommand("HMGET", hash($0), "kind", "payload", "enqueued") }, isRead: true)
            return try zip(ids, hashes).compactMap { id, reply in
                guard let fields = try reply.get().array, fields.count == 3 else { throw Self.unknownAnswer }
                // A job may have been completed meanwhile.
                guard let kind = fields[0].string, let enqueuedAt = fields[2].integer.flatMap(Self.date),
                    let payload = fields[1].string.flatMap({ try? JSONValue(parsing: $0) })?.objectValue
                else { return nil }
                let revision = decision(QueuedJob(kind: kind, payload: payload, enqueuedAt: enqueuedAt))
                return revision == .keep ? nil : (id, revision)
            }
        }
    }

    // MARK: Keys and calls

    private func key(_ state: JobState) -> String { "\(configuration.keyPrefix):\(state.rawValue)" }

    private func hash(_ id: String) -> String { "\(configuration.keyPrefix):job:\(id)" }

    private func cardinalities() async throws -> [Int] {
        let (replies, _) = try await client.transaction(JobState.allCases.map { RedisCommand("ZCARD", key($0)) })
        return try zip(JobState.allCases, replies).map { state, reply in
            if case .error(let error) = reply, error.code == .wrongType {
                throw MemoryError(
                    .misconfigured,
                    "the key \(key(state)) in Redis holds a value of another program: choose another prefix of job keys",
                    setting: .jobKeyPrefix)
            }
            guard let size = try reply.get().integer else { throw Self.unknownAnswer }
            return size
        }
    }

    private func evaluate(
        _ script: RedisScript, arguments: (inout RedisCommand) -> Void
    ) async throws -> RedisValue {
        try await database.mappingErrors {
            try await client.evaluate(script, keys: []) { command in
                command.append(configuration.keyPrefix)
                arguments(&command)
            }
        }
    }

    /// Runs a script on a lease.
    ///
    /// - Returns: false if it is no longer the job's lease.
    private func end(
        _ job: LeasedJob, _ script: RedisScript, arguments: (inout RedisCommand) -> Void
    ) async throws -> Bool {
        try await evaluate(script) { command in
            command.append(job.kind)
            command.append(job.id)
            command.append(job.token)
            command.append(job.attempt)
            arguments(&command)
        }.integer == 1
    }

    private static func date(_ microseconds: Int) -> Timestamp? { Timestamp(microseconds: Int64(microseconds)) }

    /// Rounded up, so that nothing is due early; a century at most.
    private static func milliseconds(_ delay: Duration) -> Int {
        Int(max(0, min(3_155_760_000_000, (delay / .milliseconds(1)).rounded(.up))))
    }

    private static func leaseMilliseconds(_ duration: Duration) -> Int {
        min(max(milliseconds(duration), 1), JobScripts.longestLease)
    }

    private static var unknownAnswer: MemoryError {
        MemoryError(.internalError, "the Redis server sent an unknown reply about a job")
    }
}
