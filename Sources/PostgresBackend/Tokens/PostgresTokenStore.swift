public import AgentMemory
import PostgresDriver

/// Access tokens in a table of PostgreSQL.
public final class PostgresTokenStore: TokenStore {
    public let name = "postgres"

    let database: PostgresDatabase

    /// How often an unprepared store is looked after.
    private static let upkeepInterval: Duration = .seconds(5)

    /// A store in a database that others may use too. Nothing is connected yet: that is what
    /// ``prepare()`` does.
    public init(database: PostgresDatabase) {
        self.database = database
        database.join()
    }

    public func prepare() async throws {
        try await database.prepare(evenIfDone: false)
    }

    public func run() async throws {
        try await database.maintain(every: Self.upkeepInterval) {}
    }

    public func close() async {
        database.leave()
    }

    public func health() async -> [ComponentHealth] {
        [await database.health("tokens")]
    }

    public func token(hash: String) async throws -> AccessToken? {
        try await send([TokenSQL.token(hash: hash)], retry: .repeatable)[0].tokens().first
    }

    public func tokens(hashPrefix: String, page: PageRequest) async throws -> Page<AccessToken> {
        let results = try await send(TokenSQL.tokens(hashPrefix: hashPrefix, page: page), retry: .repeatable)
        return Page(
            items: try results[0].tokens(), total: try results[1].singleRow().int(0), request: page)
    }

    public func revision() async throws -> Int {
        try await send([TokenSQL.revision], retry: .repeatable)[0].singleRow().int(0)
    }

    public func add(_ token: AccessToken) async throws {
        let added = try await send([TokenSQL.add(token), TokenSQL.countChange])[0].affectedRows
        guard added == 1 else { throw Self.exists }
    }

    public func remove(hash: String) async throws -> Bool {
        try await send([TokenSQL.remove(hash: hash), TokenSQL.countChange])[0].affectedRows > 0
    }

    public func replace(hash old: String, expiringAt end: Timestamp, with token: AccessToken) async throws -> Bool {
        let row = try await send([
            TokenSQL.replace(hash: old, expiringAt: end, with: token), TokenSQL.countChange,
        ])[0].singleRow()
        guard try row.int(0) == 1 else { return false }
        guard try row.int(1) == 1 else { throw Self.exists }
        return true
    }

    public func noteUse(_ uses: [String: Timestamp]) async throws {
        guard !uses.isEmpty else { return }
        _ = try await send(
            [TokenSQL.noteUse(uses.sorted { $0.key < $1.key }.map { (hash: $0.key, at: $0.value) })],
            retry: .repeatable)
    }

    private static let exists = MemoryError(.conflict, "there is a token with this hash already")

    /// Runs statements in one transaction.
    private func send(
        _ statements: [PostgresStatement], retry: PostgresPool.Retry = .onlyIfNotExecuted
    ) async throws -> [PostgresResult] {
        try await database.call { deadline in
            try await self.database.retryingConflicts {
                try await self.database.pool.pipeline(statements, retry: retry, deadline: deadline)
            }
        }
    }
}
