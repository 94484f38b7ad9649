import AgentMemory
import PostgresDriver

/// The statements on the tables `open_writes` and `open_write_keys`, as pure functions. Time is the
/// server's.
enum OpenWriteSQL {
    private static let end = "clock_timestamp() + $3 * interval '1 millisecond'"

    /// Takes the keys that are free; affects as many rows as those are. In the order of the keys,
    /// so that two writes cannot wait for each other.
    static func hold(_ keys: [String], _ lease: WriteLease) -> PostgresStatement {
        PostgresStatement(
            """
            INSERT INTO open_write_keys (key, write_id) SELECT k.key, $2 FROM unnest($1) AS k (key) \
            ORDER BY k.key COLLATE "C" ON CONFLICT (key) DO NOTHING
            """, [.textArray(keys), .text(lease.id)])
    }

    static func add(_ lease: WriteLease, _ milliseconds: Int32) -> PostgresStatement {
        PostgresStatement(
            "INSERT INTO open_writes (id, holder, ends_at) VALUES ($1, $2, \(end))", values(lease, milliseconds))
    }

    /// The other writes that hold one of the keys.
    static func holders(of keys: [String], except lease: WriteLease) -> PostgresStatement {
        PostgresStatement(
            """
            SELECT DISTINCT w.id, w.ends_at <= clock_timestamp() FROM open_write_keys k \
            JOIN open_writes w ON w.id = k.write_id WHERE k.key = ANY ($1) AND w.id <> $2 ORDER BY 1
            """, [.textArray(keys), .text(lease.id)])
    }

    static func note(_ intent: WriteIntent, _ lease: WriteLease, _ milliseconds: Int32) -> PostgresStatement {
        PostgresStatement(
            """
            UPDATE open_writes SET ends_at = \(end), operation = $4, intent = $5::json WHERE id = $1 AND holder = $2
            """, values(lease, milliseconds) + [.text(intent.operation), .json(.object(intent.json))])
    }

    static func extend(_ lease: WriteLease, _ milliseconds: Int32) -> PostgresStatement {
        PostgresStatement(
            "UPDATE open_writes SET ends_at = \(end) WHERE id = $1 AND holder = $2", values(lease, milliseconds))
    }

    /// Returns what the write has noted, or NULL; no row if it is not overdue.
    static func takeOver(_ lease: WriteLease, _ milliseconds: Int32) -> PostgresStatement {
        PostgresStatement(
            """
            UPDATE open_writes SET holder = $2, ends_at = \(end) WHERE id = $1 AND ends_at <= clock_timestamp() \
            RETURNING intent
            """, values(lease, milliseconds))
    }

    private static func values(_ lease: WriteLease, _ milliseconds: Int32) -> [PostgresValue] {
        [.text(lease.id), .text(lease.holder), .float8(Double(milliseconds))]
    }

    static func list(_ selection: OpenWriteSelection) -> PostgresStatement {
        var sql = SQLBuilder()
        let condition =
            switch selection {
            case .noted: "w.operation IS NOT NULL"
            case .overdue: "w.ends_at <= clock_timestamp()"
            case .operation(let operation): "w.operation = \(sql.bind(operation))"
            case .keys(let keys):
                """
                w.operation IS NOT NULL AND w.id IN (SELECT k.write_id FROM open_write_keys k \
                WHERE k.key = ANY (\(sql.bind(keys))))
                """
            }
        return sql.statement(
            "SELECT w.id, w.ends_at <= clock_timestamp() FROM open_writes w WHERE \(condition) ORDER BY 1")
    }

