import AgentMemory
import PostgresDriver

/// How a record is written to the table `memories`; ``RecordRow`` reads it.
enum RecordSQL {
    /// The columns of a record, named as its fields.
    static let columns = RecordField.allCases.map(\.name)

    /// The column that filters on metadata read; it follows from the record.
    static let metadataTerms = "metadata_terms"

    private static let writtenColumns = columns + [metadataTerms]

    /// The additional columns that searches need.
    static let keywordColumns = ["keyword_text", "keyword_count", "keyword_analysis"]

    /// `m.id, m.text, …`
    static let selection = columns.map { "m.\($0)" }.joined(separator: ", ")

    private static let assignments = (writtenColumns.dropFirst() + keywordColumns)
        .map { "\($0) = excluded.\($0)" }.joined(separator: ", ")

    /// Stores the whole record with its vector, in place of one with its id.
    ///
    /// - Parameters:
    ///   - table: the table of the vectors.
    ///   - replaces: otherwise a record of the same id stays as it is, and no row is affected.
    ///   - scope: a record of the same id outside of it stays as it is, and no row is affected.
    static func upsert(
        _ record: MemoryRecord, encoding: TextEncoding, words: [String], vectorsIn table: String, replaces: Bool = true,
        within scope: AccessScope = .everything
    ) -> PostgresStatement {
        var sql = SQLBuilder()
        let values = binds(record, words: words).map { sql.bind($0) }
        let tokens = tokens(of: encoding, &sql)
        let vector = sql.bind(encoding.vector)
        let owned = FilterSQL.whereClause(ScopeSQL.conditions(scope, of: "memories", &sql))
        return sql.statement(
            """
            WITH stored AS (\
            INSERT INTO memories (\((writtenColumns + keywordColumns).joined(separator: ", "))) \
            VALUES (\(values.joined(separator: ", "))) \
            ON CONFLICT (id) DO \(replaces ? "UPDATE SET \(assignments)\(owned)" : "NOTHING") RETURNING number)\(tokens) \
            INSERT INTO \(table) (number, embedding) SELECT number, \(vector) FROM stored \
            ON CONFLICT (number) DO UPDATE SET embedding = excluded.embedding
            """)
    }

    /// Writes all fields of an existing record, and its vector if there is a new one.
    ///
    /// - Parameter table: the table of the vectors.
    static func update(
        _ record: MemoryRecord, rewritten: (encoding: TextEncoding, words: [String])?, vectorsIn table: String
    ) -> PostgresStatement {
        var sql = SQLBuilder()
        let columns = writtenColumns.dropFirst() + (rewritten == nil ? [] : keywordColumns)
        let values = binds(record, words: rewritten?.words).dropFirst().map { sql.bind($0) }
        let set = zip(columns, values).map { "\($0) = \($1)" }.joined(separator: ", ")
        let update = "UPDATE memories SET \(set) WHERE id = \(sql.bind(record.id))"
        guard let rewritten else { return sql.statement(update) }
        let tokens = tokens(of: rewritten.encoding, &sql)
        let vector = sql.bind(rewritten.encoding.vector)
        return sql.statement(
            """
            WITH stored AS (\(update) RETURNING number)\(tokens) \
            INSERT INTO \(table) (number, embedding) SELECT number, \(vector) FROM stored \
            ON CONFLICT (number) DO UPDATE SET embedding = excluded.embedding
            """)
    }

    /// One more part of the statement, where the text has tokens. The bits of an earlier text are
    /// gone already: a trigger sees to it.
    private static func tokens(of encoding: TextEncoding, _ sql: inout SQLBuilder) -> String {
        guard let tokens = encoding.tokens else { return "" }
        let bits = sql.bind(.bytes(tokens.bits.storedBytes))
        return """
            , tokens AS (INSERT INTO memory_tokens (number, bits) SELECT number, \(bits) FROM stored \
            ON CONFLICT (number) DO UPDATE SET bits = excluded.bits)
            """
    }

    /// - Parameter words: `nil` leaves the keyword columns out.
    private static func binds(_ record: MemoryRecord, words: [String]?) -> [PostgresValue] {
        var values = RecordField.allCases.map { PostgresValue(record.value(of: $0)) }
        values.append(metadataValue(record.metadata))
        if let words { values += keywordValues(words) }
        return values
    }
}

extension RecordSQL {
    /// That of ``metadataTerms``.
    static func metadataValue(_ metadata: JSONObject) -> PostgresValue {
        .textArray(MetadataTerms.of(metadata, withPrefixes: false))
    }

    /// Those of ``keywordColumns``.
    static func keywordValues(_ words: [String]) -> [PostgresValue] {
        [
            .text(KeywordSQL.text(of: words)), .int4(Int32(words.count)),
            .int4(Int32(TextAnalyzer.Analysis.current.rawValue)),
        ]
    }
}

extension PostgresValue {
    /// The value of a record's field in the form of its column.
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
