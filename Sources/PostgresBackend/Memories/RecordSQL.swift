import AgentMemory
import PostgresDriver

/// How a record is written to and read from the table `memories`.
enum RecordSQL {
    /// The columns that make a record, in the order in which ``decode(_:from:)`` reads them.
    static let columns = [
        "id", "text", "session_id", "user_id", "namespace", "memory_type", "topics", "entities", "extracted_from",
        "discrete_memory_extracted", "extraction_strategy", "extraction_strategy_config", "metadata", "memory_hash",
        "pinned", "access_count", "created_at", "last_accessed", "updated_at", "persisted_at", "event_date",
    ]

    /// The columns that searches need besides.
    static let keywordColumns = ["keyword_text", "keyword_count"]

    /// `m.id, m.text, …`
    static let selection = columns.map { "m.\($0)" }.joined(separator: ", ")

    private static let assignments = (columns.dropFirst() + keywordColumns)
        .map { "\($0) = excluded.\($0)" }.joined(separator: ", ")

    /// Stores the record whole, in place of one with its id, with its vector.
    ///
    /// - Parameters:
    ///   - table: that of the vectors.
    ///   - replaces: otherwise a record of the same id stays as it is, and no row is affected.
    static func upsert(
        _ record: MemoryRecord, embedding: [Float], words: [String], vectorsIn table: String, replaces: Bool = true
    ) -> PostgresStatement {
        var sql = SQLBuilder()
        let values = binds(record, words: words).map { sql.bind($0) }
        let vector = sql.bind(embedding)
        return sql.statement(
            """
            WITH stored AS (\
            INSERT INTO memories (\((columns + keywordColumns).joined(separator: ", "))) \
            VALUES (\(values.joined(separator: ", "))) \
            ON CONFLICT (id) DO \(replaces ? "UPDATE SET \(assignments)" : "NOTHING") RETURNING number) \
            INSERT INTO \(table) (number, embedding) SELECT number, \(vector) FROM stored \
            ON CONFLICT (number) DO UPDATE SET embedding = excluded.embedding
            """)
    }

    /// Writes all fields of a record that exists, and its vector where there is a new one.
    ///
    /// - Parameter table: that of the vectors.
    static func update(
        _ record: MemoryRecord, rewritten: (embedding: [Float], words: [String])?, vectorsIn table: String
    ) -> PostgresStatement {
        var sql = SQLBuilder()
        let columns = self.columns.dropFirst() + (rewritten == nil ? [] : keywordColumns)
        let values = binds(record, words: rewritten?.words).dropFirst().map { sql.bind($0) }
        let set = zip(columns, values).map { "\($0) = \($1)" }.joined(separator: ", ")
        let update = "UPDATE memories SET \(set) WHERE id = \(sql.bind(record.id))"
        guard let rewritten else { return sql.statement(update) }
        let vector = sql.bind(rewritten.embedding)
        return sql.statement(
            """
            WITH stored AS (\(update) RETURNING number) \
            INSERT INTO \(table) (number, embedding) SELECT number, \(vector) FROM stored \
            ON CONFLICT (number) DO UPDATE SET embedding = excluded.embedding
            """)
    }

    /// - Parameter words: `nil` leaves the keyword columns out.
    private static func binds(_ record: MemoryRecord, words: [String]?) -> [PostgresValue] {
        var values: [PostgresValue] = [
            .text(record.id), .text(record.text), .text(record.sessionID), .text(record.userID),
            .text(record.namespace), .text(record.memoryType.rawValue), .textArray(record.topics),
            .textArray(record.entities), .textArray(record.extractedFrom), .bool(record.discreteMemoryExtracted),
            .text(record.extractionStrategy), .json(.object(record.extractionStrategyConfig)),
            .json(.object(record.metadata)),
            .text(record.memoryHash), .bool(record.pinned), .int8(Int64(record.accessCount)),
            .timestamp(microseconds: record.createdAt.microseconds),
            .timestamp(microseconds: record.lastAccessed.microseconds),
            .timestamp(microseconds: record.updatedAt.microseconds),
            .timestamp(record.persistedAt?.microseconds), .timestamp(record.eventDate?.microseconds),
        ]
        if let words { values += [.text(KeywordSQL.text(of: words)), .int4(Int32(words.count))] }
        return values
    }

    /// The record whose columns begin at column `first` of the row.
    static func decode(_ row: PostgresRow, from first: Int = 0) throws -> MemoryRecord {
        MemoryRecord(
            storedID: try row.text(first),
            text: try row.text(first + 1),
            sessionID: try row.optionalText(first + 2),
            userID: try row.optionalText(first + 3),
            namespace: try row.optionalText(first + 4),
            memoryType: MemoryType(rawValue: try row.text(first + 5)) ?? .semantic,
            topics: try row.textArray(first + 6),
            entities: try row.textArray(first + 7),
            extractedFrom: try row.textArray(first + 8),
            discreteMemoryExtracted: try row.bool(first + 9),
            extractionStrategy: try row.text(first + 10),
            extractionStrategyConfig: try row.jsonObject(first + 11),
            metadata: try row.jsonObject(first + 12),
            memoryHash: try row.text(first + 13),
            pinned: try row.bool(first + 14),
            accessCount: try row.int(first + 15),
            createdAt: try row.date(first + 16),
            lastAccessed: try row.date(first + 17),
            updatedAt: try row.date(first + 18),
            persistedAt: try row.optionalDate(first + 19),
            eventDate: try row.optionalDate(first + 20))
    }
}
