public import AgentMemory
import RedisDriver
import Synchronization

/// Access tokens in Redis hashes; no module is needed.
public final class RedisTokenStore: TokenStore {
    public struct Configuration: Sendable {
        /// string, default: agent_memory:tokens; all keys begin with it.
        public var keyPrefix = "agent_memory:tokens"
        /// How often ``run()`` looks after the store; default: 1 minute.
        public var upkeepInterval: Duration = .seconds(60)

        public init() {}
    }

    public let name = "redis"

    private let database: RedisDatabase
    private let configuration: Configuration
    private let isPrepared = Atomic(false)
    private let probe: WriteProbe

    private var client: RedisClient { database.calls }

    /// A store in a database that others may use too. Nothing is connected yet: that is what
    /// ``prepare()`` does.
    public init(database: RedisDatabase, configuration: Configuration = Configuration()) {
        self.database = database
        self.configuration = configuration
        probe = WriteProbe(key: "\(configuration.keyPrefix):ready", logger: database.logger)
        database.join()
    }

    public func prepare() async throws {
        try await database.mappingPreparation {
            _ = try await client.send(RedisCommand("ZCARD", configuration.keyPrefix), isRead: true).get()
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
        let health = await database.health("tokens") {
            if let refusal = try await probe.refusal(client) { return ComponentHealth("tokens", reason: refusal) }
            return ComponentHealth("tokens")
        }
        return [health]
    }

    // MARK: Reading

    public func token(hash: String) async throws -> AccessToken? {
        try await database.mappingErrors {
            try Self.token(hash: hash, try await client.send(read(hash), isRead: true))
        }
    }

    public func tokens(hashPrefix: String, page: PageRequest) async throws -> Page<AccessToken> {
        try await database.mappingErrors {
            let all =
                try await client.send(RedisCommand("ZRANGE", configuration.keyPrefix, "0", "-1"), isRead: true)
                .get().array?.compactMap(\.string) ?? []
            let found = all.filter { $0.utf8.starts(with: hashPrefix.utf8) }
            let shown = page.part(of: found)
            let replies = try await client.pipeline(shown.map(read), isRead: true)
            // One may have been removed meanwhile.
            let tokens = try zip(shown, replies).compactMap { try Self.token(hash: $0, $1) }
            return Page(items: tokens, total: found.count, request: page)
        }
    }

    public func revision() async throws -> Int {
        try await database.mappingErrors {
            let reply = try await client.send(RedisCommand("GET", revisionKey), isRead: true).get()
            return reply.string.flatMap { Int($0) } ?? 0
        }
    }

    private func read(_ hash: String) -> RedisCommand {
        RedisCommand("HMGET", key(hash), "token", "expires_at", "last_used_at")
    }

    private static func token(hash: String, _ reply: RedisValue) throws -> AccessToken? {
        guard let fields = try reply.get().array, fields.count == 3 else { throw unknownAnswer }
        guard let text = fields[0].string else { return nil }
        func number(_ field: RedisValue) -> Int? { field.string.flatMap { Int($0) } }
        guard var object = (try? JSONValue(parsing: text))?.objectValue else { throw unknownAnswer }
        if let expiry = number(fields[1]) { object["expires_at"] = .int(expiry) }
        return try AccessToken(
            hash: hash, json: object,
            lastUsedAt: number(fields[2]).flatMap { Timestamp(microseconds: Int64($0)) })
    }

    // MARK: Writing

    public func add(_ token: AccessToken) async throws {
        let reply = try await evaluate(TokenScripts.add, [key(token.hash)]) { Self.append(token, to: &$0) }
        if reply == 0 { throw Self.exists }
    }

    public func remove(hash: String) async throws -> Bool {
        try await evaluate(TokenScripts.remove, [key(hash)]) { $0.append(hash) } > 0
    }

    public func replace(hash old: String, expiringAt end: Timestamp, with token: AccessToken) async throws -> Bool {
        let reply = try await evaluate(TokenScripts.replace, [key(token.hash), key(old)]) { command in
            Self.append(token, to: &command)
            command.append(String(end.microseconds))
        }
        if reply == 0 { throw Self.exists }
        return reply == 1
    }

    public func noteUse(_ uses: [String: Timestamp]) async throws {
        guard !uses.isEmpty else { return }
        let uses = Array(uses)
        _ = try await database.mappingErrors {
            try await client.evaluate(TokenScripts.noteUse, keys: uses.map { key($0.key) }) { command in
                for use in uses { command.append(String(use.value.microseconds)) }
            }
        }
    }

    private static func append(_ token: AccessToken, to command: inout RedisCommand) {
        command.append(token.hash)
        command.append(String(token.createdAt.microseconds))
        var body = token.json
        body["expires_at"] = nil
        command.append(JSONValue.object(body).jsonText)
        command.append(token.expiresAt.map { String($0.microseconds) } ?? "")
    }

    private func evaluate(
        _ script: RedisScript, _ tokens: [String], arguments: (inout RedisCommand) -> Void
    ) async throws -> Int {
        try await database.mappingErrors {
            let reply = try await client.evaluate(
                script, keys: [configuration.keyPrefix, revisionKey] + tokens, arguments: arguments)
            guard let number = reply.integer else { throw Self.unknownAnswer }
            return number
        }
    }

    private var revisionKey: String { "\(configuration.keyPrefix):revision" }

    private func key(_ hash: String) -> String { "\(configuration.keyPrefix):token:\(hash)" }

    private static let exists = MemoryError(.conflict, "there is a token with this hash already")

    private static var unknownAnswer: MemoryError {
        MemoryError(.internalError, "the Redis server answered for a token with something unknown")
    }
}
