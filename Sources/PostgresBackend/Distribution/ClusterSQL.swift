import AgentMemory
import PostgresDriver

/// The statements that differ in a Citus cluster from those for one server.
struct ClusterSQL {
    let layout: ClusterLayout

    /// One row: how many records match, counted on the nodes.
    static func countOnNodes(_ filter: MemoryFilter, phrases: [[String]] = []) -> PostgresStatement {
        var sql = SQLBuilder()
        let conditions = FilterSQL.conditions(filter, &sql) + KeywordSQL.phraseConditions(phrases, &sql)
        return sql.statement("SELECT count(*) FROM memories m\(FilterSQL.whereClause(conditions))")
    }

    /// One row: how many records match.
    func count(_ filter: MemoryFilter) -> PostgresStatement {
        // Only tables on one node have a trigger that keeps totals.
        if layout == .spread { return Self.countOnNodes(filter) }
        var sql = SQLBuilder()
        let count = count(FilterSQL.conditions(filter, &sql))
        return sql.statement("SELECT \(count)")
    }

    /// One row: how many records match the filter and have all phrases, and how many there are.
    func countForSearch(_ filter: MemoryFilter, phrases: [[String]] = []) -> PostgresStatement {
        var sql = SQLBuilder()
        let conditions = FilterSQL.conditions(filter, &sql) + KeywordSQL.phraseConditions(phrases, &sql)
        return sql.statement("SELECT \(count(conditions)) AS matches, \(SearchSQL.totalRecords) AS total")
    }

    private func count(_ conditions: [String]) -> String {
        guard !conditions.isEmpty else { return SearchSQL.totalRecords }
        return "(SELECT count(*) FROM memories m\(FilterSQL.whereClause(conditions)))"
    }

    /// Settings of the scan of an index, which every node has at its own defaults. Between `BEGIN`
    /// and `COMMIT` they reach the nodes.
    func settings(for plan: SearchPlan) -> [PostgresStatement] {
        guard case .approximate(let candidates, let scanLimit, _) = plan else { return [] }
        let settings = [
            ("hnsw.iterative_scan", "'relaxed_order'"),
            ("hnsw.ef_search", String(SearchSQL.breadth(for: candidates))),
            ("hnsw.max_scan_tuples", String(scanLimit)),
            ("hnsw.scan_mem_multiplier", "8"),
        ]
        return settings.map { PostgresStatement("SET LOCAL \($0.0) = \($0.1)") }
    }

    // MARK: Deletions

    /// The ids of some records that have expired by a date.
    static func expired(at date: Timestamp, limit: Int) -> PostgresStatement {
        PostgresStatement(
            "SELECT m.id FROM memories m WHERE m.expires_at <= $1 ORDER BY m.id LIMIT $2",
            [.timestamp(microseconds: date.microseconds), .int8(Int64(limit))])
    }

    /// Removes those that have still expired.
    static func removeExpired(_ ids: [String], at date: Timestamp) -> PostgresStatement {
        PostgresStatement(
            "DELETE FROM memories WHERE id = ANY ($1) AND expires_at <= $2",
            [.textArray(ids), .timestamp(microseconds: date.microseconds)])
    }

    /// Locks and reads a record: a lock of several ids on several nodes is refused.
    static func lock(_ id: String) -> PostgresStatement {
        PostgresStatement("SELECT \(RecordSQL.selection) FROM memories m WHERE m.id = $1 FOR UPDATE", [.text(id)])
    }

    /// Removes those of the records that are within the scope; their ids are the rows.
    static func remove(_ ids: [String], within scope: AccessScope) -> PostgresStatement {
        var sql = SQLBuilder()
        let conditions = ["id = ANY (\(sql.bind(ids)))"] + ScopeSQL.conditions(scope, of: "memories", &sql)
        return sql.statement("DELETE FROM memories\(FilterSQL.whereClause(conditions)) RETURNING id")
    }

    /// The ids of some records of a scope.
    static func ids(of scope: ErasureScope, limit: Int) -> PostgresStatement {
        var sql = SQLBuilder()
        let condition = condition(of: scope, &sql)
        let most = sql.bind(limit)
        return sql.statement("SELECT m.id FROM memories m WHERE \(condition) ORDER BY m.id LIMIT \(most)")
    }

    /// Removes those of the records that are of the scope; their ids are the rows.
    static func remove(_ ids: [String], of scope: ErasureScope) -> PostgresStatement {
        var sql = SQLBuilder()
        let given = sql.bind(ids)
        let condition = condition(of: scope, &sql)
        return sql.statement("DELETE FROM memories m WHERE m.id = ANY (\(given)) AND \(condition) RETURNING m.id")
    }

    private static func condition(of scope: ErasureScope, _ sql: inout SQLBuilder) -> String {
        scope.parts.map { "m.\($0.field.rawValue) = \(sql.bind($0.value))" }.joined(separator: " AND ")
    }

    /// Removes the notes of deletions.
    static func removeNotes(of ids: [String]) -> PostgresStatement {
        PostgresStatement("DELETE FROM memory_deletions WHERE id = ANY ($1)", [.textArray(ids)])
    }
}
