import AgentMemory
import PostgresDriver

/// The statements of searches over tables that are divided over nodes by the id of the record.
///
/// Each is one SELECT that every node computes for its part, with an order and a limit that the
/// nodes apply too. Citus refuses lateral joins of distributed tables, offsets in subqueries, and
/// aggregates that refer to an outer row. So the nodes return ids with distances and ranks, and the
/// server ranks them.
struct SpreadSearchSQL {
    let space: VectorSpace

    /// Rows: id and distance, nearest first.
    ///
    /// - Parameters:
    ///   - threshold: the largest distance; for the exact plan alone.
    ///   - limit: of the exact plan; `nil` for all.
    func nearest(
        _ vector: [Float], filter: MemoryFilter, phrases: [[String]], plan: SearchPlan, threshold: Double? = nil,
        limit: Int?
    ) -> PostgresStatement {
        var sql = SQLBuilder()
        let vector = sql.bind(vector)
        let conditions = conditions(filter, phrases, &sql)
        if case .approximate(let candidates, _, _) = plan {
            // As a subquery, so that the only plan is the walk through the index.
            let sameRecord = FilterSQL.whereClause(["m.id = e.id"] + conditions)
            let filter = conditions.isEmpty ? [] : ["(SELECT true FROM memories m\(sameRecord))"]
            return sql.statement(
                """
                SELECT e.id, \(space.distance(to: vector)) AS distance FROM \(space.table) e\(FilterSQL.whereClause(filter)) \
                ORDER BY \(space.indexedOrder(to: vector)) LIMIT \(candidates)
                """)
        }
        let distance = distance(to: vector)
        let within = threshold.map { ["\(distance) <= \(sql.bind($0))"] } ?? []
        let order = limit.map { " ORDER BY distance, m.id LIMIT \(sql.bind($0))" } ?? ""
        return sql.statement(
            """
            SELECT m.id, \(distance) AS distance FROM \(measured)\(FilterSQL.whereClause(conditions + within))\(order)
            """)
    }

    /// One row: how many matching records are within a distance.
    func countWithin(_ threshold: Double, of vector: [Float], filter: MemoryFilter) -> PostgresStatement {
        var sql = SQLBuilder()
        let distance = distance(to: sql.bind(vector))
        let conditions = ["\(distance) <= \(sql.bind(threshold))"] + conditions(filter, [], &sql)
        return sql.statement("SELECT count(*) FROM \(measured)\(FilterSQL.whereClause(conditions))")
    }

    /// Rows: id, distance, and all that rankings need, of the records with these ids.
    func details(of ids: [String], _ vector: [Float]) -> PostgresStatement {
        var sql = SQLBuilder()
        let distance = distance(to: sql.bind(vector))
        return details(distance, ["m.id = ANY (\(sql.bind(ids)))"], sql)
    }

    /// Rows as ``details(of:_:)``, of all matching records.
    func details(_ filter: MemoryFilter, _ phrases: [[String]], _ vector: [Float]) -> PostgresStatement {
        var sql = SQLBuilder()
        let distance = distance(to: sql.bind(vector))
        let conditions = conditions(filter, phrases, &sql)
        return details(distance, conditions, sql)
    }

    private func details(_ distance: String, _ conditions: [String], _ sql: SQLBuilder) -> PostgresStatement {
        let columns = (CandidateColumns.names + ["last_accessed"]).map { "m.\($0)" }.joined(separator: ", ")
        return sql.statement(
            "SELECT \(distance) AS distance, \(columns) FROM \(measured)\(FilterSQL.whereClause(conditions))")
    }

    private var measured: String { "memories m LEFT JOIN \(space.table) e ON e.id = m.id" }

    private func distance(to vector: String) -> String {
        "coalesce(\(space.distance(to: vector)), \(space.metric.farthest))"
    }

    private func conditions(_ filter: MemoryFilter, _ phrases: [[String]], _ sql: inout SQLBuilder) -> [String] {
        FilterSQL.conditions(filter, &sql) + KeywordSQL.phraseConditions(phrases, &sql)
    }

    // MARK: Words

    /// One row: how many records there are, and how many words they have together.
    static let statistics = PostgresStatement(
        "SELECT count(*) AS records, coalesce(sum(m.keyword_count), 0)::bigint AS words FROM memories m")

    /// Rows: a word, and how many matching records have it; none for a word that no record has.
    func holding(_ words: [String], filter: MemoryFilter, phrases: [[String]]) -> PostgresStatement {
        var sql = SQLBuilder()
        let list = sql.bind(words)
        let conditions = conditions(filter, phrases, &sql)
        return sql.statement(
            """
            SELECT w.word, count(*) AS holding FROM memories m JOIN unnest(\(list)) AS w (word) \
            ON \(KeywordSQL.words) @> ARRAY[w.word]\(FilterSQL.whereClause(conditions)) GROUP BY w.word
            """)
    }

