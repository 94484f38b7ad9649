import CPostgres

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The rows that one statement returned, in binary.
///
/// Memory of libpq is read in place; nothing is copied before a value is read.
// @unchecked: libpq never changes a complete PGresult, and documents that any thread may read it;
// the pointer is private and freed once, with the last reference.
public final class PostgresResult: @unchecked Sendable {
    private let pointer: OpaquePointer
    public let count: Int
    public let columnCount: Int

    init(owning pointer: OpaquePointer) {
        self.pointer = pointer
        count = Int(PQntuples(pointer))
        columnCount = Int(PQnfields(pointer))
    }

    deinit {
        PQclear(pointer)
    }

    /// How many rows an INSERT, UPDATE or DELETE has affected.
    public var affectedRows: Int {
        PQcmdTuples(pointer).flatMap { Int(String(cString: $0)) } ?? 0
    }

    /// The number of the first column of this name, for reading values of rows. Each call searches
    /// for it: call it once for all rows of a large result.
    ///
    /// - Throws: ``PostgresError`` with code `unexpectedResult` if there is none.
    public func column(_ name: String) throws(PostgresError) -> Int {
        for column in 0..<columnCount where PQfname(pointer, Int32(column)).map({ strcmp($0, name) == 0 }) ?? false {
            return column
        }
        throw PostgresError(.unexpectedResult, "the result has no column \(name)")
    }

    /// The rows from the first to the last.
    public var rows: some Sequence<PostgresRow> {
        (0..<count).lazy.map { PostgresRow(result: self, index: $0) }
    }

    /// - Throws: ``PostgresError`` with code `unexpectedResult` if the server sent fewer rows.
    public subscript(row: Int) -> PostgresRow {
        get throws(PostgresError) {
            guard row >= 0, row < count else {
                throw PostgresError(.unexpectedResult, "row \(row) was expected, the server sent \(count)")
            }
            return PostgresRow(result: self, index: row)
        }
    }

    /// The only row of a statement that always returns one.
    ///
    /// - Throws: ``PostgresError`` with code `unexpectedResult`.
    public func singleRow() throws(PostgresError) -> PostgresRow {
        guard count == 1 else {
            throw PostgresError(.unexpectedResult, "one row was expected, the server sent \(count)")
        }
        return PostgresRow(result: self, index: 0)
    }

    func isNull(_ row: Int, _ column: Int) -> Bool {
        PQgetisnull(pointer, Int32(row), Int32(column)) == 1
    }

    /// The bytes of a value; valid as long as the result exists.
    func withBytes<T, E: Error>(
        _ row: Int, _ column: Int, _ body: (UnsafeRawBufferPointer) throws(E) -> T
    ) throws(E) -> T {
        let start = PQgetvalue(pointer, Int32(row), Int32(column))
        let length = Int(PQgetlength(pointer, Int32(row), Int32(column)))
        return try body(UnsafeRawBufferPointer(start: start, count: length))
    }
}
