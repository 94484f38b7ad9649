import AgentMemory
import PostgresDriver

/// Keyword search: the analyser's words in a GIN index, BM25 computed from them.
enum KeywordSQL {
    /// The words in the form of the column `keyword_text`: each between two blanks. A word has no
    /// blank, so a sequence of words is found as a substring, and occurrences of a word never
    /// overlap.
    static func text(of words: [String]) -> String {
        var text = ""
        text.reserveCapacity(words.reduce(0) { $0 + $1.utf8.count + 2 })
        for word in words {
            text += " "
            text += word
            text += " "
        }
        return text
    }

    /// The indexed expression; the index is used only if a statement repeats it exactly.
    static let words = "string_to_array(btrim(m.keyword_text), '  ')"

    /// Conditions that every phrase occurs: all its words by the index, then their order.
    static func phraseConditions(_ phrases: [[String]], _ sql: inout SQLBuilder) -> [String] {
        phrases.flatMap { phrase in
            [
                "\(words) @> \(sql.bind(phrase))",
                "strpos(m.keyword_text, \(sql.bind(text(of: phrase)))) > 0",
            ]
        }
    }

    /// Which of the matching records are ranked.
    enum Part: Equatable {
        /// All; the filter finds them, because it matches few records.
        case owned
        /// All; the index of words finds them.
        case all
        /// Those that hold all words of one of the sets.
        case level(KeywordCutoff.Level)
    }

    /// `matching AS (number, id, rank)`: the matching records of a part, each with its rank value.
    static func matching(
        _ query: KeywordQuery, _ weights: KeywordWeights, _ part: Part, filter: MemoryFilter, _ sql: inout SQLBuilder
    ) -> String {
        var conditions: [String]
        switch part {
        case .owned:
            conditions = query.phrases.map { "strpos(m.keyword_text, \(sql.bind(text(of: $0)))) > 0" }
        case .all:
            conditions = ["\(words) && \(sql.bind(weights.words))"] + phraseConditions(query.phrases, &sql)
        case .level(let level):
            let single = level.sets.filter { $0.count == 1 }.map { weights.words[$0[0]] }
            var alternatives = single.isEmpty ? [] : ["\(words) && \(sql.bind(single))"]
            for set in level.sets where set.count > 1 {
                alternatives.append("\(words) @> \(sql.bind(set.map { weights.words[$0] }))")
            }
            conditions =
                ["(\(alternatives.joined(separator: " OR ")))"] + phraseConditions(query.phrases, &sql)
        }
        conditions += FilterSQL.conditions(filter, &sql)
        let ranks = ranks(weights, FilterSQL.whereClause(conditions), onlyMatching: part == .owned, &sql)
        return "matching AS MATERIALIZED (\(ranks))"
    }

    /// `SELECT … number, id, rank` of the records under the alias `m` that a clause selects.
    ///
    /// - Parameter onlyMatching: leaves out those without any of the words, which the clause does
    ///   not.
    static func ranks(
        _ weights: KeywordWeights, _ clause: String, onlyMatching: Bool, _ sql: inout SQLBuilder
    ) -> String {
        let average = weights.average(&sql)
        guard weights.isSum else {
            let list = sql.bind(weights.words)
            let idf = weights.idf(&sql)
            let records =
                onlyMatching
                ? "(SELECT * FROM memories m\(clause) OFFSET 0) m WHERE \(words) && \(list)" : "memories m\(clause)"
            return """
                SELECT m.number, m.id, (SELECT coalesce(\(rank(weights.scorer)), 0) \
                FROM (SELECT \(average)::float8 AS average) s, (SELECT ' ' || w.word || ' ' AS padded, \
                octet_length(w.word) + 2 AS bytes, w.idf FROM unnest(\(list), \(idf)) AS w (word, idf)) t, \
                LATERAL (SELECT ((octet_length(m.keyword_text) \
                - octet_length(replace(m.keyword_text, t.padded, ''))) / t.bytes)::float8 AS times) f \
                WHERE f.times > 0 AND s.average > 0) AS rank FROM \(records)
                """
        }
        // A column for the frequency of each word, so that it is computed once, and no subquery
        // runs for each record.
        var frequencies: [String] = []
        var terms: [String] = []
        for (position, word) in weights.words.enumerated() {
            frequencies.append("\(frequency(of: word, &sql)) AS f\(position)")
            let idf = weights.idf(position, &sql)
            terms.append("\(idf) * f.f\(position) * \(BM25.k1 + 1) / (f.f\(position) + f.length)")
        }
        let matches = weights.words.indices.map { "f.f\($0) > 0" }.joined(separator: " OR ")
        return """
            SELECT f.number, f.id, \(terms.joined(separator: " + ")) AS rank FROM (SELECT m.number, m.id, \
            \(BM25.k1) * (1 - \(BM25.b) + \(BM25.b) * m.keyword_count / \(average)) AS length, \
            \(frequencies.joined(separator: ", ")) FROM memories m\(clause) OFFSET 0) f\(onlyMatching ? " WHERE \(matches)" : "")
            """
    }

