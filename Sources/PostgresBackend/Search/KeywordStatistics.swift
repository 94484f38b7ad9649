import AgentMemory
import Logging
import PostgresDriver

/// What the rank of keyword search needs to know of the whole store (rule S5).
struct KeywordStatistics: Sendable {
    /// How many records there are.
    let records: Int
    /// How many words they have on average; 0 without any.
    let average: Double
    /// How many records hold each word of the query, and how often one of them holds it at most.
    let words: [(holding: Int, most: Int)]
    /// Equal as long as the same records match every filter that has no condition on
    /// `last_accessed`; `nil` if the sums are not complete.
    let version: String?

    /// The weight of each word.
    var idf: [Double] {
        words.map { BM25.inverseDocumentFrequency(documents: records, containing: $0.holding) }
    }

    /// Which records can be among the best of the whole store.
    func cutoff(firstLook: Int) -> KeywordCutoff {
        cutoff(words.indices, holding: words.map(\.holding), of: records, firstLook: firstLook)
    }

    /// Which records can be among the best of some.
    ///
    /// - Parameters:
    ///   - positions: of the words that count.
    ///   - holding: how many of these records hold each of all words.
    ///   - matches: how many records they are.
    func cutoff(
        _ positions: some Sequence<Int>, holding: [Int], of matches: Int, firstLook: Int
    ) -> KeywordCutoff {
        KeywordCutoff(
            positions.map {
                KeywordCutoff.Word(holding: holding[$0], of: matches, most: words[$0].most, average: average)
            }, records: matches, firstLook: firstLook)
    }

    /// - Parameter result: that of ``KeywordStatisticsSQL/of(_:)``.
    init(_ result: PostgresResult) throws {
        let row = try result[0]
        let (holding, most) = (try result.column("holding"), try result.column("most"))
        records = try row.int("records")
        average = try row.float8(try result.column("average"))
        let version = try result.column("version")
        self.version = try row.bool(try result.column("is_complete")) ? try row.text(version) : nil
        words = try result.rows.filter { !$0.isNull(holding) }.map { (try $0.int(holding), try $0.int(most)) }
    }
}

/// The sums that triggers keep of the words of all records (`Migrations/0016_count_words.sql`).
enum KeywordStatisticsSQL {
    /// Whether the sums hold every record.
    private static let isComplete = "EXISTS (SELECT FROM memory_word_changes WHERE is_base)"

    /// Each word of the changes. In the list of columns, where it takes half of the time that a
    /// join with the elements would take.
    private static let changedWords = "(SELECT sign, unnest(words) AS word FROM memory_word_changes)"

    /// How often a record can hold a word, where that was not counted: as many words of a text
    /// count.
    private static let mostPossible = TextAnalyzer.maximumWordsPerText

    /// A row for each word, in their order: how many records hold it, with the values of the whole
    /// store.
    static func of(_ words: [String]) -> PostgresStatement {
        var sql = SQLBuilder()
        let text = query(words, &sql)
        return sql.statement(text)
    }

    /// The text of ``of(_:)``; `n` numbers the words from 1 on.
    static func query(_ words: [String], _ sql: inout SQLBuilder) -> String {
        let list = sql.bind(words)
        let counted = "SELECT count(*) FROM memories m WHERE \(KeywordSQL.words) @> ARRAY[g.text]"
        return """
            WITH given AS MATERIALIZED (SELECT w.n, w.text, hashtextextended(w.text COLLATE "C", 0) AS word \
            FROM unnest(\(list)) WITH ORDINALITY AS w (text, n)), \
            recent AS MATERIALIZED (SELECT g.n, sum(u.sign) AS records FROM \(changedWords) u \
            JOIN given g ON g.word = u.word GROUP BY g.n), \
            repeats AS MATERIALIZED (SELECT g.n, max(u.times) AS most FROM \
            (SELECT unnest(repeated) AS word, unnest(times) AS times FROM memory_word_changes) u \
            JOIN given g ON g.word = u.word GROUP BY g.n), \
            store AS MATERIALIZED (SELECT coalesce(sum(records), 0)::bigint AS records, \
            coalesce(sum(words)::float8 / nullif(sum(records), 0), 0)::float8 AS average FROM memory_totals), \
            state AS MATERIALIZED (SELECT coalesce(bool_or(is_base), false) AS is_complete, \
            concat_ws(' ', count(*), sum(number), max(number)) AS version FROM memory_word_changes) \
            SELECT g.n, s.records, s.average, a.is_complete, a.version, \
            CASE WHEN g.n IS NULL THEN NULL WHEN a.is_complete \
            THEN greatest(0, coalesce(w.records, 0) + coalesce(r.records, 0))::bigint ELSE (\(counted)) END AS holding, \
            (CASE WHEN a.is_complete THEN greatest(1, w.most, p.most) ELSE \(mostPossible) END)::bigint AS most \
            FROM store s CROSS JOIN state a LEFT JOIN given g ON true LEFT JOIN memory_words w ON w.word = g.word \
            LEFT JOIN recent r ON r.n = g.n LEFT JOIN repeats p ON p.n = g.n ORDER BY g.n
            """
    }

