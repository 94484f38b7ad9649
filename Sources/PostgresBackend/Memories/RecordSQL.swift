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

    /// The sizes of statements of several records, so that few texts have to be prepared.
    private static let chunkSizes = [64, 16, 4, 1]

    /// The rows in the portions in which ``upsert(_:vectorsAt:replaces:within:)`` writes them.
    static func chunks(of rows: [PostgresMemoryDatabase.Row]) -> [ArraySlice<PostgresMemoryDatabase.Row>] {
        var chunks: [ArraySlice<PostgresMemoryDatabase.Row>] = []
        var rest = rows[...]
        for size in chunkSizes {
            while rest.count >= size {
                chunks.append(rest.prefix(size))
                rest = rest.dropFirst(size)
            }
        }
        return chunks
    }

    /// Stores whole records with their vectors, in place of those with their ids. Affects as many
    /// rows as records were stored.
    ///
    /// - Parameters:
    ///   - rows: of different ids, in the order of ``chunks(of:)``.
    ///   - replaces: otherwise a record of the same id stays as it is, and is not counted.
    ///   - scope: a record of the same id outside of it stays as it is, and is not counted.
    static func upsert(
        _ rows: some Collection<PostgresMemoryDatabase.Row>, vectorsAt place: VectorPlace, replaces: Bool = true,
        within scope: AccessScope = .everything
    ) -> PostgresStatement {
        var sql = SQLBuilder()
        let hasTokens = rows.contains { $0.encoding.tokens != nil }
        var given: [String] = []
        var values: [String] = []
        for row in rows {
            let bound = binds(row.record, words: row.words).map { sql.bind($0) }
            values.append("(\(bound.joined(separator: ", ")))")
            var extra = [bound[0], sql.bind(row.encoding.vector)]
            if hasTokens {
                extra.append(sql.bind(row.encoding.tokens.map { .bytes($0.bits.storedBytes) } ?? .null(.bytea)))
            }
            given.append("(\(extra.joined(separator: ", ")))")
        }
        let tokens =
            hasTokens
            ? """
            , tokens AS (INSERT INTO memory_tokens (\(place.key), bits) SELECT s.\(place.key), g.bits FROM stored s \
            JOIN given g ON g.id = s.id WHERE g.bits IS NOT NULL \
            ON CONFLICT (\(place.key)) DO UPDATE SET bits = excluded.bits)
            """ : ""
        let owned = FilterSQL.whereClause(ScopeSQL.conditions(scope, of: "memories", &sql))
        let insertion = place.insertion("SELECT s.\(place.key), g.vector FROM stored s JOIN given g ON g.id = s.id")
        return sql.statement(
            """
            WITH given (id, vector\(hasTokens ? ", bits" : "")) AS (VALUES \(given.joined(separator: ", "))), \
            stored AS (\
            INSERT INTO memories (\((writtenColumns + keywordColumns).joined(separator: ", "))) \
            VALUES \(values.joined(separator: ", ")) \
            ON CONFLICT (id) DO \(replaces ? "UPDATE SET \(assignments)\(owned)" : "NOTHING") RETURNING \(place.key == "id" ? "id" : "number, id"))\(tokens) \
            \(insertion)
            """)
    }

    /// Writes all fields of an existing record, and its vector if there is a new one.
    ///
    /// - Parameter place: where the vector is stored.
    static func update(
        _ record: MemoryRecord, rewritten: (encoding: TextEncoding, words: [String])?, vectorsAt place: VectorPlace
    ) -> PostgresStatement {
        var sql = SQLBuilder()
        let columns = writtenColumns.dropFirst() + (rewritten == nil ? [] : keywordColumns)
        let values = binds(record, words: rewritten?.words).dropFirst().map { sql.bind($0) }
        let set = zip(columns, values).map { "\($0) = \($1)" }.joined(separator: ", ")
        let update = "UPDATE memories SET \(set) WHERE id = \(sql.bind(record.id))"
        guard let rewritten else { return sql.statement(update) }
        let tokens = tokens(of: rewritten.encoding, by: place.key, &sql)
        let vector = sql.bind(rewritten.encoding.vector)
        return sql.statement(
            """
            WITH stored AS (\(update) RETURNING \(place.key))\(tokens) \
            \(place.insertion("SELECT \(place.key), \(vector) FROM stored"))
            """)
    }

    /// One more part of the statement, where the text has tokens. The bits of an earlier text are
    /// gone already: a trigger sees to it.
    private static func tokens(of encoding: TextEncoding, by key: String, _ sql: inout SQLBuilder) -> String {
        guard let tokens = encoding.tokens else { return "" }
        let bits = sql.bind(.bytes(tokens.bits.storedBytes))
        return """
            , tokens AS (INSERT INTO memory_tokens (\(key), bits) SELECT \(key), \(bits) FROM stored \
            ON CONFLICT (\(key)) DO UPDATE SET bits = excluded.bits)
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
