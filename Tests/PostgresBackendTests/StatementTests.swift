import AgentMemory
import PostgresDriver
import Testing

@testable import PostgresBackend

/// The text of statements: what is a parameter, and what is not.
@Suite struct StatementTests {
    private func conditions(_ filter: MemoryFilter) -> (sql: [String], values: [PostgresValue]) {
        var builder = SQLBuilder()
        let sql = FilterSQL.conditions(filter, &builder)
        return (sql, builder.parameters)
    }

    @Test func `an empty filter makes no condition`() {
        #expect(conditions(.everything).sql.isEmpty)
        #expect(SearchSQL.count(.everything).sql.contains("memory_totals"))
    }

    @Test func `operators of one value fields`() throws {
        let (sql, values) = conditions(
            MemoryFilter(tags: [
                .userID: try TagCondition(field: .userID, eq: "a' OR true --", none: ["b"]),
                .namespace: try TagCondition(field: .namespace, any: ["x", "y"]),
                .sessionID: try TagCondition(field: .sessionID, startsWith: "s%_"),
            ]))
        #expect(
            sql == [
                "(m.session_id >= $1 AND m.session_id < $2)", "m.user_id = $3",
                "(m.user_id IS NULL OR m.user_id <> ALL ($4))", "m.namespace = ANY ($5)",
            ])
        #expect(
            values == [
                .text("s%_"), .text("s%`"), .text("a' OR true --"), .textArray(["b"]), .textArray(["x", "y"]),
            ])
    }

    @Test func `operators of list fields`() throws {
        let (sql, values) = conditions(
            MemoryFilter(tags: [
                .topics: try TagCondition(field: .topics, any: ["a"], none: ["c"]),
                .entities: try TagCondition(field: .entities, startsWith: "p"),
            ]))
        #expect(
            sql == [
                "m.topics && $1", "NOT m.topics && $2",
                "EXISTS (SELECT FROM unnest(m.entities) AS value WHERE (value COLLATE \"C\" >= $3 AND value COLLATE \"C\" < $4))",
            ])
        #expect(values == [.textArray(["a"]), .textArray(["c"]), .text("p"), .text("q")])
    }

    @Test func `metadata is compared by its terms`() throws {
        let source = try #require(MetadataScalar("crm"))
        let (sql, values) = conditions(
            MemoryFilter(metadata: [
                try MetadataCondition(key: "a", eq: source, none: [source], exists: true),
                try MetadataCondition(key: "b", bounds: [.init(.gt, 1)]),
            ]))
        #expect(
            sql == [
                "m.metadata_terms @> $1", "(m.metadata_terms IS NULL OR NOT m.metadata_terms && $2)",
                "m.metadata_terms @> $3",
                """
                EXISTS (SELECT FROM unnest(m.metadata_terms) AS term WHERE term COLLATE "C" >= $4 \
                AND term COLLATE "C" <= $5 AND term COLLATE "C" <> $6)
                """,
            ])
        #expect(
            values.prefix(2) == [
                .textArray([MetadataTerms.term(of: "a", source), MetadataTerms.term(of: "a")]),
                .textArray([MetadataTerms.term(of: "a", source)]),
            ])
        let nothing = try MetadataCondition(key: "a", bounds: [.init(.gt, 2), .init(.lt, 1)])
        #expect(conditions(MemoryFilter(metadata: [nothing])).sql == ["FALSE"])
    }

    @Test func `dates and flags`() throws {
        let day = try #require(Timestamp(parsing: "2024-01-02"))
        let (sql, values) = conditions(
            MemoryFilter(
                tags: [.discreteMemoryExtracted: try TagCondition(field: .discreteMemoryExtracted, ne: "t")],
                dates: [.eventDate: try DateCondition(field: .eventDate, [.init(.ne, day), .init(.lt, day)])]))
        #expect(
            sql == [
                "(m.discrete_memory_extracted) IS FALSE", "m.event_date IS DISTINCT FROM $1", "m.event_date < $2",
            ])
        #expect(values == [.timestamp(microseconds: day.microseconds), .timestamp(microseconds: day.microseconds)])
    }

    @Test func `the end of a prefix`() {
        #expect(FilterSQL.upperEnd(of: "ab") == "ac")
        #expect(FilterSQL.upperEnd(of: "a\u{10FFFF}") == "b")
        #expect(FilterSQL.upperEnd(of: "\u{10FFFF}") == nil)
        #expect(FilterSQL.upperEnd(of: "\u{D7FF}") == "\u{E000}")
    }

    @Test func `no query text reaches the statement`() throws {
        let sql = SearchSQL(space: VectorSpace(dimensions: 3, metric: .cosine, algorithm: .hnsw))
        let query = TextAnalyzer().query("zanzibar \"purple zebra\"")
        let filter = MemoryFilter(tags: [.userID: try TagCondition(field: .userID, eq: "zaphod")])
        let weights = KeywordWeights(
            words: query.words, idf: query.words.map { _ in 1 }, average: 4, scorer: .bm25std)
        for statement in [
            sql.keywordQuery(query, weights, .owned, filter: filter, page: try PageRequest()),
            sql.keywordQuery(query, weights, .all, filter: filter, page: try PageRequest()),
            sql.keywordQuery(
                query, KeywordWeights(countedInStatement: query.words, scorer: .tfidf), .owned, filter: filter,
                page: try PageRequest()),
            KeywordSQL.count(query, filter: filter, commonest: nil),
            sql.hybridQuery(
                [1, 2, 3], query, weights, .matching(.all), alpha: 0.7, filter: filter,
                plan: .approximate(candidates: 200, scanLimit: 2048, matches: 5000),
                candidates: 200, page: try PageRequest(limit: 7, offset: 13)),
            sql.hybridQuery(
                [1, 2, 3], query, weights, .strongest([1]), alpha: 0.7, filter: filter, plan: .exact, candidates: 200,
                page: try PageRequest(limit: 7, offset: 13)),
        ] {
            for word in ["zanzibar", "zebra", "purpl", "zaphod", "0.7", " 13"] {
                #expect(!statement.sql.contains(word))
            }
        }
    }

    @Test func `long vectors are indexed in half precision`() {
        let short = VectorSpace(dimensions: 2000, metric: .cosine, algorithm: .hnsw)
        #expect(short.indexDefinition(ofVectors: 199_999).hasSuffix("((embedding::vector(2000)) vector_cosine_ops)"))
        #expect(
            short.indexDefinition(ofVectors: 200_000).hasSuffix(
                "((embedding::vector(2000)) vector_cosine_ops) WITH (ef_construction = 128)"))
        let long = VectorSpace(dimensions: 3072, metric: .l2, algorithm: .hnsw)
        #expect(long.indexDefinition(ofVectors: 0).hasSuffix("((embedding::halfvec(3072)) halfvec_l2_ops)"))
        #expect(long.indexedOrder(to: "$1::vector") == "(e.embedding::halfvec(3072)) <-> $1::vector::halfvec(3072)")
    }

    @Test func `a plan is exact in the exact zone and where that is cheaper`() {
        func plan(_ matches: Int, _ total: Int, _ candidates: Int? = 100, indexed: Bool = true) -> SearchPlan {
            SearchPlan.choose(matches: matches, total: total, candidates: candidates, zone: 1000, indexed: indexed)
        }
        #expect(plan(1000, 1_000_000) == .exact)
        #expect(plan(2000, 20_000) == .exact)
        #expect(plan(20_000, 20_000) == .approximate(candidates: 100, scanLimit: 2048, matches: 20_000))
        #expect(plan(100_000, 1_000_000) == .approximate(candidates: 200, scanLimit: 8192, matches: 100_000))
        #expect(plan(20_000, 20_000, nil) == .exact)
        #expect(plan(20_000, 20_000, indexed: false) == .exact)
        #expect(plan(1500, 1500, 4000) == .exact)
    }

    @Test func `the codes of one user are read where that is cheapest`() {
        func plan(_ matches: Int, _ total: Int, _ candidates: Int? = 100) -> SearchPlan {
            SearchPlan.choose(
                matches: matches, total: total, candidates: candidates, zone: 1000, indexed: true, coded: true)
        }
        #expect(plan(1000, 1_000_000) == .exact)
        #expect(plan(2000, 20_000) == .coded(candidates: 300, matches: 2000))
        #expect(plan(12_000, 1_000_000) == .coded(candidates: 1200, matches: 12_000))
        #expect(plan(100_000, 1_000_000) == .approximate(candidates: 200, scanLimit: 8192, matches: 100_000))
        #expect(plan(2000, 20_000, nil) == .exact)
    }
}
