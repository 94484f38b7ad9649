import AgentMemory
import PostgresDriver

/// How a record is written to the table `memories`; ``RecordRow`` reads it.
enum RecordSQL {
    /// The columns that make a record, named as its fields.
    static let columns = RecordField.allCases.map(\.name)

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
    ///   - scope: a record of the same id outside of it stays as it is, and no row is affected.
    static func upsert(
        _ record: MemoryRecord, embedding: [Float], words: [String], vectorsIn table: String, replaces: Bool = true,
        within scope: AccessScope = .everything
    ) -> PostgresStatement {
        var sql = SQLBuilder()
        let values = binds(record, words: words).map { sql.bind($0) }
        let vector = sql.bind(embedding)
        let owned = FilterSQL.whereClause(ScopeSQL.conditions(scope, of: "memories", &sql))
        return sql.statement(
            """
            WITH stored AS (\
            INSERT INTO memories (\((columns + keywordColumns).joined(separator: ", "))) \
            VALUES (\(values.joined(separator: ", "))) \
            ON CONFLICT (id) DO \(replaces ? "UPDATE SET \(assignments)\(owned)" : "NOTHING") RETURNING number) \
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
        var values = RecordField.allCases.map { PostgresValue(record.value(of: $0)) }
        if let words { values += [.text(KeywordSQL.text(of: words)), .int4(Int32(words.count))] }
        return values
    }
}

extension PostgresValue {
    /// The value of a record's field, as its column has it.
    fileprivate init(_ value: RecordValue) {
        self =
            switch value {
            case .text(let text): .text(text)
            case .optionalText(let text): .text(text)
            case .memoryType(let type): .text(type.rawValue)
            case .texts(let texts): .textArray(texts)
            case .flag(let flag), .letterFlag(let flag): .bool(flag)
            case .count(let count): .int8(Int64(count))
            case .object(let object): .json(.object(object))
            case .date(let date): .timestamp(microseconds: date.microseconds)
            case .optionalDate(let date): .timestamp(date?.microseconds)
            }
    }
}
