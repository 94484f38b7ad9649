import AgentMemory
import PostgresDriver

/// The columns of a result that have the fields of records, found by name once for all rows.
struct RecordColumns {
    /// By the position of the field.
    private let numbers: [Int]

    /// - Throws: ``PostgresError`` with code `unexpectedResult` if the result does not have all of
    ///   them.
    init(of result: PostgresResult) throws(PostgresError) {
        var numbers: [Int] = []
        for field in RecordField.allCases { numbers.append(try result.column(field.name)) }
        self.numbers = numbers
    }

    subscript(field: RecordField) -> Int { numbers[field.rawValue] }
}

/// Reads the fields of a record from one row of `memories`.
struct RecordRow: RecordSource {
    let row: PostgresRow
    let columns: RecordColumns

    func text(_ field: RecordField) throws -> String { try row.text(columns[field]) }
    func optionalText(_ field: RecordField) throws -> String? { try row.optionalText(columns[field]) }
    func texts(_ field: RecordField) throws -> [String] { try row.textArray(columns[field]) }
    func flag(_ field: RecordField) throws -> Bool { try row.bool(columns[field]) }
    func letterFlag(_ field: RecordField) throws -> Bool { try row.bool(columns[field]) }
    func count(_ field: RecordField) throws -> Int { try row.int(columns[field]) }
    func object(_ field: RecordField) throws -> JSONObject { try row.jsonObject(columns[field]) }
    func date(_ field: RecordField) throws -> Timestamp { try row.date(columns[field]) }
    func optionalDate(_ field: RecordField) throws -> Timestamp? { try row.optionalDate(columns[field]) }

    /// An unknown value, perhaps of another version, counts as semantic.
    func memoryType(_ field: RecordField) throws -> MemoryType { MemoryType(rawValue: try text(field)) ?? .semantic }
}

extension PostgresResult {
    /// The records of a result whose rows are records.
    func records() throws -> [MemoryRecord] {
        let columns = try RecordColumns(of: self)
        return try rows.map { row in
            var source = RecordRow(row: row, columns: columns)
            return try MemoryRecord(reading: &source)
        }
    }

    /// ``records()`` by their ids.
    func recordsByID() throws -> [ExactString: MemoryRecord] {
        var byID: [ExactString: MemoryRecord] = [:]
        for record in try records() { byID[ExactString(record.id)] = record }
        return byID
    }
}
