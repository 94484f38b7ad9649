import AgentMemory
import PostgresDriver

/// The statements that read sessions, as pure functions.
///
/// Inside one transaction `now()` is constant: reads use it, so that their statements agree on what
/// has expired. Writes may have waited for a lock and use `clock_timestamp()`.
enum SessionSQL {
    /// A condition on the row of the session under the alias `s`.
    static func isAt(_ key: SessionKey, _ sql: inout SQLBuilder) -> String {
        """
        s.session_id = \(sql.bind(key.sessionID)) AND s.namespace = \(sql.bind(key.namespace ?? "")) \
        AND s.user_id = \(sql.bind(key.userID ?? ""))
        """
    }

    /// A condition on the row of a session under the alias `s`, in addition to the key.
    typealias Condition = @Sendable (inout SQLBuilder) -> String

    private static let isAlive: Condition = { _ in "s.expires_at > now()" }

    /// The head, messages, memories and revisions of a session at one moment: the second to the
    /// fifth of the results.
    static func read(_ key: SessionKey, lastMessages: Int?) -> [PostgresStatement] {
        var head = SQLBuilder()
        let isSession = "\(isAt(key, &head)) AND \(isAlive(&head))"
        return [
            PostgresStatement("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"),
            head.statement(
                "SELECT \(SessionRows.selection(SessionRows.columns, of: "s")) FROM sessions s WHERE \(isSession)"),
            lastMessages.map { Self.lastMessages($0, of: key) } ?? messages(of: key, isAlive),
            memories(of: key, isAlive),
            revisions(of: key, isAlive),
            PostgresStatement("COMMIT"),
        ]
    }

    /// All messages in their order.
    static func messages(of key: SessionKey, _ condition: Condition) -> PostgresStatement {
        var sql = SQLBuilder()
        let text = """
            SELECT \(SessionRows.selection(SessionRows.messageColumns, of: "m")) FROM session_messages m \
            WHERE m.session_number = \(number(of: key, condition, &sql)) ORDER BY m.position
            """
        return sql.statement(text)
    }

    /// The last messages, the newest first.
    private static func lastMessages(_ limit: Int, of key: SessionKey) -> PostgresStatement {
        var sql = SQLBuilder()
        let number = number(of: key, isAlive, &sql)
        // Ordered by both columns of the primary key, whose end is read.
        let text = """
            SELECT \(SessionRows.selection(SessionRows.messageColumns, of: "m")) FROM session_messages m \
            WHERE m.session_number = \(number) ORDER BY m.session_number DESC, m.position DESC \
            LIMIT \(sql.bind(max(0, limit)))
            """
        return sql.statement(text)
    }

    static func memories(of key: SessionKey, _ condition: Condition) -> PostgresStatement {
        var sql = SQLBuilder()
        let text = """
            SELECT \(SessionRows.selection(SessionRows.memoryColumns, of: "m")) FROM session_memories m \
            WHERE m.session_number = \(number(of: key, condition, &sql)) ORDER BY m.position
            """
        return sql.statement(text)
    }

    static func revisions(of key: SessionKey, _ condition: Condition) -> PostgresStatement {
        var sql = SQLBuilder()
        let text = """
            SELECT \(SessionRows.selection(SessionRows.revisionColumns, of: "r")) FROM session_revisions r \
            WHERE r.session_number = \(number(of: key, condition, &sql)) ORDER BY r.number
            """
        return sql.statement(text)
    }

    private static func number(of key: SessionKey, _ condition: Condition, _ sql: inout SQLBuilder) -> String {
        "(SELECT s.number FROM sessions s WHERE \(isAt(key, &sql)) AND \(condition(&sql)))"
    }

    static func matching(
        _ reference: SessionReference, within scope: AccessScope, limit: Int
    ) -> PostgresStatement {
        var sql = SQLBuilder()
        var conditions = ["s.session_id = \(sql.bind(reference.sessionID))", "s.expires_at > now()"]
        if let namespace = reference.namespace { conditions.append("s.namespace = \(sql.bind(namespace))") }
        if let userID = reference.userID { conditions.append("s.user_id = \(sql.bind(userID))") }
        conditions += ScopeSQL.conditions(scope, of: "s", &sql)
        let text = """
            SELECT s.namespace, s.user_id FROM sessions s WHERE \(conditions.joined(separator: " AND ")) \
            ORDER BY s.namespace, s.user_id LIMIT \(sql.bind(max(0, limit)))
            """
        return sql.statement(text)
    }

    /// One row: the total, and the ids of the page.
    static func sessionIDs(
        namespace: String?, userID: String?, within scope: AccessScope, page: PageRequest
    ) -> PostgresStatement {
        var sql = SQLBuilder()
        var conditions = ["s.expires_at > now()"]
        if let namespace { conditions.append("s.namespace = \(sql.bind(namespace))") }
        if let userID { conditions.append("s.user_id = \(sql.bind(userID))") }
        conditions += ScopeSQL.conditions(scope, of: "s", &sql)
        let ids = "SELECT DISTINCT s.session_id FROM sessions s WHERE \(conditions.joined(separator: " AND "))"
        let text = """
            SELECT (SELECT count(*) FROM (\(ids)) AS ids), \
            ARRAY(\(ids) ORDER BY s.session_id LIMIT \(sql.bind(page.limit)) OFFSET \(sql.bind(page.offset)))
            """
        return sql.statement(text)
    }

    /// Removes some of the expired sessions, except locked ones.
    static func sweep(limit: Int) -> PostgresStatement {
        PostgresStatement(
            """
            DELETE FROM sessions WHERE number = ANY (ARRAY(SELECT number FROM sessions \
            WHERE expires_at < 'infinity' AND expires_at <= now() ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED))
            """, [.int8(Int64(limit))])
    }
}
