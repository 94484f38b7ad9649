import AgentMemory
import PostgresDriver

/// The statements on the tables `access_tokens` and `access_token_changes`, as pure functions.
enum TokenSQL {
    private static let columns = [
        "hash", "description", "rights", "namespaces", "user_ids", "created_at", "expires_at", "last_used_at",
    ]
    private static let selection = columns.joined(separator: ", ")

    static func token(hash: String) -> PostgresStatement {
        PostgresStatement("SELECT \(selection) FROM access_tokens WHERE hash = $1", [.text(hash)])
    }

    /// The page, and the number of all in one row.
    static func tokens(hashPrefix: String, page: PageRequest) -> [PostgresStatement] {
        var sql = SQLBuilder()
        let condition = "starts_with(hash, \(sql.bind(hashPrefix)))"
        let text = """
            SELECT \(selection) FROM access_tokens WHERE \(condition) ORDER BY created_at, hash \
            LIMIT \(sql.bind(page.limit)) OFFSET \(sql.bind(page.offset))
            """
        return [
            sql.statement(text),
            PostgresStatement("SELECT count(*) FROM access_tokens WHERE \(condition)", [.text(hashPrefix)]),
        ]
    }

    /// Affects no row if there is a token with the hash.
    static func add(_ token: AccessToken) -> PostgresStatement {
        var sql = SQLBuilder()
        let text = """
            INSERT INTO access_tokens (\(selection)) VALUES (\(values(token, &sql))) ON CONFLICT (hash) DO NOTHING
            """
        return sql.statement(text)
    }

    static func remove(hash: String) -> PostgresStatement {
        PostgresStatement("DELETE FROM access_tokens WHERE hash = $1", [.text(hash)])
    }

    /// One row: how many old tokens there are, and how many new ones were stored.
    static func replace(hash old: String, expiringAt end: Timestamp, with token: AccessToken) -> PostgresStatement {
        var sql = SQLBuilder()
        let old = sql.bind(old)
        let values = values(token, &sql)
        let end = sql.bind(end)
        return sql.statement(
            """
            WITH old AS (SELECT hash FROM access_tokens WHERE hash = \(old) FOR UPDATE), \
            new AS (INSERT INTO access_tokens (\(selection)) SELECT \(values) FROM old \
            ON CONFLICT (hash) DO NOTHING RETURNING hash), \
            ended AS (UPDATE access_tokens SET expires_at = least(expires_at, \(end)) \
            WHERE hash IN (SELECT hash FROM old) AND EXISTS (SELECT FROM new)) \
            SELECT (SELECT count(*) FROM old), (SELECT count(*) FROM new)
            """)
    }

    static func noteUse(_ uses: [(hash: String, at: Timestamp)]) -> PostgresStatement {
        PostgresStatement(
            """
            UPDATE access_tokens t SET last_used_at = u.at \
            FROM unnest($1, $2) AS u (hash, at) \
            WHERE t.hash = u.hash AND (t.last_used_at IS NULL OR t.last_used_at < u.at)
            """, [.textArray(uses.map(\.hash)), .timestampArray(microseconds: uses.map(\.at.microseconds))])
    }

    /// In the same transaction as the change, so that a reader of the new number sees the change
    /// too.
    static let countChange = PostgresStatement(
        """
        INSERT INTO access_token_changes AS c (is_only, revision) \
        VALUES (true, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) \
        ON CONFLICT (is_only) DO UPDATE SET revision = c.revision + 1
        """)

    static let revision = PostgresStatement("SELECT coalesce((SELECT revision FROM access_token_changes), 0)")

    private static func values(_ token: AccessToken, _ sql: inout SQLBuilder) -> String {
        [
            sql.bind(token.hash), sql.bind(token.description), sql.bind(token.rights.names),
            sql.bind(token.scope.namespaces.patterns), sql.bind(token.scope.users.patterns), sql.bind(token.createdAt),
            sql.bind(.timestamp(token.expiresAt?.microseconds)), sql.bind(.timestamp(token.lastUsedAt?.microseconds)),
        ].joined(separator: ", ")
    }
}

extension PostgresResult {
    /// The tokens of a result whose rows are tokens.
    func tokens() throws -> [AccessToken] {
        let (hash, description, rights) = try (column("hash"), column("description"), column("rights"))
        let (namespaces, users) = try (column("namespaces"), column("user_ids"))
        let (createdAt, expiresAt, lastUsedAt) = try (
            column("created_at"), column("expires_at"), column("last_used_at")
        )
        return try rows.map { row in
            func permitted(_ column: Int, _ field: String) throws -> PermittedValues {
                let patterns = try row.textArray(column)
                return patterns.isEmpty
                    ? PermittedValues(exactly: []) : try PermittedValues(patterns: patterns, field: field)
            }
            return AccessToken(
                hash: try row.text(hash), description: try row.text(description),
                rights: try Caller.Rights(names: try row.textArray(rights)),
                scope: AccessScope(
                    namespaces: try permitted(namespaces, "namespaces"), users: try permitted(users, "user_ids")),
                createdAt: try row.date(createdAt), expiresAt: try row.optionalDate(expiresAt),
                lastUsedAt: try row.optionalDate(lastUsedAt))
        }
    }
}
