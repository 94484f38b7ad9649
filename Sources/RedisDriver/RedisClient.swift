public import Logging
import NIOCore
import NIOPosix
import Synchronization

/// Calls to one Redis server over a few connections that all calls share.
///
/// Connections are made when they are needed: a client that runs one call at a time has one. A call
/// that finds the connection broken connects at once; when that fails, the call fails, and further
/// attempts follow after growing pauses.
public final class RedisClient: Sendable {
    public struct Configuration: Sendable {
        /// Commands that every new connection runs before any call, and what their replies must be.
        public struct Setup: Sendable {
            public var commands: [RedisCommand]
            /// Throws to refuse the connection.
            public var check: @Sendable ([RedisValue]) throws(RedisError) -> Void

            public init(
                _ commands: [RedisCommand],
                check: @escaping @Sendable ([RedisValue]) throws(RedisError) -> Void = { _ in }
            ) {
                self.commands = commands
                self.check = check
            }
        }

        public var endpoint: RedisEndpoint
        /// int, default: 3
        public var connections = 3
        /// How long a call may take, connecting included; default: 5 seconds.
        public var timeout: Duration = .seconds(5)
        /// How long connecting and logging in may take; default: 2 seconds.
        public var connectTimeout: Duration = .seconds(2)
        /// Calls of one connection that were sent and have no reply yet; default: 512.
        public var maximumInFlight = 512
        /// Calls that wait for their turn on one connection; default: 8192. Further ones are
        /// refused as `overloaded`.
        public var maximumPending = 8192
        /// The longest pause between two attempts to connect; default: 500 ms.
        public var maximumBackoff: Duration = .milliseconds(500)
        public var clientName: String? = nil
        public var setup: Setup? = nil

        public init(endpoint: RedisEndpoint) {
            self.endpoint = endpoint
        }
    }

    /// The deadline of everything that the current task does with Redis, for work of several calls,
    /// or work that takes longer than one; `nil` leaves each call to its own timeout.
    @TaskLocal public static var deadline: ContinuousClock.Instant?

    public let endpoint: RedisEndpoint
    private let configuration: Configuration
    private let connections: [RedisConnection]

    /// A client that is not connected yet.
    ///
    /// - Throws: ``RedisError`` with code `invalidEndpoint` if the TLS files cannot be used.
    public init(configuration: Configuration, logger: Logger) throws(RedisError) {
        self.configuration = configuration
        endpoint = configuration.endpoint
        let tls = try configuration.endpoint.tlsContext()
        let group = MultiThreadedEventLoopGroup.singleton
        connections = (0..<max(1, configuration.connections)).map { _ in
            RedisConnection(
                endpoint: configuration.endpoint, configuration: configuration, tls: tls, eventLoop: group.next(),
                logger: logger)
        }
    }

    /// Runs one command.
    ///
    /// - Parameters:
    ///   - isRead: the command changes nothing, so it is sent a second time if the connection
    ///     breaks.
    ///   - timeout: replaces the configuration's.
    /// - Throws: ``RedisError``, an error reply included; `CancellationError`.
    @discardableResult
    public func send(_ command: RedisCommand, isRead: Bool = false, timeout: Duration? = nil) async throws -> RedisValue
    {
        try await pipeline([command], isRead: isRead, timeout: timeout)[0].get()
    }

