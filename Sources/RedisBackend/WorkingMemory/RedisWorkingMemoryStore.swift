public import AgentMemory
public import Logging
public import RedisDriver

/// Sessions as JSON documents in Redis, in the layout of the reference server, whose data it reads and extends. Needs RedisJSON and
/// RediSearch.
public final class RedisWorkingMemoryStore: WorkingMemoryStore {
    public struct Configuration: Sendable {
        public var endpoint: RedisEndpoint
        /// string, default: working_memory_idx
        public var indexName = "working_memory_idx"
        /// string, default: working_memory; the keys are `prefix[:namespace][:user_id]:session_id`.
        public var keyPrefix = "working_memory"
        /// string, default: agent_memory:jobs; of the queue in the same Redis that gets the jobs of writes (``RedisJobQueue``).
        public var jobsKeyPrefix = "agent_memory:jobs"
        /// int, default: 2
        public var connections = 2
        /// The deadline of a call; default: 5 seconds.
        public var timeout: Duration = .seconds(5)
        /// How long connecting and logging in may take; default: 2 seconds.
        public var connectTimeout: Duration = .seconds(2)
        /// How often the index is looked after; default: 1 minute.
        public var upkeepInterval: Duration = .seconds(60)

        public init(endpoint: RedisEndpoint) {
            self.endpoint = endpoint
        }
    }

    public let name = "redis"

    /// Seconds; longer ones are held to it, because dates end with the year 9999.
    static let longestTTL = 400_000_000_000

    let configuration: Configuration
    let client: RedisClient
    let keeper: IndexState
    private let probe: WriteProbe
    private let logger: Logger

    /// Connects to nothing yet.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` if the TLS files of the endpoint cannot be used, or its
    ///   database is another one than 0.
    public init(configuration: Configuration, logger: Logger) throws(MemoryError) {
        try configuration.endpoint.checkDatabase()
        self.configuration = configuration
        self.logger = logger
        probe = WriteProbe(key: "\(configuration.indexName)_ready", isDocument: true, logger: logger)
        let plan = IndexPlan(
            name: configuration.indexName, schema: SessionIndex(keyPrefix: configuration.keyPrefix + ":"))
        let keeper = IndexState(
            patience: min(.seconds(1), configuration.timeout / 2), limit: configuration.timeout, logger: logger
        ) { _ in plan }
        self.keeper = keeper
        var driver = RedisClient.Configuration(endpoint: configuration.endpoint)
        driver.connections = configuration.connections
        driver.timeout = configuration.timeout
        driver.connectTimeout = min(configuration.connectTimeout, configuration.timeout)
        driver.clientName = "agent-memory-sessions"
        driver.setup = .init(EngineSettings.commands) { replies in
            keeper.connected(EngineSettings(replies: replies))
        }
        do throws(RedisError) {
            client = try RedisClient(configuration: driver, logger: logger)
        } catch {
            throw error.preparationError
        }
    }

    public func prepare() async throws {
        try await client.preparing(within: configuration.timeout) {
            try await checkJSON()
            // A new index scans the keys of the whole server, which takes its time even when none of them is ours.
            _ = try await keeper.ready(client, patience: configuration.timeout * 0.45)
            await probe.warnOfEviction(client)
            // Reads do not show that the server became a replica.
            try await probe.run(client)
        }
    }

    public func run() async throws {
        try await RetryLoop(interval: configuration.upkeepInterval, logger: logger).run(
            isSettled: { keeper.hasFoundIndex }
        ) {
            try await prepare()
            // Someone may have changed them under the connections.
            try await mappingErrors { try await keeper.renewSettings(client) }
        }
    }

    public func close() async {
        await client.close()
    }

    public func health() async -> [ComponentHealth] {
        do {
            return try await client.mappingErrors(within: configuration.timeout / 2) {
                try await checkJSON()
                if let refusal = try await probe.refusal(client) {
                    return [ComponentHealth("sessions", reason: refusal)]
                }
                let warning = await probe.evictionWarning(client)
                return [
                    ComponentHealth("sessions", reason: try await keeper.unavailability(client), warning: warning)
                ]
            }
        } catch {
            let reason = (error as? MemoryError)?.message ?? "the Redis server did not answer"
            return [ComponentHealth("sessions", reason: reason)]
        }
    }

    /// Reads a key that no session has, to learn whether the server knows JSON.
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
        try await client.mappingErrors(within: configuration.timeout.grown(bytes: bytes), body)
    }

    /// Asks the complete index; once more if it was missing or the server may have been another one.
    func asking<Answer: Sendable>(_ body: (SessionQueries) async throws -> Answer) async throws -> Answer {
        try await mappingErrors {
            let ready = try await keeper.ready(client)
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

    /// The engine gives up a little before we do, so that its own error arrives; without ON_TIMEOUT FAIL it must not
    /// give up at all, because it would answer short.
    private func queries(_ ready: IndexState.Ready) -> SessionQueries {
        let milliseconds = Int(configuration.timeout / .milliseconds(1))
        return SessionQueries(
            index: ready.name, timeout: ready.settings.failsOnTimeout ? max(1, milliseconds * 9 / 10) : 0,
            maximumResults: ready.settings.maximumResults)
    }
}
