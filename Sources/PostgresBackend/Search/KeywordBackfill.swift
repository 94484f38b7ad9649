import AgentMemory
import Logging
import PostgresDriver

/// Gives the records that an older version of the analyser made words for the words of the current
/// one. Several servers may do so at once, and records may change meanwhile.
extension PostgresMemoryDatabase {
    /// The condition of the index `memories_to_analyze`, which the planner uses only where it is
    /// repeated exactly (`Migrations/0005_add_keyword_analysis.sql`).
    static let needsAnalysis = """
        m.keyword_analysis < 2 AND m.keyword_text ~ \
        '[\\u0E00-\\u0EFF\\u1000-\\u109F\\u1780-\\u17FF\\u3005-\\u30FF\\u31F0-\\u31FF\\u3400-\\u9FFF\\uA9E0-\\uAA7F\\uF900-\\uFAFF\\uFF66-\\uFF9F\\U0001AFF0-\\U0001B16F\\U00020000-\\U0003FFFF]'
        """

    private static let batchSize = 100

    /// Analyses records again until none is left; one that is being written at this moment is left
    /// to the next call.
    ///
    /// - Returns: how many records were changed.
    @discardableResult
    func reanalyze() async throws -> Int {
        var changed = 0
        var last = 0
        var remaining = 0
        while true {
            let records = try await database.query(
                Self.toAnalyze(after: last, limit: Self.batchSize), retry: .repeatable, deadline: database.deadline
            ).rows.map { (number: try $0.int(0), text: try $0.text(1)) }
            guard let end = records.last?.number else { break }
            if last == 0 {
                remaining = try await database.query(
                    PostgresStatement("SELECT count(*) FROM memories m WHERE \(Self.needsAnalysis)"),
                    retry: .repeatable, deadline: database.deadline
                ).singleRow().int(0)
            }
            reanalysis.report(remaining: remaining)
            last = end
            let statements = records.map { record in
                Self.reanalysis(
                    of: record.number, record.text, words: analyzer.words(in: record.text), locks: layout != .spread)
            }
            let results = try await database.pipeline(
                statements, retry: .repeatable, deadline: database.deadline,
                perStatement: database.configuration.timeout)
            changed += results.reduce(0) { $0 + $1.affectedRows }
            remaining = max(0, remaining - records.count)
        }
        reanalysis.finish()
        if changed > 0 {
            logger.info("gave records the keywords of this version", metadata: ["count": "\(changed)"])
        }
        return changed
    }

    /// Rows: number and text of records with the words of an older version, by number.
    static func toAnalyze(after number: Int, limit: Int) -> PostgresStatement {
        var sql = SQLBuilder()
        let number = sql.bind(number)
        let limit = sql.bind(limit)
        return sql.statement(
            """
            SELECT m.number, m.text FROM memories m WHERE \(needsAnalysis) AND m.number > \(number) \
            ORDER BY m.number LIMIT \(limit)
            """)
    }

    /// Stores the words of a text with the record that still has it.
    ///
    /// - Parameter locks: whether a record that is being written is passed over; otherwise the
    ///   statement waits for it.
    private static func reanalysis(
        of number: Int, _ text: String, words: [String], locks: Bool
    ) -> PostgresStatement {
        var sql = SQLBuilder()
        let set = zip(RecordSQL.keywordColumns, RecordSQL.keywordValues(words)).map { "\($0) = \(sql.bind($1))" }
        let number = sql.bind(number)
        let text = sql.bind(text)
        guard locks else {
            return sql.statement(
                """
                UPDATE memories SET \(set.joined(separator: ", ")) WHERE number = \(number) AND text = \(text) \
                AND keyword_analysis < 2
                """)
        }
        return sql.statement(
            """
            WITH same AS (SELECT number FROM memories WHERE number = \(number) AND text = \(text) \
            AND keyword_analysis < 2 FOR NO KEY UPDATE SKIP LOCKED) \
            UPDATE memories SET \(set.joined(separator: ", ")) FROM same WHERE memories.number = same.number
            """)
    }
}
