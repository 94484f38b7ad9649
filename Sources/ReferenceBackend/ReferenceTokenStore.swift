public import AgentMemory

/// Access tokens in memory; they end with the process.
public actor ReferenceTokenStore: TokenStore {
    public nonisolated let name = "reference"

    private var tokens: [String: AccessToken] = [:]
    private var changes = 0

    public init() {}

    public func prepare() {}

    public func close() {}

    public func health() -> [ComponentHealth] {
        [ComponentHealth("tokens", version: "in memory")]
    }

    public func add(_ token: AccessToken) throws {
        guard tokens[token.hash] == nil else { throw Self.exists }
        tokens[token.hash] = token
        changes += 1
    }

    public func token(hash: String) -> AccessToken? { tokens[hash] }

    public func tokens(hashPrefix: String, page: PageRequest) -> Page<AccessToken> {
        let found = tokens.values.filter { $0.hash.utf8.starts(with: hashPrefix.utf8) }.sorted {
            ($0.createdAt, $0.hash) < ($1.createdAt, $1.hash)
        }
        return Page(of: found, request: page)
    }

    public func remove(hash: String) -> Bool {
        guard tokens.removeValue(forKey: hash) != nil else { return false }
        changes += 1
        return true
    }

    public func replace(hash old: String, expiringAt end: Timestamp, with token: AccessToken) throws -> Bool {
        guard let replaced = tokens[old] else { return false }
        guard tokens[token.hash] == nil else { throw Self.exists }
        tokens[old]?.expiresAt = min(replaced.expiresAt ?? end, end)
        tokens[token.hash] = token
        changes += 1
        return true
    }

    public func noteUse(_ uses: [String: Timestamp]) {
        for (hash, date) in uses where tokens[hash]?.lastUsedAt.map({ $0 < date }) ?? true {
            tokens[hash]?.lastUsedAt = date
        }
    }

    public func revision() -> Int { changes }

    private static let exists = MemoryError(.conflict, "there is a token with this hash already")
}
