/// A statement with its parameters: `$1` in the text is the first of them.
///
/// Connections prepare each text once and keep the plan, so texts must not hold values.
public struct PostgresStatement: Sendable, Hashable {
    public let sql: String
    public let parameters: [PostgresValue]

    public init(_ sql: String, _ parameters: [PostgresValue] = []) {
        self.sql = sql
        self.parameters = parameters
    }
}

/// The parameters of a statement in the form that libpq sends, in one buffer.
struct EncodedStatement: Sendable {
    let sql: String
    let types: [UInt32]
    let bytes: [UInt8]
    /// Where each parameter lies in `bytes`; `nil` is null.
    let ranges: [Range<Int>?]

    init(_ statement: PostgresStatement) {
        sql = statement.sql
        types = statement.parameters.map(\.type.oid)
        var bytes: [UInt8] = []
        var ranges: [Range<Int>?] = []
        ranges.reserveCapacity(statement.parameters.count)
        for value in statement.parameters {
            let start = bytes.count
            ranges.append(value.encode(to: &bytes) ? start..<bytes.count : nil)
        }
        self.bytes = bytes
        self.ranges = ranges
    }
}