    /// How often the record `m` has a word, as `float8`.
    static func frequency(of word: String, _ sql: inout SQLBuilder) -> String {
        let padded = sql.bind(text(of: [word]))
        return """
            ((octet_length(m.keyword_text) - octet_length(replace(m.keyword_text, \(padded), ''))) \
            / octet_length(\(padded)))::float8
            """
    }

    /// One row: how many records match.
    ///
    /// - Parameter commonest: a word whose records are counted already
    ///   (``KeywordStatisticsSQL/holding(_:)``), where nothing else narrows the matches: then only
    ///   those are looked for that lack it.
    static func count(
        _ query: KeywordQuery, filter: MemoryFilter, commonest: String?
    ) -> PostgresStatement {
        var sql = SQLBuilder()
        guard let commonest, filter.isEmpty, query.phrases.isEmpty else {
            let conditions =
                ["\(words) && \(sql.bind(query.words))"] + phraseConditions(query.phrases, &sql)
                + FilterSQL.conditions(filter, &sql)
            return sql.statement("SELECT count(*) FROM memories m\(FilterSQL.whereClause(conditions))")
        }
        let others = sql.bind(query.words.filter { !($0.utf8.elementsEqual(commonest.utf8)) })
        let word = sql.bind(commonest)
        let padded = sql.bind(text(of: [commonest]))
        return sql.statement(
            """
            SELECT \(KeywordStatisticsSQL.holding(word)) + (SELECT count(*) FROM memories m \
            WHERE \(words) && \(others) AND strpos(m.keyword_text, \(padded)) = 0)
            """)
    }

    /// ``KeywordRank`` as an aggregate over the words of a record: `t.idf` of each, and its
    /// frequency `f.times`.
    static func rank(_ scorer: TextScorer) -> String {
        let k1 = BM25.k1
        let b = BM25.b
        let standard = """
            sum(t.idf * f.times * \(k1 + 1) / \
            (f.times + \(k1) * (1 - \(b) + \(b) * m.keyword_count / s.average)))
            """
        return switch scorer {
        case .bm25std, .bm25stdNorm: standard
        case .bm25stdTanh: "tanh(\(standard) / \(KeywordRank.tanhFactor))"
        case .bm25: "sum(t.idf * f.times / (f.times + \(k1) * (1 - \(b) + \(b) * s.average)))"
        case .tfidf: "sum(t.idf * f.times) / max(f.times)"
        case .tfidfDocnorm: "sum(t.idf * f.times) / nullif(m.keyword_count, 0)"
        case .dismax: "max(f.times)"
        case .docscore, .hamming: "max(1::float8)"
        }
    }
}

/// The words of a query with what their rank needs.
struct KeywordWeights: Sendable {
    /// More words than this are not spelled out in a statement.
    private static let mostSpelled = 24

    /// Where the statistics come from.
    private enum Source {
        case known(idf: [Double], average: Double)
        /// The expression `weights (n, idf, average)` of the same statement.
        case statement
    }

    let words: [String]
    let scorer: TextScorer
    private let source: Source

