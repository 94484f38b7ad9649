public import AgentMemory
public import Logging
import RedisDriver

/// Sessions as JSON documents in Redis, in the layout of the reference server, whose data it reads
/// and extends. Needs RedisJSON and RediSearch.
public final class RedisWorkingMemoryStore: WorkingMemoryStore {
    public struct Configuration: Sendable {
        /// string, default: working_memory_idx
        public var indexName = "working_memory_idx"
        /// string, default: working_memory; the keys are `prefix[:namespace][:user_id]:session_id`.
        public var keyPrefix = "working_memory"
        /// string, default: agent_memory:jobs; of the queue in the same Redis that gets the jobs of
        /// writes (``RedisJobQueue``).
        public var jobsKeyPrefix = "agent_memory:jobs"
        /// The interval of checks of the index; default: 1 minute.
        public var upkeepInterval: Duration = .seconds(60)

        public init() {}
    }

    public let name = "redis"

    /// Seconds; longer times are reduced to it, because dates end with the year 9999.
    static let longestTTL = 400_000_000_000

    let database: RedisDatabase
    let configuration: Configuration
    let keeper: IndexState
    private let probe: WriteProbe

    var client: RedisClient { database.calls }

    /// A store in a database that others may use too. It connects in ``prepare()``, not here.
    public init(database: RedisDatabase, configuration: Configuration = Configuration()) {
        self.database = database
        self.configuration = configuration
        probe = WriteProbe(key: "\(configuration.indexName)_ready", isDocument: true, logger: database.logger)
        let plan = IndexPlan(
            name: configuration.indexName, schema: SessionIndex(keyPrefix: configuration.keyPrefix + ":"))
        keeper = IndexState(
            patience: min(.seconds(1), database.timeout / 2), limit: database.timeout, logger: database.logger
        ) { _ in plan }
        database.watchCalls(keeper)
        database.join()
    }

    /// A store in a database of its own.
    ///
    /// - Throws: as ``RedisDatabase/init(configuration:logger:)``.
    public convenience init(
        database: RedisDatabase.Configuration, configuration: Configuration = Configuration(), logger: Logger
    ) throws(MemoryError) {
        self.init(
            database: try RedisDatabase(configuration: database, logger: logger), configuration: configuration)
    }

    public func prepare() async throws {
        try await database.mappingPreparation {
            try await checkJSON()
            // A new index scans the keys of the whole server, which takes time even if it covers
            // none of them.
            _ = try await keeper.ready(client, patience: database.timeout * 0.45)
            await probe.warnOfEviction(client)
            // Reads do not show that the server became a replica.
            try await probe.run(client)
        }
    }

    public func run() async throws {
        try await database.maintain(every: configuration.upkeepInterval, isSettled: { keeper.hasFoundIndex }) {
            try await prepare()
            // Another client may have changed the settings.
            try await mappingErrors { try await keeper.renewSettings(client) }
        }
    }

    public func close() async {
        await database.leave()
    }

    public func health() async -> [ComponentHealth] {
        let health = await database.health("sessions") {
            try await checkJSON()
            if let refusal = try await probe.refusal(client) { return ComponentHealth("sessions", reason: refusal) }
            let warning = await probe.evictionWarning(client)
            return ComponentHealth("sessions", reason: try await keeper.unavailability(client), warning: warning)
        }
        return [health]
    }

    /// Reads a key that no session has, to check whether the server supports JSON.
    ///
    /// - Throws: ``RedisError``.
    private func checkJSON() async throws {
        try await client.send(RedisCommand("JSON.GET", "\(configuration.keyPrefix):\u{1F}"), isRead: true)
    }

    // MARK: For the operations

    func keys(_ key: SessionKey) -> SessionKeys { SessionKeys(key, prefix: configuration.keyPrefix) }

    /// - Parameter bytes: how much is written; the deadline grows with it.
    func mappingErrors<Answer: Sendable>(
        bytes: Int = 0, _ body: () async throws -> Answer
    ) async throws -> Answer {
        try await database.mappingErrors(within: database.timeout.grown(bytes: bytes), body)
    }

    /// Queries the complete index; again if it was missing or the server may have been another one.
    ///
    /// - Parameter scope: what the queries are limited to.
    func asking<Answer: Sendable>(
        _ scope: AccessScope, _ body: (SessionQueries) async throws -> Answer
    ) async throws -> Answer {
        try await mappingErrors {
            let ready = try await keeper.ready(client)
            try ready.settings.check(MemoryFilter(scope: scope))
            do {
                let answer = try await body(queries(ready))
                if keeper.stands(ready) { return answer }
            } catch let error as RedisError where error.saysIndexIsMissing {
                keeper.lost(ready)
            } catch let error as RedisError where error.saysLimitIsExceeded {
                try await keeper.renewSettings(client)
            }
            return try await body(queries(try await keeper.ready(client)))
        }
    }

    /// The engine's time limit is a little shorter than ours, so that its own error arrives.
    /// Without ON_TIMEOUT FAIL there must not be one, because the engine would return a short
    /// result.
    private func queries(_ ready: IndexState.Ready) -> SessionQueries {
        let milliseconds = Int(database.timeout / .milliseconds(1))
        return SessionQueries(
            index: ready.name, timeout: ready.settings.failsOnTimeout ? max(1, milliseconds * 9 / 10) : 0,
            maximumResults: ready.settings.maximumResults)
    }
}