    /// Ends a write and adds its events; without a lease only adds events. One row: whether the
    /// holder still held it. ``ErasureSQL/hold`` comes first.
    static func end(_ lease: WriteLease?, _ events: [NewEvent]) -> PostgresStatement {
        var sql = SQLBuilder()
        let ended: String
        if let lease {
            let (id, holder) = (sql.bind(lease.id), sql.bind(lease.holder))
            ended = """
                ended AS (DELETE FROM open_writes WHERE id = \(id) AND holder = \(holder) RETURNING id), \
                freed AS (DELETE FROM open_write_keys k USING ended e WHERE k.write_id = e.id)
                """
        } else {
            ended = "ended AS (SELECT 1 AS id)"
        }
        guard !events.isEmpty else {
            return sql.statement("WITH \(ended) SELECT count(*) FROM ended")
        }
        func column(_ value: (NewEvent) -> String?) -> String {
            // Arrays of texts have no NULL; what may be absent begins with a letter.
            sql.bind(events.map { value($0).map { "=\($0)" } ?? "-" })
        }
        let columns = [
            sql.bind(events.map(\.kind.rawValue)), sql.bind(events.map(\.id)), sql.bind(events.map(\.operation)),
            column(\.namespace), column(\.userID), column(\.previousOwner.namespace), column(\.previousOwner.userID),
            column(\.caller), column(\.reason), column(\.successor),
            column { $0.before.map { JSONValue.object(stored($0)).jsonText } },
        ].joined(separator: ", ")
        func optional(_ name: String) -> String { "CASE WHEN n.\(name) <> '-' THEN substr(n.\(name), 2) END" }
        let optionals = [
            "namespace", "user_id", "previous_namespace", "previous_user_id", "caller", "reason", "successor",
        ].map(optional).joined(separator: ", ")
        let text = """
            WITH \(ended), added AS (INSERT INTO memory_events (happened_at, kind, id, operation, namespace, user_id, \
            previous_namespace, previous_user_id, caller, reason, successor, before) \
            SELECT clock_timestamp(), n.kind, n.id, n.operation, \(optionals), (\(optional("before")))::json \
            FROM ended CROSS JOIN unnest(\(columns)) WITH ORDINALITY \
            AS n (kind, id, operation, namespace, user_id, previous_namespace, previous_user_id, caller, reason, \
            successor, before, position) ORDER BY n.position) SELECT count(*) FROM ended
            """
        return sql.statement(text)
    }

    /// The fields as the triggers of `memories` write them, which readers expect.
    private static func stored(_ fields: JSONObject) -> JSONObject {
        var stored = fields
        if let flag = fields[RecordField.discreteMemoryExtracted.name] {
            stored[RecordField.discreteMemoryExtracted.name] = .bool(flag.stringValue == "t")
        }
        for field in [RecordField.metadata, .extractionStrategyConfig] {
            if let document = fields[field.name] { stored[field.name] = .string(document.jsonText) }
        }
        return stored
    }

    // MARK: Erasure

    /// Removes the events of ids that show a state within the scope.
    static func erase(_ ids: [String], within scope: ErasureScope) -> PostgresStatement {
        var sql = SQLBuilder()
        let shown = ErasureSQL.shows(scope, &sql)
        let bound = sql.bind(ids)
        return sql.statement("DELETE FROM memory_events e WHERE e.id = ANY (\(bound)) AND \(shown)")
    }

    /// As ``ErasureSQL/events(of:after:limit:)``, for ids whose records are elsewhere: rows with
    /// the number of the last event looked at, and an id, or NULL, with how many of its events were
    /// removed.
    static func erase(within scope: ErasureScope, after sequence: Int, limit: Int) -> PostgresStatement {
        var sql = SQLBuilder()
        let shown = ErasureSQL.shows(scope, &sql)
        var hits = shown
        if let session = scope.sessionID { hits += " AND e.before->>'session_id' = \(sql.bind(session))" }
        let range = "sequence > \(sql.bind(sequence)) ORDER BY sequence LIMIT \(sql.bind(limit))"
        return sql.statement(
            """
            WITH seen AS (SELECT sequence FROM memory_events WHERE \(range)), \
            hits AS (SELECT DISTINCT e.id FROM memory_events e WHERE e.sequence IN (SELECT sequence FROM seen) AND \(hits)), \
            removed AS (DELETE FROM memory_events e USING hits h WHERE e.id = h.id AND \(shown) RETURNING e.id), \
            counted AS (SELECT id, count(*) AS number FROM removed GROUP BY id) \
            SELECT (SELECT max(sequence) FROM seen), c.id, c.number FROM (SELECT) one LEFT JOIN counted c ON true
            """)
    }
}