    /// Rows: id and rank, the best first.
    ///
    /// - Parameters:
    ///   - words: each with its inverse document frequency.
    ///   - average: number of words of a record.
    func strongest(
        _ words: [(word: String, idf: Double)], _ scorer: TextScorer, average: Double, filter: MemoryFilter,
        phrases: [[String]], limit: Int
    ) -> PostgresStatement {
        var sql = SQLBuilder()
        let list = sql.bind(words.map(\.word))
        let rank = rank(words, scorer, average, &sql)
        let conditions = ["\(KeywordSQL.words) && \(list)"] + conditions(filter, phrases, &sql)
        let most = sql.bind(limit)
        return sql.statement(
            """
            SELECT m.id, coalesce(\(rank), 0)::float8 AS rank FROM memories m\(FilterSQL.whereClause(conditions)) \
            ORDER BY rank DESC, m.id LIMIT \(most)
            """)
    }

    /// ``KeywordRank`` as one expression with a term for each word, because the nodes take neither
    /// an aggregate over the words nor a function that returns rows.
    private func rank(
        _ words: [(word: String, idf: Double)], _ scorer: TextScorer, _ average: Double, _ sql: inout SQLBuilder
    ) -> String {
        let average = sql.bind(average)
        var (times, weights): ([String], [String]) = ([], [])
        for (word, idf) in words {
            times.append(KeywordSQL.frequency(of: word, &sql))
            weights.append(sql.bind(idf))
        }
        func sum(_ term: (_ times: String, _ idf: String) -> String) -> String {
            "(" + zip(times, weights).map { term($0, $1) }.joined(separator: " + ") + ")"
        }
        let (k1, b) = (BM25.k1, BM25.b)
        // f / (f + k) as 1 - k / (f + k), which counts the occurrences once.
        func saturated(_ k: String, _ factor: Double) -> String {
            sum { "\($1) * \(factor) * (1 - \(k) / (\($0) + \(k)))" }
        }
        let standard = saturated("(\(k1) * (1 - \(b) + \(b) * m.keyword_count / \(average)))", k1 + 1)
        let most = "greatest(\(times.joined(separator: ", ")))"
        return switch scorer {
        case .bm25std, .bm25stdNorm: standard
        case .bm25stdTanh: "tanh(\(standard) / \(KeywordRank.tanhFactor))"
        case .bm25: saturated("(\(k1) * (1 - \(b) + \(b) * \(average)))", 1)
        case .tfidf: "\(sum { "\($1) * \($0)" }) / nullif(\(most), 0)"
        case .tfidfDocnorm: "\(sum { "\($1) * \($0)" }) / nullif(m.keyword_count, 0)"
        case .dismax: most
        case .docscore, .hamming: "CASE WHEN \(most) > 0 THEN 1 ELSE 0 END"
        }
    }

    // MARK: Lists

    /// The rows are records. The ids of the page are found first, so that the nodes do not send
    /// whole records of all pages before it.
    static func list(_ query: ListQuery) -> PostgresStatement {
        var sql = SQLBuilder()
        let conditions = FilterSQL.conditions(query.filter, &sql)
        let part = "LIMIT \(sql.bind(query.page.limit)) OFFSET \(sql.bind(query.page.offset))"
        return sql.statement(
            """
            WITH page AS (SELECT m.id FROM memories m\(FilterSQL.whereClause(conditions)) \
            ORDER BY m.created_at DESC, m.id \(part)) \
            SELECT \(RecordSQL.selection) FROM page JOIN memories m ON m.id = page.id \
            ORDER BY m.created_at DESC, m.id
            """)
    }

    /// Rows: id and text of the neighbours of a record on one side, the closest first.
    static func neighbors(of record: MemoryRecord, before: Bool, reach: Int) -> PostgresStatement {
        var sql = SQLBuilder()
        let (comparison, order) = before ? ("<", " DESC") : (">", "")
        var conditions = ["m.session_id = \(sql.bind(.text(record.sessionID)))"]
        for (column, value) in [("namespace", record.namespace), ("user_id", record.userID)] {
            conditions.append(value.map { "m.\(column) = \(sql.bind($0))" } ?? "m.\(column) IS NULL")
        }
        let date = sql.bind(record.createdAt)
        conditions.append("m.created_at \(comparison)= \(date)")
        conditions.append("(m.created_at \(comparison) \(date) OR m.id \(comparison) \(sql.bind(record.id)))")
        let most = sql.bind(reach)
        return sql.statement(
            """
            SELECT m.id, m.text FROM memories m\(FilterSQL.whereClause(conditions)) \
            ORDER BY m.created_at\(order), m.id\(order) LIMIT \(most)
            """)
    }

    /// Rows: id and bits of the records that have some.
    static func tokenBits(of ids: [String]) -> PostgresStatement {
        PostgresStatement("SELECT t.id, t.bits FROM memory_tokens t WHERE t.id = ANY ($1)", [.textArray(ids)])
    }
}
