/// A type of the server's catalogue whose number never changes.
public struct PostgresType: Sendable, Hashable {
    public let oid: UInt32

    public init(oid: UInt32) {
        self.oid = oid
    }

    /// Left for the server to infer from the statement, as a cast does: for types of extensions.
    public static let inferred = PostgresType(oid: 0)
    public static let bool = PostgresType(oid: 16)
    public static let bytea = PostgresType(oid: 17)
    public static let int8 = PostgresType(oid: 20)
    public static let int4 = PostgresType(oid: 23)
    public static let text = PostgresType(oid: 25)
    public static let float8 = PostgresType(oid: 701)
    public static let boolArray = PostgresType(oid: 1000)
    public static let textArray = PostgresType(oid: 1009)
    public static let int8Array = PostgresType(oid: 1016)
    public static let timestamptz = PostgresType(oid: 1184)
    public static let timestamptzArray = PostgresType(oid: 1185)
}

/// One parameter of a statement, with its type. All travel in the server's binary format.
public enum PostgresValue: Sendable, Hashable {
    case null(PostgresType)
    case bool(Bool)
    case int4(Int32)
    case int8(Int64)
    case float8(Double)
    /// Must not contain NUL, which the server refuses.
    case text(String)
    case bytes([UInt8])
    /// Microseconds since 1970-01-01T00:00:00Z.
    case timestamp(microseconds: Int64)
    case textArray([String])
    case int8Array([Int64])
    case boolArray([Bool])
    /// As ``timestamp(microseconds:)``; `nil` is null.
    case timestampArray(microseconds: [Int64?])
    /// The binary form of a value of a type that the statement's own cast names.
    case inferred([UInt8])

    public static func text(_ value: String?) -> PostgresValue {
        if let value { .text(value) } else { .null(.text) }
    }

    public static func timestamp(_ microseconds: Int64?) -> PostgresValue {
        if let microseconds { .timestamp(microseconds: microseconds) } else { .null(.timestamptz) }
    }

    public var type: PostgresType {
        switch self {
        case .null(let type): type
        case .bool: .bool
        case .int4: .int4
        case .int8: .int8
        case .float8: .float8
        case .text: .text
        case .bytes: .bytea
        case .timestamp: .timestamptz
        case .textArray: .textArray
        case .int8Array: .int8Array
        case .boolArray: .boolArray
        case .timestampArray: .timestamptzArray
        case .inferred: .inferred
        }
    }

    /// Seconds from 1970-01-01 to 2000-01-01, where the server's own clock begins, in microseconds.
    static let epochShift: Int64 = 946_684_800_000_000

    /// Appends the binary form.
    ///
    /// - Returns: whether there is one; a null does not have one.
    func encode(to buffer: inout [UInt8]) -> Bool {
        switch self {
        case .null: return false
        case .bool(let value): buffer.append(value ? 1 : 0)
        case .int4(let value): buffer.append(bigEndian: value)
        case .int8(let value): buffer.append(bigEndian: value)
        case .float8(let value): buffer.append(bigEndian: value.bitPattern)
        case .text(let value): buffer.append(contentsOf: value.utf8)
        case .bytes(let bytes), .inferred(let bytes): buffer.append(contentsOf: bytes)
        case .timestamp(let microseconds): buffer.append(bigEndian: microseconds.sinceServerEpoch)
        case .textArray(let values):
            buffer.appendArrayHeader(of: .text, count: values.count)
            for value in values {
                buffer.append(bigEndian: Int32(value.utf8.count))
                buffer.append(contentsOf: value.utf8)
            }
        case .int8Array(let values):
            buffer.appendArrayHeader(of: .int8, count: values.count)
            for value in values {
                buffer.append(bigEndian: Int32(8))
                buffer.append(bigEndian: value)
            }
        case .boolArray(let values):
            buffer.appendArrayHeader(of: .bool, count: values.count)
            for value in values {
                buffer.append(bigEndian: Int32(1))
                buffer.append(value ? 1 : 0)
            }
        case .timestampArray(let values):
            buffer.appendArrayHeader(of: .timestamptz, count: values.count, hasNulls: values.contains(nil))
            for value in values {
                guard let value else {
                    buffer.append(bigEndian: Int32(-1))
                    continue
                }
                buffer.append(bigEndian: Int32(8))
                buffer.append(bigEndian: value.sinceServerEpoch)
            }
        }
        return true
    }
}

extension Int64 {
    /// Microseconds since 1970 as the server counts them; times before its earliest one become that
    /// one.
    fileprivate var sinceServerEpoch: Int64 {
        let (shifted, overflow) = subtractingReportingOverflow(PostgresValue.epochShift)
        return overflow ? .min + 1 : shifted
    }
}

extension [UInt8] {
    mutating func append(bigEndian value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }

    /// One dimension from index 1 on; an empty array has no dimension.
    fileprivate mutating func appendArrayHeader(of type: PostgresType, count: Int, hasNulls: Bool = false) {
        append(bigEndian: Int32(count == 0 ? 0 : 1))
        append(bigEndian: Int32(hasNulls ? 1 : 0))
        append(bigEndian: type.oid)
        guard count > 0 else { return }
        append(bigEndian: Int32(count))
        append(bigEndian: Int32(1))
    }
}
