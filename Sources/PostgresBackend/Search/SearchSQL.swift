import AgentMemory
import PostgresDriver

/// The statements of counts, lists and searches by vector.
///
/// Every search statement returns at least one row: the total, other values of the whole result,
/// then the columns of one hit, which are null if the page is empty.
struct SearchSQL {
    let space: VectorSpace

    /// The number of all records, from the stored totals.
    static let totalRecords = "(SELECT coalesce(sum(records), 0)::bigint FROM memory_totals)"

    /// Whether row-level security may hide records from the transaction.
    static let seesOnlyPart = """
        (row_security_active('memories') \
        AND NOT (scope_permits_all('namespaces') AND scope_permits_all('users')))
        """

    /// The number of all records that the transaction may see: the stored totals, unless row-level
    /// security hides some of what they count.
    private static let visibleRecords = """
        (SELECT CASE WHEN \(seesOnlyPart) \
        THEN (SELECT count(*) FROM memories) ELSE \(totalRecords) END)
        """

    // MARK: Counts and lists

    /// One row: how many records match.
    static func count(_ filter: MemoryFilter) -> PostgresStatement {
        var sql = SQLBuilder()
        let conditions = FilterSQL.conditions(filter, &sql)
        guard !conditions.isEmpty else { return sql.statement("SELECT \(visibleRecords)") }
        return sql.statement("SELECT count(*) FROM memories m\(FilterSQL.whereClause(conditions))")
    }

    /// One row: how many records match the filter and have all phrases, and how many there are.
    static func countForSearch(_ filter: MemoryFilter, phrases: [[String]] = []) -> PostgresStatement {
        var sql = SQLBuilder()
        let conditions = FilterSQL.conditions(filter, &sql) + KeywordSQL.phraseConditions(phrases, &sql)
        let count =
            conditions.isEmpty
            ? visibleRecords : "(SELECT count(*) FROM memories m\(FilterSQL.whereClause(conditions)))"
        return sql.statement("SELECT \(count) AS matches, \(totalRecords) AS total")
    }

    /// One row: how many records match the filter, at most `limit`.
    static func count(_ filter: MemoryFilter, limit: Int) -> PostgresStatement {
        var sql = SQLBuilder()
        let conditions = FilterSQL.conditions(filter, &sql)
        let limit = sql.bind(limit)
        return sql.statement(
            "SELECT count(*) FROM (SELECT 1 FROM memories m\(FilterSQL.whereClause(conditions)) LIMIT \(limit)) found")
    }

    /// The rows are records.
    static func list(_ query: ListQuery) -> PostgresStatement {
        var sql = SQLBuilder()
        let conditions = FilterSQL.conditions(query.filter, &sql)
        let page = limit(query.page, &sql)
        return sql.statement(
            """
            SELECT \(RecordSQL.selection) FROM memories m\(FilterSQL.whereClause(conditions)) \
            ORDER BY m.created_at DESC, m.id\(page)
            """)
    }

    // MARK: Searches by vector

    /// Rows: total, candidates found, distance, distance again, record.
    ///
    /// With a threshold the total is the number of candidates within it, and only they are
    /// returned.
    func semanticQuery(
        _ vector: [Float], filter: MemoryFilter, plan: SearchPlan, threshold: Double?, page: PageRequest
    ) -> PostgresStatement {
        var sql = SQLBuilder()
        let nearest = nearestQuery(sql.bind(vector), filter: filter, phrases: [], plan: plan, &sql)
        let condition = threshold.map { " WHERE distance <= \(sql.bind($0))" } ?? ""
        return ranked(
            with: [
                nearest,
                "ranked AS MATERIALIZED (SELECT number, id, distance, distance AS score FROM nearest\(condition))",
            ],
            order: "score", extra: candidatesFound(plan), page: page, &sql)
    }

