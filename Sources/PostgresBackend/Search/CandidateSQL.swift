import AgentMemory
import PostgresDriver

/// The candidates of a blended search (rule S11): their distances, words, dates and sessions.
extension SearchSQL {
    private static func candidateColumns(of alias: String) -> String {
        CandidateColumns.names.map { "\(alias).\($0)" }.joined(separator: ", ")
    }

    /// Rows: distance and what the ranking needs, of every matching record.
    func allCandidatesQuery(_ query: CandidateQuery) -> PostgresStatement {
        var sql = SQLBuilder()
        let vector = sql.bind(query.vector)
        let conditions =
            FilterSQL.conditions(query.filter, &sql) + KeywordSQL.phraseConditions(query.phrases, &sql)
        return sql.statement(
            """
            WITH eligible AS MATERIALIZED (SELECT m.number, \(Self.candidateColumns(of: "m")) \
            FROM memories m\(FilterSQL.whereClause(conditions))) \
            \(records(of: "eligible", Self.candidateColumns(of: "r"), measuredBy: space.distance(to: vector)))
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
        let vector = sql.bind(query.vector)
        let nearest = nearestQuery(vector, filter: query.filter, phrases: query.phrases, plan: plan, &sql)
        let numbers = sql.bind(.int8Array(strongest.map(Int64.init)))
        let chosen = chosen(
            with: "SELECT number, NULL::text COLLATE \"C\" AS id FROM unnest(\(numbers)) AS n (number)",
            limit: " LIMIT \(candidates)",
            vector)
        let columns = Self.candidateColumns(of: "m")
        let records = Self.members(of: "chosen", "m.number, \(columns)", in: "memories m")
        return sql.statement(
            """
            WITH \(([nearest] + chosen).joined(separator: ", ")) \
            SELECT whole.extra, c.* FROM (SELECT \(candidatesFound(plan)) AS extra) whole \
            LEFT JOIN (SELECT * FROM (SELECT c.distance, \(columns) FROM chosen c \
            \(Self.joined(records, alias: "m", to: "c")) OFFSET 0) r WHERE id IS NOT NULL) c ON true
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

/// The columns of a result that a ranking reads of its candidates, by their names.
struct CandidateColumns {
    /// Those of a record; next to them there is a `distance`.
    static let names = ["id", "keyword_text", "created_at", "event_date", "namespace", "user_id", "session_id"]

    private let distance: Int
    private let columns: [Int]
    private let counter: TermCounter

    /// - Parameter words: those whose frequencies are wanted.
    init(of result: PostgresResult, _ words: [String]) throws {
        distance = try result.column("distance")
        columns = try Self.names.map { try result.column($0) }
        counter = TermCounter(words)
    }

    /// `nil` for a row without a record.
    func candidate(_ row: PostgresRow) throws -> RankingCandidate? {
        guard !row.isNull(columns[0]) else { return nil }
        let (frequencies, length) = counter.count(try row.rawBytes(columns[1]))
        return RankingCandidate(
            id: try row.text(columns[0]), distance: try row.float8(distance), frequencies: frequencies, length: length,
            createdAt: try row.date(columns[2]), eventDate: try row.optionalDate(columns[3]),
            session: RankingSession(
                namespace: try row.optionalText(columns[4]), userID: try row.optionalText(columns[5]),
                sessionID: try row.optionalText(columns[6])))
    }
}
