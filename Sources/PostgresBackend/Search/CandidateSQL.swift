import AgentMemory
import PostgresDriver

/// The candidates of a blended search (rule S11): their distances, words, dates and sessions.
extension SearchSQL {
    private static let candidateColumns = """
        m.id, m.keyword_text, m.created_at, m.event_date, m.namespace, m.user_id, m.session_id
        """

    /// Rows: distance and what the ranking needs, of every matching record.
    func allCandidatesQuery(_ query: CandidateQuery) -> PostgresStatement {
        var sql = SQLBuilder()
        let vector = sql.bind(query.vector)
        let conditions =
            FilterSQL.conditions(query.filter, &sql) + KeywordSQL.phraseConditions(query.phrases, &sql)
        // A subquery for each row, because the planner would rather join all vectors when it
        // overestimates the filter.
        return sql.statement(
            """
            SELECT coalesce((SELECT \(space.distance(to: vector)) FROM \(space.table) e WHERE e.number = m.number), \
            \(space.metric.farthest)) AS distance, \(Self.candidateColumns) \
            FROM memories m\(FilterSQL.whereClause(conditions))
            """)
    }

    /// Rows: candidates found by vector, distance and what the ranking needs; of the nearest and of
    /// the best by keyword.
    ///
    /// - Parameters:
    ///   - candidates: of each kind.
    ///   - strongest: the numbers of the best by keyword.
    func candidatesQuery(
        _ query: CandidateQuery, plan: SearchPlan, candidates: Int, strongest: [Int]
    ) -> PostgresStatement {
        var sql = SQLBuilder()
        let nearest = nearestQuery(query.vector, filter: query.filter, phrases: query.phrases, plan: plan, &sql)
        let vector = sql.bind(query.vector)
        let numbers = sql.bind(.int8Array(strongest.map(Int64.init)))
        return sql.statement(
            """
            WITH \(nearest), \
            closest AS MATERIALIZED (SELECT number FROM nearest ORDER BY distance, id LIMIT \(candidates)), \
            united AS MATERIALIZED (SELECT number FROM closest UNION SELECT unnest(\(numbers)) AS number) \
            SELECT whole.extra, c.* FROM (SELECT \(candidatesFound(plan)) AS extra) whole \
            LEFT JOIN (SELECT coalesce((SELECT \(space.distance(to: vector)) FROM \(space.table) e \
            WHERE e.number = u.number), \(space.metric.farthest)) AS distance, m.* FROM united u CROSS JOIN LATERAL \
            (SELECT \(Self.candidateColumns) FROM memories m WHERE m.number = u.number OFFSET 0) m) c ON true
            """)
    }

    /// Rows: id and bits of the records that have some.
    static func tokenBits(of ids: [String]) -> PostgresStatement {
        PostgresStatement(
            """
            SELECT m.id, t.bits FROM memories m CROSS JOIN LATERAL \
            (SELECT bits FROM memory_tokens t WHERE t.number = m.number OFFSET 0) t WHERE m.id = ANY ($1)
            """, [.textArray(ids)])
    }
}

extension KeywordSQL {
    /// One row with a column for each word: how many of the matching records hold it.
    ///
    /// - Parameter byIndex: counts each word by the index, which is quicker where the words are
    ///   rarer than the matches; otherwise one look at every match counts all of them.
    static func holding(_ query: CandidateQuery, byIndex: Bool) -> PostgresStatement {
        var sql = SQLBuilder()
        let conditions =
            phraseConditions(query.phrases, &sql) + FilterSQL.conditions(query.filter, &sql)
        let columns = query.words.map { word in
            guard byIndex else {
                return "count(*) FILTER (WHERE strpos(m.keyword_text, \(sql.bind(text(of: [word])))) > 0)"
            }
            let clause = FilterSQL.whereClause(["\(words) @> \(sql.bind([word]))"] + conditions)
            return "(SELECT count(*) FROM memories m\(clause))"
        }
        let source = byIndex ? "" : " FROM memories m\(FilterSQL.whereClause(conditions))"
        return sql.statement("SELECT \(columns.joined(separator: ", "))\(source)")
    }
}
