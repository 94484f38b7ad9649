public import AgentMemory
import PostgresDriver

extension PostgresMemoryDatabase {
    public func neighbors(of records: [MemoryRecord], reach: Int) async throws -> [SessionNeighbors] {
        if layout == .spread { return try await neighborsSpread(of: records, reach: reach) }
        let result = try await call { deadline in
            try await self.read(SearchSQL.neighbors(of: records.map(\.id), reach: reach), deadline: deadline)
        }
        var before = [[SessionNeighbors.Memory]](repeating: [], count: records.count)
        var after = before
        for row in result.rows {
            let index = try row.int(0) - 1
            let memory = SessionNeighbors.Memory(id: try row.text(2), text: try row.text(3))
            if try row.bool(1) { before[index].append(memory) } else { after[index].append(memory) }
        }
        return records.indices.map { SessionNeighbors(before: before[$0], after: after[$0]) }
    }
}

extension SearchSQL {
    /// Rows: position among `ids` from 1 on, whether it comes before, id, text; by position, then
    /// in the order of the session. Both sides are read along the index of sessions.
    static func neighbors(of ids: [String], reach: Int) -> PostgresStatement {
        var sql = SQLBuilder()
        let ids = sql.bind(ids)
        let limit = sql.bind(reach)
        func side(_ isBefore: Bool) -> String {
            let (comparison, order) = isBefore ? ("<", " DESC") : (">", "")
            return """
                (SELECT \(isBefore) AS is_before, m.id, m.text, m.created_at FROM memories m \
                WHERE m.session_id = h.session_id AND m.namespace IS NOT DISTINCT FROM h.namespace \
                AND m.user_id IS NOT DISTINCT FROM h.user_id AND m.created_at \(comparison)= h.created_at \
                AND (m.created_at \(comparison) h.created_at OR m.id \(comparison) h.id) \
                ORDER BY m.created_at\(order), m.id\(order) LIMIT \(limit))
                """
        }
        return sql.statement(
            """
            SELECT a.position, n.is_before, n.id, n.text FROM unnest(\(ids)) WITH ORDINALITY AS a (id, position) \
            JOIN memories h ON h.id = a.id, LATERAL (\(side(true)) UNION ALL \(side(false))) n \
            ORDER BY a.position, n.created_at, n.id
            """)
    }
}