    init(words: [String], idf: [Double], average: Double, scorer: TextScorer) {
        self.words = words
        self.scorer = scorer
        source = .known(idf: idf, average: average)
    }

    /// The statement that ranks reads the statistics too, which spares a round trip.
    ///
    /// - Parameter words: at least one.
    init(countedInStatement words: [String], scorer: TextScorer) {
        self.words = words
        self.scorer = scorer
        source = .statement
    }

    /// Whether the rank is the sum of BM25 over few words.
    var isSum: Bool {
        guard Self.isSum(words, scorer) else { return false }
        return if case .known(_, let average) = source { average > 0 } else { true }
    }

    /// Whether the rank of these words is such a sum where any record has a word.
    static func isSum(_ words: [String], _ scorer: TextScorer) -> Bool {
        (scorer == .bm25std || scorer == .bm25stdNorm) && words.count <= mostSpelled
    }

    /// What a statement needs before the expressions that rank.
    func expressions(_ sql: inout SQLBuilder) -> [String] {
        guard case .statement = source else { return [] }
        return [
            """
            weights AS MATERIALIZED (SELECT n, nullif(average, 0) AS average, \
            ln(1 + (greatest(records, holding) - holding + 0.5::float8) / (holding + 0.5::float8)) AS idf \
            FROM (\(KeywordStatisticsSQL.query(words, &sql))) s)
            """
        ]
    }

    /// The weight of a word.
    fileprivate func idf(_ position: Int, _ sql: inout SQLBuilder) -> String {
        switch source {
        case .known(let idf, _): sql.bind(idf[position])
        case .statement: "(SELECT idf FROM weights WHERE n = \(position + 1))"
        }
    }

    /// Those of all words, as `float8[]`.
    fileprivate func idf(_ sql: inout SQLBuilder) -> String {
        switch source {
        case .known(let idf, _): "\(sql.bind(idf.map { String($0) }))::text[]::float8[]"
        case .statement: "(SELECT array_agg(idf ORDER BY n) FROM weights)"
        }
    }

    /// The average number of words of a record.
    fileprivate func average(_ sql: inout SQLBuilder) -> String {
        switch source {
        case .known(_, let average): sql.bind(average)
        case .statement: "(SELECT max(average) FROM weights)"
        }
    }
}

/// The keyword side of a hybrid search.
enum KeywordCandidates: Sendable {
    /// Every matching record of the part.
    case matching(KeywordSQL.Part)
    /// The numbers of the best records.
    case strongest([Int])
}

extension SearchSQL {
    /// Rows: matching records of the part, rank of the last of the page, rank, rank relative to the
    /// best, record (rule S5).
    func keywordQuery(
        _ query: KeywordQuery, _ weights: KeywordWeights, _ part: KeywordSQL.Part, filter: MemoryFilter,
        page: PageRequest
    ) -> PostgresStatement {
        var sql = SQLBuilder()
        let statistics = weights.expressions(&sql)
        let matching = KeywordSQL.matching(query, weights, part, filter: filter, &sql)
        let best = sql.bind(page.offset.adding(page.limit))
        let ranked = """
            ranked AS MATERIALIZED (SELECT number, id, rank AS distance, \
            coalesce(rank / (SELECT nullif(max(rank), 0) FROM matching), 0) AS score FROM matching \
            ORDER BY rank DESC, id LIMIT \(best))
            """
        return self.ranked(
            with: statistics + [matching, ranked], order: "distance DESC", total: "(SELECT count(*) FROM matching)",
            extra: "(SELECT min(distance) FROM ranked)", page: page, &sql)
    }

    /// Rows: number and rank of the best records of the part.
    static func strongest(
        _ query: KeywordQuery, _ weights: KeywordWeights, _ part: KeywordSQL.Part, filter: MemoryFilter, limit: Int
    ) -> PostgresStatement {
        var sql = SQLBuilder()
        let matching = KeywordSQL.matching(query, weights, part, filter: filter, &sql)
        let limit = sql.bind(limit)
        return sql.statement("WITH \(matching) SELECT number, rank FROM matching ORDER BY rank DESC, id LIMIT \(limit)")
    }