    /// Rows: total, candidates found, distance, score, record; best first (rule S7).
    ///
    /// - Parameter candidates: how many of the nearest are ranked; `nil` means all.
    func recencyQuery(
        _ vector: [Float], filter: MemoryFilter, plan: SearchPlan, candidates: Int?, weights: RecencyWeights,
        now: Timestamp, page: PageRequest
    ) -> PostgresStatement {
        var sql = SQLBuilder()
        let nearest = nearestQuery(sql.bind(vector), filter: filter, phrases: [], plan: plan, &sql)
        let now = sql.bind(now)
        func decay(_ weight: Double, _ column: String, _ halfLifeDays: Double) -> String {
            let age = "greatest(0, extract(epoch FROM (\(now) - m.\(column)))::float8 / 86400)"
            let halfLife = sql.bind(halfLifeDays)
            // PostgreSQL reports a result too small for a double as an error; 2^-500 is equivalent
            // to 0 here.
            let decay = "CASE WHEN \(age) / 500 > \(halfLife) THEN 0 ELSE power(2::float8, -\(age) / \(halfLife)) END"
            return "\(sql.bind(weight)) * \(decay)"
        }
        let freshness = decay(weights.freshness, "last_accessed", weights.halfLifeLastAccessDays)
        let novelty = decay(weights.novelty, "created_at", weights.halfLifeCreatedDays)
        let similarity = "\(sql.bind(weights.semantic)) * \(space.similarity(ofDistance: "n.distance"))"
        let score = "\(similarity) + \(sql.bind(weights.recency)) * (\(freshness) + \(novelty))"
        let nearestOnly = candidates.map { " LIMIT \($0)" } ?? ""
        let recency = Self.members(of: "best", "m.number, m.last_accessed, m.created_at", in: "memories m")
        let ranked = """
            best AS MATERIALIZED (SELECT * FROM nearest ORDER BY distance, id\(nearestOnly)), \
            ranked AS MATERIALIZED (SELECT * FROM (SELECT n.number, n.id, n.distance, \(score) AS score FROM best n \
            \(Self.joined(recency, alias: "m", to: "n")) OFFSET 0) r WHERE score IS NOT NULL)
            """
        return self.ranked(
            with: [nearest, ranked], order: "score DESC", extra: candidatesFound(plan), page: page, &sql)
    }

    /// `nearest AS (number, id, distance)`: the candidates with their exact distances.
    ///
    /// - Parameter vector: bound.
    func nearestQuery(
        _ vector: String, filter: MemoryFilter, phrases: [[String]], plan: SearchPlan, _ sql: inout SQLBuilder
    ) -> String {
        let distance = space.distance(to: vector)
        switch plan {
        case .coded(let candidates, let matches):
            let conditions = FilterSQL.ownerConditions(filter, of: "c", &sql)
            let limit = sql.bind(candidates)
            let expected = sql.bind(matches)
            // The code of the query as a subquery, so that it is computed once. A record without a
            // code is found by another plan only, so the number of codes must be that of the
            // records.
            let codes = "FROM \(VectorCodes(vectors: space.table).table) c"
            let differing = "c.bits <~> (SELECT vector_code(\(vector)))"
            // There are few distances, so counting them takes less than sorting all codes.
            return """
                counted AS MATERIALIZED (SELECT \(differing) AS differing, count(*) AS codes \(codes)\
                \(FilterSQL.whereClause(conditions)) GROUP BY 1), \
                cut AS MATERIALIZED (SELECT coalesce(min(differing) FILTER (WHERE within >= \(limit)), max(differing)) \
                AS differing, coalesce(max(within), 0) = \(expected) AS complete FROM (SELECT differing, \
                sum(codes) OVER (ORDER BY differing)::bigint AS within FROM counted) d), \
                alike AS MATERIALIZED (SELECT c.number, c.id \(codes)\
                \(FilterSQL.whereClause(conditions + ["\(differing) <= (SELECT differing FROM cut)"]))), \
                \(measured("alike", distance))
                """
        case .remembered(let choice):
            let numbers = sql.bind(.int8Array(choice.numbers))
            let ids = sql.bind(choice.ids)
            let isUnchanged = OwnerChangesSQL.isUnchanged(choice.stamps, of: choice.user, &sql)
            let vectors = """
                SELECT e.number, \(distance) AS distance FROM \(space.table) e \
                WHERE e.number = ANY (\(numbers)) AND \(isUnchanged) OFFSET 0
                """
            return """
                nearest AS MATERIALIZED (SELECT * FROM (SELECT r.number, r.id COLLATE "C" AS id, e.distance \
                FROM unnest(\(numbers)::bigint[], \(ids)::text[]) AS r (number, id) \
                \(Self.joined(vectors, alias: "e", to: "r")) OFFSET 0) found WHERE distance IS NOT NULL)
                """
        case .exact:
            let conditions = FilterSQL.conditions(filter, &sql) + KeywordSQL.phraseConditions(phrases, &sql)
            return """
                eligible AS MATERIALIZED (SELECT m.number, m.id FROM memories m\(FilterSQL.whereClause(conditions))), \
                \(measured("eligible", distance))
                """
        case .approximate(let candidates, _, let matches):
            let conditions = FilterSQL.conditions(filter, &sql) + KeywordSQL.phraseConditions(phrases, &sql)
            // The filter is a subquery, so that the only plan left is the walk through the index.
            let sameRecord = FilterSQL.whereClause(["m.number = e.number"] + conditions)
            let filter = conditions.isEmpty ? [] : ["(SELECT true FROM memories m\(sameRecord))"]
            func vectors(_ conditions: [String]) -> String {
                "SELECT e.number, \(distance) AS distance FROM \(space.table) e\(FilterSQL.whereClause(conditions))"
            }
            func indexed(_ conditions: [String]) -> String {
                "\(vectors(conditions)) ORDER BY \(space.indexedOrder(to: vector)) LIMIT \(candidates)"
            }
            let found: String
            if space.hasUnindexed {
                // What waits outside of the index is measured completely. Both parts are of one
                // snapshot, in which a vector is in one of them.
                found = """
                    indexed AS MATERIALIZED (\(indexed(filter + ["e.embedding IS NOT NULL"]))), \
                    waiting AS MATERIALIZED (\(vectors(filter + ["e.embedding IS NULL"]))), \
                    walk AS MATERIALIZED (SELECT i.found >= \(candidates) OR i.found + w.found >= \(sql.bind(matches)) \
                    AS complete FROM (SELECT count(*) AS found FROM indexed) i, (SELECT count(*) AS found FROM waiting) w), \
                    found AS MATERIALIZED (SELECT * FROM (SELECT * FROM indexed UNION ALL SELECT * FROM waiting) both_parts \
                    ORDER BY distance LIMIT \(candidates))
                    """
            } else {
                found = "found AS MATERIALIZED (\(indexed(filter)))"
            }
            return """
                \(found), \
                nearest AS MATERIALIZED (SELECT * FROM (SELECT f.number, m.id, f.distance FROM found f \
                \(Self.joined(Self.members(of: "found", "m.number, m.id", in: "memories m"), alias: "m", to: "f")) \
                OFFSET 0) r WHERE id IS NOT NULL)
                """
        }
    }

