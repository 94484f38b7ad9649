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

    /// `terms AS …, statistics AS …, matching AS (number, id, rank)`: the records with a word of
    /// the query, each with its rank value over the whole store.
    static func matching(
        _ query: KeywordQuery, scorer: TextScorer, filter: MemoryFilter, _ sql: inout SQLBuilder
    ) -> String {
        let list = sql.bind(query.words)
        let conditions =
            ["\(words) && \(list)"] + phraseConditions(query.phrases, &sql) + FilterSQL.conditions(filter, &sql)
        return """
            statistics AS MATERIALIZED (SELECT coalesce(sum(records), 0)::float8 AS records, \
            coalesce(sum(words)::float8 / nullif(sum(records), 0), 0)::float8 AS average FROM memory_totals), \
            terms AS MATERIALIZED (SELECT ' ' || t.word || ' ' AS padded, octet_length(t.word) + 2 AS bytes, \
            ln(1 + (greatest(s.records, c.holding) - c.holding + 0.5) / (c.holding + 0.5)) AS idf \
            FROM statistics s, unnest(\(list)) AS t (word), \
            LATERAL (SELECT count(*)::float8 AS holding FROM memories m WHERE \(words) @> ARRAY[t.word]) c), \
            matching AS MATERIALIZED (SELECT m.number, m.id, \
            (SELECT coalesce(\(rank(scorer)), 0) \
            FROM statistics s, terms t, LATERAL (SELECT ((octet_length(m.keyword_text) \
            - octet_length(replace(m.keyword_text, t.padded, ''))) / t.bytes)::float8 AS times) f \
            WHERE f.times > 0 AND s.average > 0) AS rank \
            FROM memories m\(FilterSQL.whereClause(conditions)))
            """
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

extension SearchSQL {
    /// Rows: total, null, rank of the best, rank relative to the best, record (rule S5).
    func keywordQuery(
        _ query: KeywordQuery, scorer: TextScorer = .bm25std, filter: MemoryFilter, page: PageRequest
    ) -> PostgresStatement {
        var sql = SQLBuilder()
        let matching = KeywordSQL.matching(query, scorer: scorer, filter: filter, &sql)
        let ranked = """
            ranked AS MATERIALIZED (SELECT number, id, rank AS distance, \
            coalesce(rank / nullif(max(rank) OVER (), 0), 0) AS score FROM matching)
            """
        return self.ranked(with: [matching, ranked], order: "score DESC", extra: "0::bigint", page: page, &sql)
    }

    /// Rows: candidates, candidates found by vector, distance, value relative to the best, record
    /// (rule S6).
    ///
    /// - Parameters:
    ///   - query: `nil` or without words ranks by similarity alone.
    ///   - candidates: of the keyword list; `nil` means all, and then every matching record is a
    ///     candidate.
    func hybridQuery(
        _ vector: [Float], _ query: KeywordQuery, scorer: TextScorer = .bm25std, alpha: Double, filter: MemoryFilter,
        plan: SearchPlan, candidates: Int?, page: PageRequest
    ) -> PostgresStatement {
        var sql = SQLBuilder()
        let nearest = nearestQuery(vector, filter: filter, phrases: query.phrases, plan: plan, &sql)
        guard !query.isEmpty else {
            let valued =
                """
                valued AS MATERIALIZED (SELECT number, id, distance, \
                \(space.similarity(ofDistance: "distance")) AS value FROM nearest)
                """
            return relative([nearest, valued], plan, page, &sql)
        }
        let matching = KeywordSQL.matching(query, scorer: scorer, filter: filter, &sql)
        // PostgreSQL reports a product too small for a double as an error.
        let weight = sql.bind(alpha < 1e-9 ? 0 : alpha)
        let best = "(SELECT nullif(max(rank), 0) FROM matching)"
        let value = """
            \(weight) * \(space.similarity(ofDistance: "u.distance")) \
            + (1 - \(weight)) * coalesce(u.rank / \(best), 0)
            """
        // Outside the exact zone the distance of a strong lexical hit that is not among the nearest
        // is added.
        let union: String
        switch plan {
        case .exact where candidates == nil:
            union = """
                united AS MATERIALIZED (SELECT n.number, n.id, n.distance, k.rank FROM nearest n \
                LEFT JOIN matching k ON k.number = n.number)
                """
        case .exact, .approximate, .coded:
            let limit = candidates.map { " LIMIT \($0)" } ?? ""
            let distance = space.distance(to: sql.bind(vector))
            union = """
                closest AS MATERIALIZED (SELECT number, id FROM nearest ORDER BY distance, id\(limit)), \
                strongest AS MATERIALIZED (SELECT number, id FROM matching ORDER BY rank DESC, id\(limit)), \
                united AS MATERIALIZED (SELECT c.number, c.id, k.rank, coalesce((SELECT \(distance) FROM \(space.table) e \
                WHERE e.number = c.number), \(space.metric.farthest)) AS distance \
                FROM (SELECT number, id FROM closest UNION SELECT number, id FROM strongest) c \
                LEFT JOIN matching k ON k.number = c.number)
                """
        }
        let valued = "valued AS MATERIALIZED (SELECT u.number, u.id, u.distance, \(value) AS value FROM united u)"
        return relative([nearest, matching, union, valued], plan, page, &sql)
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
