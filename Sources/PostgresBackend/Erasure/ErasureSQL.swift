import AgentMemory
import PostgresDriver

/// The statements that leave nothing of what they remove, as pure functions.
enum ErasureSQL {
    /// Removes records of a scope with their events and the notes of their deletion: one row with
    /// how many records, and how many events.
    static func records(of scope: ErasureScope, limit: Int) -> PostgresStatement {
        var sql = SQLBuilder()
        let condition = scope.parts.map { "m.\($0.field.rawValue) = \(sql.bind($0.value))" }
            .joined(separator: " AND ")
        let shown = shows(scope, &sql)
        let text = """
            WITH doomed AS (SELECT m.number FROM memories m WHERE \(condition) ORDER BY m.id \
            LIMIT \(sql.bind(limit)) FOR UPDATE), \
            removed AS (DELETE FROM memories WHERE number IN (SELECT number FROM doomed) RETURNING id), \
            notes AS (DELETE FROM memory_deletions d USING removed r WHERE d.id = r.id), \
            events AS (DELETE FROM memory_events e USING removed r WHERE e.id = r.id AND \(shown) RETURNING e.sequence) \
            SELECT (SELECT count(*) FROM removed), (SELECT count(*) FROM events)
            """
        return sql.statement(text)
    }

    /// Looks at the first events after a number, and removes all events of the records that they
    /// show within a scope, with the notes of their deletion: one row with the number of the last
    /// event looked at, or NULL, and how many were removed.
    static func events(of scope: ErasureScope, after sequence: Int, limit: Int) -> PostgresStatement {
        var sql = SQLBuilder()
        let shown = shows(scope, &sql)
        var hits = shown
        if let session = scope.sessionID { hits += " AND e.before->>'session_id' = \(sql.bind(session))" }
        let text = """
            WITH seen AS (SELECT sequence FROM memory_events WHERE sequence > \(sql.bind(sequence)) \
            ORDER BY sequence LIMIT \(sql.bind(limit))), \
            hits AS (SELECT DISTINCT e.id FROM memory_events e WHERE e.sequence IN (SELECT sequence FROM seen) AND \(hits)), \
            notes AS (DELETE FROM memory_deletions d USING hits h WHERE d.id = h.id \
            AND NOT EXISTS (SELECT FROM memories m WHERE m.id = h.id)), \
            events AS (DELETE FROM memory_events e USING hits h WHERE e.id = h.id AND \(shown) RETURNING e.sequence) \
            SELECT (SELECT max(sequence) FROM seen), (SELECT count(*) FROM events)
            """
        return sql.statement(text)
    }

    /// A condition on the event `e`: the owner after the change, or the one before it, is within
    /// the scope.
    static func shows(_ scope: ErasureScope, _ sql: inout SQLBuilder) -> String {
        var states: [[String]] = [[], []]
        for (field, value) in scope.parts where field != .sessionID {
            let bound = sql.bind(value)
            states[0].append("e.\(field.rawValue) = \(bound)")
            states[1].append("e.previous_\(field.rawValue) = \(bound)")
        }
        guard !states[0].isEmpty else { return "true" }
        return "(\(states.map { $0.joined(separator: " AND ") }.joined(separator: " OR ")))"
    }

    /// What the triggers do before the first event of a transaction: readers show no event after
    /// the number that it holds, until it ends.
    static let hold = PostgresStatement(
        """
        SELECT pg_advisory_xact_lock_shared(hashtext('agent-memory events ' || current_schema()), \
        (last_memory_event() % 2147483648)::int)
        """)

    /// Writes an event of the kind `erased`.
    static func note(_ id: String, by origin: WriteOrigin?) -> PostgresStatement {
        PostgresStatement(
            """
            INSERT INTO memory_events (happened_at, kind, id, operation, caller, reason) \
            SELECT clock_timestamp(), $1, $2, coalesce($3, 'transaction ' || pg_current_xact_id()), $4, $5
            """,
            [
                .text(MemoryEvent.Kind.erased.rawValue), .text(id), .text(origin?.operation), .text(origin?.caller),
                .text(origin?.reason),
            ])
    }

    /// Removes sessions of a scope with all that belongs to them.
    static func sessions(of scope: ErasureScope, limit: Int) -> PostgresStatement {
        var sql = SQLBuilder()
        let condition = scope.parts.map { "\($0.field.rawValue) = \(sql.bind($0.value))" }.joined(separator: " AND ")
        let text = """
            DELETE FROM sessions WHERE number = ANY (ARRAY(SELECT number FROM sessions WHERE \(condition) \
            ORDER BY number LIMIT \(sql.bind(limit)) FOR UPDATE))
            """
        return sql.statement(text)
    }
}
