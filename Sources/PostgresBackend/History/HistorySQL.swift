import AgentMemory
import PostgresDriver

/// The statements on the table `memory_events`, as pure functions. Triggers write its rows.
enum HistorySQL {
    /// Tells the triggers who writes in this transaction.
    ///
    /// - Parameter replaces: whether a write over a record replaces it whole.
    static func origin(_ retention: HistoryRetention, replaces: Bool = false) -> PostgresStatement {
        var origin: JSONObject
        if retention == .off {
            origin = ["history": "off"]
        } else {
            origin = WriteOrigin.current?.json ?? [:]
            if replaces { origin["update_kind"] = .string(MemoryEvent.Kind.replaced.rawValue) }
        }
        return PostgresStatement(
            "SELECT set_config('agent_memory.origin', $1, true)", [.text(JSONValue.object(origin).jsonText)])
    }

    private static let columns = """
        e.sequence, e.happened_at, e.kind, e.id, e.namespace, e.user_id, e.operation, e.caller, e.reason, e.before, \
        e.successor
        """

    private static func source(_ condition: String, _ scope: AccessScope, _ sql: inout SQLBuilder) -> String {
        let conditions =
            [condition] + ScopeSQL.conditions(scope, of: "e", &sql) + ScopeSQL.conditions(scope, of: "previous", &sql)
        return """
            FROM memory_events e CROSS JOIN LATERAL (SELECT e.previous_namespace AS namespace, \
            e.previous_user_id AS user_id) previous\(FilterSQL.whereClause(conditions))
            """
    }

    static func count(of id: String, within scope: AccessScope) -> PostgresStatement {
        var sql = SQLBuilder()
        let source = source("e.id = \(sql.bind(id))", scope, &sql)
        return sql.statement("SELECT count(*) \(source)")
    }

    static func page(of id: String, within scope: AccessScope, _ page: PageRequest) -> PostgresStatement {
        var sql = SQLBuilder()
        let source = source("e.id = \(sql.bind(id))", scope, &sql)
        let part = "LIMIT \(sql.bind(page.limit)) OFFSET \(sql.bind(page.offset))"
        return sql.statement("SELECT \(columns) \(source) ORDER BY e.sequence DESC \(part)")
    }

    /// The largest number that was given, whether committed or not. To be read before ``held``.
    static let last = PostgresStatement("SELECT last_memory_event()")

    /// One row for each transaction that has written events and is not over: a number that all of
    /// its events are after, in its last 31 bits.
    static let held = PostgresStatement(
        """
        SELECT DISTINCT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 \
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
        AND classid = (hashtext('agent-memory events ' || current_schema())::bigint & 4294967295)::oid
        """)

    /// The number up to which no more events come.
    ///
    /// - Parameters:
    ///   - last: as ``last`` read it.
    ///   - held: as ``held`` read them.
    static func settled(last: Int, held: [Int]) -> Int {
        let period = 1 << 31
        return held.reduce(last) { settled, bits in
            // A transaction that began after the number was read holds a larger one.
            let behind = (((last - bits) % period) + period) % period
            return behind < period / 2 ? min(settled, last - behind) : settled
        }
    }

    static func feed(
        after sequence: Int, through settled: Int, limit: Int, within scope: AccessScope
    ) -> PostgresStatement {
        var sql = SQLBuilder()
        let range = "e.sequence > \(sql.bind(sequence)) AND e.sequence <= \(sql.bind(settled))"
        return oldest(range, limit, scope, &sql)
    }

    static func ofOperation(
        _ operation: String, after sequence: Int, limit: Int, within scope: AccessScope
    ) -> PostgresStatement {
        var sql = SQLBuilder()
        let range = "e.operation = \(sql.bind(operation)) AND e.sequence > \(sql.bind(sequence))"
        return oldest(range, limit, scope, &sql)
    }

    /// The first events of a range.
    private static func oldest(
        _ range: String, _ limit: Int, _ scope: AccessScope, _ sql: inout SQLBuilder
    ) -> PostgresStatement {
        let source = source(range, scope, &sql)
        let most = sql.bind(limit)
        return sql.statement("SELECT \(columns) \(source) ORDER BY e.sequence LIMIT \(most)")
    }

    /// Each id with the number of its latest event.
    static func latest(of ids: [String]) -> PostgresStatement {
        PostgresStatement(
            """
            SELECT given.id, latest.sequence FROM unnest($1) AS given (id) CROSS JOIN LATERAL (\
            SELECT max(e.sequence) AS sequence FROM memory_events e WHERE e.id = given.id COLLATE "C") latest \
            WHERE latest.sequence IS NOT NULL
            """, [.textArray(ids)])
    }

    /// Removes those of the oldest events that are older than this number of days.
    static func sweep(days: Int, limit: Int) -> PostgresStatement {
        PostgresStatement(
            """
            DELETE FROM memory_events WHERE sequence = ANY (ARRAY(SELECT sequence FROM (\
            SELECT sequence, happened_at FROM memory_events ORDER BY sequence LIMIT $2) oldest \
            WHERE happened_at < now() - make_interval(days => $1::int)))
            """, [.int8(Int64(days)), .int8(Int64(limit))])
    }
}