    /// Rows: candidates, candidates found by vector, distance, value relative to the best, record
    /// (rule S6).
    ///
    /// - Parameters:
    ///   - query: without words ranks by similarity alone.
    ///   - weights: of the words.
    ///   - keywords: the candidates by keyword.
    ///   - candidates: of each list; `nil` means all, and then every matching record is a
    ///     candidate.
    func hybridQuery(
        _ vector: [Float], _ query: KeywordQuery, _ weights: KeywordWeights, _ keywords: KeywordCandidates,
        alpha: Double, filter: MemoryFilter, plan: SearchPlan, candidates: Int?, page: PageRequest
    ) -> PostgresStatement {
        var sql = SQLBuilder()
        let vector = sql.bind(vector)
        let nearest = nearestQuery(vector, filter: filter, phrases: query.phrases, plan: plan, &sql)
        guard !query.isEmpty else {
            let valued =
                """
                valued AS MATERIALIZED (SELECT number, id, distance, \
                \(space.similarity(ofDistance: "distance")) AS value FROM nearest)
                """
            return relative([nearest, valued], plan, page, &sql)
        }
        // PostgreSQL reports a product too small for a double as an error.
        let weight = sql.bind(alpha < 1e-9 ? 0 : alpha)
        let limit = candidates.map { " LIMIT \($0)" } ?? ""
        var parts = weights.expressions(&sql) + [nearest]
        let source: String
        switch keywords {
        case .matching(let part):
            source = "matching"
            parts.append(KeywordSQL.matching(query, weights, part, filter: filter, &sql))
            let measured: String
            if plan == .exact, candidates == nil {
                measured = "nearest"
            } else {
                measured = "chosen"
                parts.append(
                    "strongest AS MATERIALIZED (SELECT number, id FROM matching ORDER BY rank DESC, id\(limit))")
                parts += chosen(with: "SELECT number, id FROM strongest", limit: limit, vector)
            }
            parts.append(
                """
                united AS MATERIALIZED (SELECT * FROM (SELECT c.number, c.id, c.distance, k.rank FROM \(measured) c \
                FULL JOIN matching k ON k.number = c.number OFFSET 0) r WHERE number IS NOT NULL)
                """)
        case .strongest(let numbers):
            source = "united"
            let numbers = sql.bind(.int8Array(numbers.map(Int64.init)))
            parts += chosen(
                with: "SELECT number, NULL::text COLLATE \"C\" AS id FROM unnest(\(numbers)) AS n (number)",
                limit: limit, vector)
            let ranks = KeywordSQL.ranks(
                weights, " WHERE \(Self.isMember(of: "chosen", "m.number"))", onlyMatching: false, &sql)
            parts.append(
                """
                united AS MATERIALIZED (SELECT * FROM (SELECT c.number, r.id, c.distance, r.rank FROM chosen c \
                \(Self.joined(ranks, alias: "r", to: "c")) OFFSET 0) r WHERE id IS NOT NULL)
                """)
        }
        let best = "(SELECT nullif(max(rank), 0) FROM \(source))"
        let value = """
            \(weight) * \(space.similarity(ofDistance: "u.distance")) \
            + (1 - \(weight)) * coalesce(u.rank / \(best), 0)
            """
        parts.append(
            "valued AS MATERIALIZED (SELECT u.number, u.id, u.distance, \(value) AS value FROM united u)")
        return relative(parts, plan, page, &sql)
    }

    private func relative(
        _ expressions: [String], _ plan: SearchPlan, _ page: PageRequest, _ sql: inout SQLBuilder
    ) -> PostgresStatement {
        let ranked = """
            ranked AS MATERIALIZED (SELECT number, id, distance, value, \
            coalesce(value / nullif(max(value) OVER (), 0), 0) AS score FROM valued)
            """
        return self.ranked(
            with: expressions + [ranked], order: "score DESC", value: "value", extra: candidatesFound(plan),
            page: page, &sql)
    }
}
