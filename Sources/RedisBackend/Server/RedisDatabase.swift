public import AgentMemory
public import Logging
public import RedisDriver
import Synchronization

/// A Redis server with the data of this server: its connections, the deadline of a call, and the
/// settings of its search engine, for all stores in it.
///
/// Make one, and pass it to each store that works in it. Its connections close with the last of
/// these stores.
public final class RedisDatabase: Sendable {
    /// The address and login of the server.
    public struct Configuration: Sendable {
        public var endpoint: RedisEndpoint
        /// Connections for memories, and as many again for sessions and jobs; int, default: 3
        public var connections = 3
        /// The deadline of a call, not counting embedding; default: 5 seconds.
        public var timeout: Duration = .seconds(5)
        /// How long connecting and logging in may take; default: 2 seconds.
        public var connectTimeout: Duration = .seconds(2)
        /// Whether the stores only read snapshots: then connections change no setting of the search
        /// engine. Default `false`.
        public var isReadOnly = false

        public init(endpoint: RedisEndpoint) {
            self.endpoint = endpoint
        }

        /// - Throws: ``RedisError`` with code `invalidEndpoint` or `unsupportedServer`.
        public init(url: String) throws(RedisError) {
            endpoint = try RedisEndpoint(url: url)
        }
    }

    let configuration: Configuration
    let logger: Logger
    /// For memories, whose searches may take long.
    let searches: RedisClient
    /// For sessions and jobs, whose calls are short, and must not wait behind searches.
    let calls: RedisClient
    private let searchWatchers = ConnectionWatchers()
    private let callWatchers = ConnectionWatchers()
    private let users = Mutex(0)

    /// A database that is not connected yet.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` if the TLS files of the endpoint cannot
    ///   be used, or its database is another one than 0.
    public init(configuration: Configuration, logger: Logger) throws(MemoryError) {
        try configuration.endpoint.checkDatabase()
        self.configuration = configuration
        self.logger = logger
        do throws(RedisError) {
            searches = try RedisClient(
                configuration: configuration.driver(clientName: "agent-memory", searchWatchers), logger: logger)
            calls = try RedisClient(
                configuration: configuration.driver(clientName: "agent-memory-calls", callWatchers), logger: logger)
        } catch {
            throw error.preparationError
        }
    }

    /// A store starts to use the database.
    func join() {
        users.withLock { $0 += 1 }
    }

    /// A store that has joined is closed.
    func leave() async {
        let isLast = users.withLock { users in
            users -= 1
            return users == 0
        }
        guard isLast else { return }
        await searches.close()
        await calls.close()
    }

    /// From now on `state` is notified of each new connection of ``searches``, and of the engine's
    /// settings behind it.
    func watchSearches(_ state: IndexState) { searchWatchers.add(state) }

    /// The same for ``calls``.
    func watchCalls(_ state: IndexState) { callWatchers.add(state) }

    var timeout: Duration { configuration.timeout }

    // MARK: The frame of every call

    /// Ends the work at the deadline, and maps errors of the driver to errors of the domain.
    ///
    /// - Parameter limit: the deadline from now; `nil` is that of a call.
    func mappingErrors<Answer: Sendable>(
        within limit: Duration? = nil, _ body: () async throws -> Answer
    ) async throws -> Answer {
        do {
            return try await RedisClient.$deadline.withValue(.now + (limit ?? timeout)) { try await body() }
        } catch let error as RedisError {
            throw error.memoryError
        }
    }

    /// The same for the work of a start.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` for problems that an operator must fix.
    func mappingPreparation<Answer: Sendable>(_ body: () async throws -> Answer) async throws -> Answer {
        do {
            return try await RedisClient.$deadline.withValue(.now + timeout) { try await body() }
        } catch let error as RedisError {
            throw error.preparationError
        }
    }
}

/// The receiver of the engine's settings from each new connection of a client.
private final class ConnectionWatchers: Sendable {
    private let states = Mutex<[IndexState]>([])

    func add(_ state: IndexState) {
        states.withLock { $0.append(state) }
    }

    func connected(_ settings: EngineSettings) {
        for state in states.withLock(\.self) { state.connected(settings) }
    }
}

extension RedisDatabase.Configuration {
    fileprivate func driver(clientName: String, _ watchers: ConnectionWatchers) -> RedisClient.Configuration {
        var driver = RedisClient.Configuration(endpoint: endpoint)
        driver.connections = connections
        driver.timeout = timeout
        driver.connectTimeout = min(connectTimeout, timeout)
        driver.clientName = clientName
        guard !isReadOnly else { return driver }
        driver.setup = .init(EngineSettings.commands) { replies in
            watchers.connected(EngineSettings(replies: replies))
        }
        return driver
    }
}

extension RedisEndpoint {
    /// Refuses databases that cannot work, before anything is connected: an index covers only the
    /// keys of database 0, and queries of every database reach it, so that the records of two would
    /// mix.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured`.
    fileprivate func checkDatabase() throws(MemoryError) {
        guard database != 0 else { return }
        throw MemoryError(
            .misconfigured,
            "Redis searches database 0 only: give a Redis URL without the database number \(database)")
    }
}
