import AgentMemory
import PostgresDriver

/// Collects the parameters of one statement while its text is written, so that values never become
/// part of the text.
struct SQLBuilder {
    private(set) var parameters: [PostgresValue] = []

    /// The placeholder of a new parameter.
    mutating func bind(_ value: PostgresValue) -> String {
        parameters.append(value)
        return "$\(parameters.count)"
    }

    mutating func bind(_ values: [String]) -> String { bind(.textArray(values)) }
    mutating func bind(_ value: String) -> String { bind(.text(value)) }
    mutating func bind(_ value: Int) -> String { bind(.int8(Int64(clamping: value))) }
    mutating func bind(_ value: Double) -> String { bind(.float8(value)) }
    mutating func bind(_ value: Timestamp) -> String { bind(.timestamp(microseconds: value.microseconds)) }

    /// The placeholder of a vector, with the cast that tells the server its type.
    mutating func bind(_ vector: [Float]) -> String { bind(.inferred(VectorFormat.encode(vector))) + "::vector" }

    /// - Parameter sql: complete: a text that binds parameters while it is an argument here would
    ///   bind too late.
    func statement(_ sql: String) -> PostgresStatement {
        PostgresStatement(sql, parameters)
    }
}

/// pgvector's binary format: the number of dimensions, two bytes of zero, then each value, all
/// big-endian.
enum VectorFormat {
    static func encode(_ vector: [Float]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 4 + 4 * vector.count) { buffer, count in
            let raw = UnsafeMutableRawBufferPointer(buffer)
            raw.storeBytes(of: UInt16(vector.count).bigEndian, toByteOffset: 0, as: UInt16.self)
            raw.storeBytes(of: 0, toByteOffset: 2, as: UInt16.self)
            for (index, value) in vector.enumerated() {
                raw.storeBytes(of: value.bitPattern.bigEndian, toByteOffset: 4 + 4 * index, as: UInt32.self)
            }
            count = 4 + 4 * vector.count
        }
    }

    /// - Returns: `nil` for bytes in another format.
    static func decode(_ bytes: [UInt8]) -> [Float]? {
        guard bytes.count >= 4, (bytes.count - 4).isMultiple(of: 4) else { return nil }
        return bytes.withUnsafeBytes { raw in
            let count = Int(UInt16(bigEndian: raw.loadUnaligned(as: UInt16.self)))
            guard count == (raw.count - 4) / 4 else { return nil }
            return (0..<count).map { index in
                let bits = raw.loadUnaligned(fromByteOffset: 4 + 4 * index, as: UInt32.self)
                return Float(bitPattern: UInt32(bigEndian: bits))
            }
        }
    }
}