    /// `nearest AS (number, id, distance)`: the exact distances of records.
    ///
    /// - Parameter records: an expression with the columns `number` and `id`.
    private func measured(_ records: String, _ distance: String) -> String {
        "nearest AS MATERIALIZED (\(self.records(of: records, "r.number, r.id", measuredBy: distance)))"
    }

    /// Rows: distance, and columns of records.
    ///
    /// - Parameters:
    ///   - records: an expression with the column `number`.
    ///   - columns: of it, under the alias `r`.
    func records(of records: String, _ columns: String, measuredBy distance: String) -> String {
        let vectors = Self.members(of: records, "e.number, \(distance) AS distance", in: "\(space.table) e")
        return """
            SELECT coalesce(e.distance, \(space.metric.farthest)) AS distance, \(columns) \
            FROM \(records) r \(Self.joined(vectors, alias: "e", to: "r"))
            """
    }

    /// `chosen (number, id, distance)`: the closest of `nearest`, and others.
    ///
    /// - Parameters:
    ///   - others: a statement with the columns `number` and `id`.
    ///   - limit: of the closest.
    ///   - vector: bound.
    func chosen(with others: String, limit: String, _ vector: String) -> [String] {
        let measured = records(of: "added", "r.number, r.id", measuredBy: space.distance(to: vector))
        return [
            "closest AS MATERIALIZED (SELECT number, id, distance FROM nearest ORDER BY distance, id\(limit))",
            """
            added AS MATERIALIZED (SELECT number, id FROM (\(others)) o \
            WHERE number NOT IN (SELECT number FROM closest))
            """,
            """
            chosen AS MATERIALIZED (SELECT number, id, distance FROM closest \
            UNION ALL SELECT number, id, distance FROM (\(measured)) m)
            """,
        ]
    }

    /// The rows of a table whose numbers are in an expression: one scan of the primary key in the
    /// order of the table. The planner does not know how many there are, and would rather read the
    /// whole table if it could.
    static func members(of expression: String, _ columns: String, in table: String) -> String {
        "SELECT \(columns) FROM \(table) WHERE \(isMember(of: expression, "number")) OFFSET 0"
    }