    /// Runs commands one after another in one write; other calls' commands may run between them.
    ///
    /// - Returns: one reply for each; a reply can be an error.
    public func pipeline(
        _ commands: [RedisCommand], isRead: Bool = false, timeout: Duration? = nil
    ) async throws -> [RedisValue] {
        guard !commands.isEmpty else { return [] }
        try Task.checkCancellation()
        var timeout = timeout
        if let deadline = Self.deadline {
            let left = ContinuousClock.now.duration(to: deadline)
            timeout = timeout.map { min($0, left) } ?? left
        }
        let deadline = NIODeadline.now() + TimeAmount(timeout ?? configuration.timeout)
        func run(on connection: RedisConnection) async throws -> [RedisValue] {
            try await connection.run(RedisBatch(commands, deadline: deadline, isRepeatable: isRead))
        }
        let connection = leastBusy()
        let replies: [RedisValue]
        do {
            replies = try await run(on: connection)
        } catch let error as RedisError where error.code == .connectionFailed {
            // Nothing was sent. The server may have no room for a further client, but serve those
            // that it has.
            guard let other = connections.first(where: { $0 !== connection && $0.isReady.load(ordering: .relaxed) })
            else { throw error }
            replies = try await run(on: other)
        }
        for case .error(let error) in replies where error.saysRoleChanged {
            for connection in connections { connection.retire() }
            break
        }
        return replies
    }

    /// Runs commands as one transaction (MULTI/EXEC): nothing runs between them, and if the server
    /// refuses one, none runs.
    ///
    /// - Parameter following: commands that run after it, in the same write but outside the
    ///   transaction.
    /// - Returns: one reply for each; a reply can be an error of a command that failed while it
    ///   ran.
    public func transaction(
        _ commands: [RedisCommand], following: [RedisCommand] = [], timeout: Duration? = nil
    ) async throws -> (replies: [RedisValue], following: [RedisValue]) {
        let replies = try await pipeline(
            [RedisCommand("MULTI")] + commands + [RedisCommand("EXEC")] + following, timeout: timeout)
        let outcome = commands.count + 1
        switch replies[outcome] {
        case .array(let results):
            return (results, Array(replies[(outcome + 1)...]))
        case .error(let aborted):
            // The error of the refused command says more than EXECABORT.
            for reply in replies[..<outcome] { _ = try reply.get() }
            throw aborted
        case .null, .integer, .status, .bytes:
            throw RedisError(.protocolViolation, "the server sent an unexpected reply to a transaction")
        }
    }

    /// Runs a script by its hash, and sends the script itself if the server does not have it.
    ///
    /// - Parameter isRead: the script changes nothing, so it is sent a second time if the
    ///   connection breaks.
    public func evaluate(
        _ script: RedisScript, keys: [String], isRead: Bool = false, timeout: Duration? = nil,
        arguments: (inout RedisCommand) -> Void = { _ in }
    ) async throws -> RedisValue {
        func command(_ name: String, _ body: String) -> RedisCommand {
            var command = RedisCommand(name, body)
            command.append(keys.count)
            command.append(keys)
            arguments(&command)
            return command
        }
        do {
            return try await send(command("EVALSHA", script.sha1), isRead: isRead, timeout: timeout)
        } catch let error as RedisError where error.code == .noScript {
            return try await send(command("EVAL", script.source), isRead: isRead, timeout: timeout)
        }
    }

    /// Closes all connections; running and later calls fail with code `closed`.
    public func close() async {
        for connection in connections { await connection.close() }
    }

    /// An unused one of the caller's own event loop, so that no other thread has to wake up;
    /// otherwise the first of those with the fewest calls, so that a quiet client uses few. One
    /// that is not open yet is opened meanwhile, if another one can take the call.
    private func leastBusy() -> RedisConnection {
        let own = connections.first { $0.isOnThisThread && $0.load.load(ordering: .relaxed) == 0 }
        if let own {
            if own.isReady.load(ordering: .relaxed) { return own }
            own.prepare()
        }
        func least(_ isCandidate: (RedisConnection) -> Bool) -> RedisConnection? {
            var best: (connection: RedisConnection, load: Int)?
            for connection in connections where isCandidate(connection) {
                let load = connection.load.load(ordering: .relaxed)
                if load < best?.load ?? .max { best = (connection, load) }
                if load == 0 { break }
            }
            return best?.connection
        }
        let best = least { _ in true } ?? connections[0]
        guard !best.isReady.load(ordering: .relaxed),
            let ready = least({ $0.isReady.load(ordering: .relaxed) })
        else { return best }
        best.prepare()
        return ready
    }
}
