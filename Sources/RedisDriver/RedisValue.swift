/// A reply of the server, as RESP2 has it.
public enum RedisValue: Sendable, Equatable {
    case null
    case integer(Int64)
    /// A short text such as `OK` or `QUEUED`.
    case status(String)
    /// A bulk string: any bytes.
    case bytes([UInt8])
    case array([RedisValue])
    /// An error inside a larger reply, or the reply of one command of a pipeline. Indirect, so that
    /// every other value takes a third of the room.
    indirect case error(RedisError)

    /// The text of a status or of a bulk string (bytes that are not UTF-8 are replaced); `nil` for
    /// anything else.
    public var string: String? {
        switch self {
        case .status(let text): text
        case .bytes(let bytes): String(decoding: bytes, as: UTF8.self)
        case .null, .integer, .array, .error: nil
        }
    }

    /// An integer, also if it was sent as text.
    public var integer: Int? {
        switch self {
        case .integer(let value): Int(exactly: value)
        case .status, .bytes: string.flatMap { Int($0) }
        case .null, .array, .error: nil
        }
    }

    /// A number, also if it was sent as text (`1.5`, `inf`, `nan`).
    public var double: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .status, .bytes: string.flatMap { Double($0) }
        case .null, .array, .error: nil
        }
    }

    public var array: [RedisValue]? {
        if case .array(let elements) = self { elements } else { nil }
    }

    public var isNull: Bool { self == .null }

    /// The value, unless it is an error.
    ///
    /// - Throws: the error that the server returned.
    public func get() throws(RedisError) -> RedisValue {
        if case .error(let error) = self { throw error }
        return self
    }
}