    /// How many records hold the word; right only where the sums are complete.
    static func holding(_ word: String) -> String {
        """
        ((SELECT coalesce(sum(records), 0) FROM memory_words WHERE word = hashtextextended(\(word) COLLATE "C", 0)) \
        + (SELECT coalesce(sum(u.sign), 0) FROM \(changedWords) u WHERE u.word = hashtextextended(\(word) COLLATE "C", 0)))::bigint
        """
    }

    // MARK: Keeping the sums

    /// Lets one server at a time change the sums; held until the transaction ends, so that the next
    /// statement sees what the one before it did.
    static let lock = PostgresStatement(
        "SELECT pg_advisory_xact_lock(hashtextextended('agent-memory words ' || current_schema(), 0))")

    /// One row: how many changes wait to be folded in, the bytes of their words, and whether the
    /// sums are complete.
    static let state = PostgresStatement(
        "SELECT count(*), coalesce(sum(pg_column_size(words)), 0)::bigint, \(isComplete) FROM memory_word_changes")

    /// Adds the changes to the sums.
    static let fold = PostgresStatement(
        """
        WITH taken AS (DELETE FROM memory_word_changes WHERE \(isComplete) RETURNING sign, words, repeated, times), \
        base AS (INSERT INTO memory_word_changes (is_base) SELECT true WHERE EXISTS (SELECT FROM taken)), \
        repeats AS MATERIALIZED (SELECT u.word, max(u.times) AS most FROM taken t \
        CROSS JOIN LATERAL unnest(t.repeated, t.times) AS u (word, times) GROUP BY u.word), \
        summed AS MATERIALIZED (SELECT s.word, s.records, coalesce(r.most, 1) AS most, \
        s.records + coalesce(w.records, 0) AS total FROM (SELECT u.word, sum(t.sign) AS records FROM taken t \
        CROSS JOIN LATERAL unnest(t.words) AS u (word) GROUP BY u.word) s LEFT JOIN repeats r ON r.word = s.word \
        LEFT JOIN memory_words w ON w.word = s.word), \
        gone AS (DELETE FROM memory_words WHERE word IN (SELECT word FROM summed WHERE total <= 0)) \
        INSERT INTO memory_words AS w (word, records, most) SELECT word, records, most FROM summed WHERE total > 0 \
        ON CONFLICT (word) DO UPDATE SET records = w.records + excluded.records, most = greatest(w.most, excluded.most)
        """)

    /// Counts the words of all records, in place of the changes that this snapshot shows.
    static let completion = PostgresStatement(
        """
        WITH taken AS (DELETE FROM memory_word_changes WHERE NOT \(isComplete)), \
        base AS (INSERT INTO memory_word_changes (is_base) SELECT true WHERE NOT \(isComplete)) \
        INSERT INTO memory_words (word, records, most) SELECT r.word, count(*), max(r.times) \
        FROM (SELECT hashtextextended(w.word, 0) AS word, count(*)::int AS times FROM memories m \
        CROSS JOIN LATERAL unnest(\(KeywordSQL.words)) AS w (word) WHERE NOT \(isComplete) \
        GROUP BY m.number, w.word) r GROUP BY r.word
        """)
}

extension PostgresMemoryDatabase {
    /// Beyond so many changes, or bytes of their words, they are folded in: every keyword search
    /// reads them.
    private static let waiting = (changes: 8, bytes: 64 << 10)
    /// How long that may take: a copy of millions of records past the server is one change, which
    /// takes longer than a call may. A million of 15 words took 10 s.
    private static let foldLimit: Duration = .seconds(600)

    /// Keeps the sums of words short, and makes them if the store is older than they are.
    func foldWords() async throws {
        // On the nodes of a cluster no trigger writes the changes.
        guard layout == nil else { return }
        let state = try await database.query(
            KeywordStatisticsSQL.state, retry: .repeatable, deadline: database.deadline
        ).singleRow()
        if try !state.bool(2) {
            try await completeWords()
        } else if try state.int(0) > Self.waiting.changes || state.int(1) > Self.waiting.bytes {
            _ = try await database.pipeline(
                [
                    database.configuration.statementLimit(Self.foldLimit), KeywordStatisticsSQL.lock,
                    KeywordStatisticsSQL.fold,
                ], retry: .onlyIfNotExecuted, deadline: .now + Self.foldLimit)
        }
    }

    private func completeWords() async throws {
        logger.info("counting the words of the stored records")
        try await database.session.withConnection { connection in
            _ = try await connection.pipeline(
                [KeywordStatisticsSQL.lock, KeywordStatisticsSQL.completion], deadline: SchemaConnection.deadline())
        }
        logger.info("counted the words of the stored records")
    }
}