    /// Whether the number of a row is in an expression.
    static func isMember(of expression: String, _ number: String) -> String {
        "\(number) = ANY (ARRAY(SELECT number FROM \(expression)))"
    }

    /// Joins each row with its member, if it has one that the transaction may see. An outer join on
    /// both sides, because that cannot be done by nested loops, which the planner prefers if it
    /// expects few rows.
    static func joined(_ members: String, alias: String, to rows: String) -> String {
        "FULL JOIN (\(members)) \(alias) ON \(alias).number = \(rows).number"
    }

    // MARK: Shared

    /// ``SearchDepth/trustedEquals``, but fewer: pgvector keeps ten equal vectors in one node of
    /// its graph, so that a walk may meet two nodes of each of some groups and none of others.
    static let trustedEquals = 16

    /// The number of candidates; 0 if the index or the codes cannot be trusted, so that the exact
    /// plan follows.
    ///
    /// That is the case if more of them have one distance than ``trustedEquals``, if records have
    /// no codes, or if the walk through the index ended before it had found enough. -1 if
    /// remembered codes cannot be trusted although nothing has changed.
    func candidatesFound(_ plan: SearchPlan) -> String {
        let isIncomplete: String
        var untrusted = 0
        switch plan {
        case .exact: return "(SELECT count(*) FROM nearest)"
        case .approximate: isIncomplete = space.hasUnindexed ? " OR NOT (SELECT complete FROM walk)" : ""
        case .coded: isIncomplete = " OR NOT (SELECT complete FROM cut)"
        case .remembered: (isIncomplete, untrusted) = ("", -1)
        }
        return """
            (SELECT CASE WHEN max(equals) > \(Self.trustedEquals)\(isIncomplete) THEN \(untrusted) \
            ELSE coalesce(sum(equals), 0) END::bigint \
            FROM (SELECT count(*) AS equals FROM nearest GROUP BY distance) distances)
            """
    }

    /// Selects the page from `ranked (number, id, distance, score)` and adds the records.
    ///
    /// - Parameters:
    ///   - order: the order before the id.
    ///   - value: the column of `ranked` that is the score before it was made relative to the best.
    ///   - total: the number of all hits.
    ///   - extra: one more value about the whole result.
    func ranked(
        with expressions: [String], order: String, value: String = "score",
        total: String = "(SELECT count(*) FROM ranked)", extra: String, page: PageRequest, _ sql: inout SQLBuilder
    ) -> PostgresStatement {
        let limit = Self.limit(page, &sql)
        return sql.statement(
            """
            WITH \(expressions.joined(separator: ", ")), \
            page AS MATERIALIZED (SELECT number, id, distance, score, \(value) AS value FROM ranked \
            ORDER BY \(order), id\(limit)) \
            SELECT whole.total, whole.extra, page.distance, page.score, page.value, \(RecordSQL.selection) \
            FROM (SELECT \(total) AS total, \(extra) AS extra) whole \
            LEFT JOIN page ON true \
            LEFT JOIN LATERAL (SELECT * FROM memories m WHERE m.number = page.number OFFSET 0) m ON true \
            ORDER BY \(order), page.id
            """)
    }

    private static func limit(_ page: PageRequest, _ sql: inout SQLBuilder) -> String {
        let limit = " LIMIT \(sql.bind(page.limit))"
        return page.offset == 0 ? limit : limit + " OFFSET \(sql.bind(page.offset))"
    }

    /// Settings of the index scan, which apply until the pipeline ends; `nil` if those of the
    /// connection are sufficient.
    func settings(for plan: SearchPlan, filtered: Bool) -> PostgresStatement? {
        guard case .approximate(let candidates, let scanLimit, _) = plan else { return nil }
        let breadth = Self.breadth(for: candidates)
        guard filtered || breadth != Self.defaultBreadth else { return nil }
        return PostgresStatement(
            "SELECT set_config('hnsw.ef_search', $1, true), set_config('hnsw.max_scan_tuples', $2, true)",
            [.text(String(breadth)), .text(String(scanLimit))])
    }

    /// `hnsw.ef_search` for a number of candidates; pgvector takes at most 1,000.
    static func breadth(for candidates: Int) -> Int { min(1000, max(defaultBreadth, candidates)) }

    /// `hnsw.ef_search` of a new connection: large enough for clusters of 1,536 dimensions, in
    /// which pgvector's own default of 40 misses the contract's recall (rule S4). Twice 100 takes
    /// about a third more time.
    static let defaultBreadth = 200
}
