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

    /// Rows: candidates found by vector, how many matching records hold each word (numbers with
    /// blanks between them), distance and what the ranking needs; of the nearest and of the best by
    /// keyword.
    ///
    /// - Parameters:
    ///   - candidates: of each kind.
    ///   - matches: how many records match.
    func candidatesQuery(
        _ query: CandidateQuery, plan: SearchPlan, candidates: Int, matches: Int
    ) -> PostgresStatement {
        var sql = SQLBuilder()
        let nearest = nearestQuery(query.vector, filter: query.filter, phrases: query.phrases, plan: plan, &sql)
        let terms = KeywordSQL.termsAmongMatching(query, matches: matches, &sql)
        var parts = [
            nearest, terms,
            "closest AS MATERIALIZED (SELECT number FROM nearest ORDER BY distance, id LIMIT \(candidates))",
        ]
        var union = "SELECT number FROM closest"
        if !query.keywords.isEmpty {
            parts.append(KeywordSQL.strongest(query, candidates: candidates, &sql))
            union += " UNION SELECT number FROM strongest"
        }
        let vector = sql.bind(query.vector)
        let holding = "(SELECT coalesce(string_agg(holding::text, ' ' ORDER BY n), '') FROM terms)"
        return sql.statement(
            """
            WITH \(parts.joined(separator: ", ")), united AS MATERIALIZED (\(union)) \
            SELECT whole.extra, whole.holding, c.* \
            FROM (SELECT \(candidatesFound(plan)) AS extra, \(holding) AS holding) whole \
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
    /// `terms AS (n, word, padded, bytes, holding, idf)`: the words of the query, with the number
    /// of matching records that hold them.
    static func termsAmongMatching(_ query: CandidateQuery, matches: Int, _ sql: inout SQLBuilder) -> String {
        let list = sql.bind(query.words)
        let total = sql.bind(matches)
        let conditions =
            ["\(words) @> ARRAY[t.word]"] + phraseConditions(query.phrases, &sql)
            + FilterSQL.conditions(query.filter, &sql)
        return """
            terms AS MATERIALIZED (SELECT t.n, t.word, ' ' || t.word || ' ' AS padded, octet_length(t.word) + 2 AS bytes, \
            c.holding, ln(1 + (greatest(\(total), c.holding) - c.holding + 0.5) / (c.holding + 0.5)) AS idf \
            FROM unnest(\(list)) WITH ORDINALITY AS t (word, n), LATERAL (SELECT count(*) AS holding \
            FROM memories m\(FilterSQL.whereClause(conditions))) c)
            """
    }

    /// `strongest AS (number)`: the best by BM25 over the matching records. The average length is
    /// that of the whole store, which shifts only the end of this list.
    static func strongest(_ query: CandidateQuery, candidates: Int, _ sql: inout SQLBuilder) -> String {
        let list = sql.bind(query.keywords)
        let conditions =
            ["\(words) && \(list)"] + phraseConditions(query.phrases, &sql)
            + FilterSQL.conditions(query.filter, &sql)
        return """
            statistics AS MATERIALIZED (SELECT coalesce(sum(words)::float8 / nullif(sum(records), 0), 0)::float8 \
            AS average FROM memory_totals), \
            strongest AS MATERIALIZED (SELECT m.number FROM memories m CROSS JOIN LATERAL (SELECT \
            coalesce(\(rank(.bm25std)), 0) AS rank FROM statistics s, terms t, LATERAL (SELECT ((octet_length(m.keyword_text) \
            - octet_length(replace(m.keyword_text, t.padded, ''))) / t.bytes)::float8 AS times) f \
            WHERE f.times > 0 AND s.average > 0 AND t.word = ANY (\(list))) r\(FilterSQL.whereClause(conditions)) \
            ORDER BY r.rank DESC, m.id LIMIT \(candidates))
            """
    }
}
