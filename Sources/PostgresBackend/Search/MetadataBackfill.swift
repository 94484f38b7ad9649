import AgentMemory
import Logging
import PostgresDriver

/// Gives the records that a server of an older version wrote the terms of their metadata. Several
/// servers may do so at once, and records may change meanwhile.
extension PostgresMemoryDatabase {
    private static let batchSize = 500

    /// Makes terms until no record is without; one that is being written at this moment is left to
    /// the next call.
    func completeMetadataTerms() async throws {
        // A spread store is younger than the terms.
        guard layout != .spread else { return }
        var completed = 0
        var last = 0
        while true {
            let records = try await database.query(
                Self.withoutTerms(after: last, limit: Self.batchSize), retry: .repeatable, deadline: database.deadline
            ).rows.map { (number: try $0.int(0), metadata: try $0.jsonObject(1), text: try $0.text(2)) }
            guard let end = records.last?.number else { break }
            last = end
            let statements = records.map { Self.completion(of: $0.number, $0.metadata, text: $0.text) }
            let results = try await database.pipeline(
                statements, retry: .repeatable, deadline: database.deadline,
                perStatement: database.configuration.timeout)
            completed += results.reduce(0) { $0 + $1.affectedRows }
        }
        if completed > 0 {
            logger.info("made the terms of the metadata of older records", metadata: ["count": "\(completed)"])
        }
    }

    /// Rows: number and metadata, as JSON and as text, by number.
    private static func withoutTerms(after number: Int, limit: Int) -> PostgresStatement {
        var sql = SQLBuilder()
        let number = sql.bind(number)
        let limit = sql.bind(limit)
        return sql.statement(
            """
            SELECT m.number, m.metadata, m.metadata::text FROM memories m \
            WHERE m.\(RecordSQL.metadataTerms) IS NULL AND m.number > \(number) ORDER BY m.number LIMIT \(limit)
            """)
    }

    /// Stores the terms with the record that still has this metadata.
    private static func completion(
        of number: Int, _ metadata: JSONObject, text: String
    ) -> PostgresStatement {
        var sql = SQLBuilder()
        let terms = sql.bind(RecordSQL.metadataValue(metadata))
        let number = sql.bind(number)
        let text = sql.bind(text)
        return sql.statement(
            """
            WITH same AS (SELECT number FROM memories WHERE number = \(number) AND metadata::text = \(text) \
            AND \(RecordSQL.metadataTerms) IS NULL FOR NO KEY UPDATE SKIP LOCKED) \
            UPDATE memories SET \(RecordSQL.metadataTerms) = \(terms) FROM same WHERE memories.number = same.number
            """)
    }
}
