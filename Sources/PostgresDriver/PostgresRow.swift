/// One row of a result; values are read by column number, from 0 (``PostgresResult/column(_:)``).
///
/// Each reader throws ``PostgresError`` with code `unexpectedResult` if the value is null or its
/// length does not fit.
public struct PostgresRow: Sendable {
    let result: PostgresResult
    let index: Int

    /// As ``PostgresResult/column(_:)``, for results of one row.
    public func column(_ name: String) throws(PostgresError) -> Int {
        try result.column(name)
    }

    public func isNull(_ column: Int) -> Bool {
        result.isNull(index, column)
    }

    public func bool(_ column: Int) throws(PostgresError) -> Bool {
        try integer(column, UInt8.self) != 0
    }

    public func int4(_ column: Int) throws(PostgresError) -> Int32 {
        try integer(column, Int32.self)
    }

    public func int8(_ column: Int) throws(PostgresError) -> Int64 {
        try integer(column, Int64.self)
    }

    /// A `bigint` as a Swift integer.
    public func int(_ column: Int) throws(PostgresError) -> Int {
        Int(try integer(column, Int64.self))
    }

    /// The `bigint` of the column of this name (``PostgresResult/column(_:)``).
    public func int(_ name: String) throws(PostgresError) -> Int {
        try int(try column(name))
    }

    public func float8(_ column: Int) throws(PostgresError) -> Double {
        Double(bitPattern: try integer(column, UInt64.self))
    }

    /// Microseconds since 1970-01-01T00:00:00Z of a `timestamptz`.
    public func timestamp(_ column: Int) throws(PostgresError) -> Int64 {
        try integer(column, Int64.self) &+ PostgresValue.epochShift
    }

    public func text(_ column: Int) throws(PostgresError) -> String {
        try bytes(column) { String(decoding: $0, as: UTF8.self) }
    }

    public func optionalText(_ column: Int) throws(PostgresError) -> String? {
        isNull(column) ? nil : try text(column)
    }

    public func rawBytes(_ column: Int) throws(PostgresError) -> [UInt8] {
        try bytes(column) { Array($0) }
    }

    /// A `text[]` of one dimension without nulls.
    public func textArray(_ column: Int) throws(PostgresError) -> [String] {
        try bytes(column) { buffer throws(PostgresError) in
            func malformed() -> PostgresError { unexpected(column, "is not an array of texts") }
            guard buffer.count >= 12 else { throw malformed() }
            let dimensions = Int32(bigEndian: buffer.loadUnaligned(fromByteOffset: 0, as: Int32.self))
            if dimensions == 0 { return [] }
            guard dimensions == 1, buffer.count >= 20 else { throw malformed() }
            let count = Int(Int32(bigEndian: buffer.loadUnaligned(fromByteOffset: 12, as: Int32.self)))
            // Each value has four bytes of length at least.
            guard count >= 0, count <= (buffer.count - 20) / 4 else { throw malformed() }
            var values: [String] = []
            values.reserveCapacity(count)
            var offset = 20
            for _ in 0..<count {
                guard offset + 4 <= buffer.count else { throw malformed() }
                let length = Int(Int32(bigEndian: buffer.loadUnaligned(fromByteOffset: offset, as: Int32.self)))
                offset += 4
                guard length >= 0, offset + length <= buffer.count else { throw malformed() }
                values.append(String(decoding: buffer[offset..<offset + length], as: UTF8.self))
                offset += length
            }
            return values
        }
    }

    private func integer<T: FixedWidthInteger>(_ column: Int, _ type: T.Type) throws(PostgresError) -> T {
        try bytes(column) { buffer throws(PostgresError) in
            guard buffer.count == MemoryLayout<T>.size else {
                throw unexpected(column, "has \(buffer.count) bytes, not \(MemoryLayout<T>.size)")
            }
            return T(bigEndian: buffer.loadUnaligned(as: T.self))
        }
    }

    private func bytes<T>(
        _ column: Int, _ body: (UnsafeRawBufferPointer) throws(PostgresError) -> T
    ) throws(PostgresError) -> T {
        guard column < result.columnCount, !isNull(column) else { throw unexpected(column, "is null or missing") }
        return try result.withBytes(index, column, body)
    }

    private func unexpected(_ column: Int, _ what: String) -> PostgresError {
        PostgresError(.unexpectedResult, "column \(column) of the result \(what)")
    }
}
