import AgentMemory

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension JSONWriter {
    /// Writes `opaque_bytes` of the schema: Base64, or `null` for none.
    mutating func opaqueBytes(_ bytes: [UInt8]?) {
        member("opaque_bytes", bytes.map { Data($0).base64EncodedString() })
    }
}

/// Reads `opaque_bytes` of the schema from one object after another.
struct OpaqueBytesReader {
    private var bytes: [[UInt8]?] = []
    private var areGiven = false

    /// Those of every object, in their order; `nil` if no object has such a member.
    var all: [[UInt8]?]? { areGiven ? bytes : nil }

    /// - Throws: ``MemoryError`` with the given code if the member is neither Base64 nor `null`.
    mutating func read(
        _ json: JSONValue, of source: String, failing code: MemoryError.Code = .invalidInput
    ) throws(MemoryError) {
        if json["opaque_bytes"] != nil { areGiven = true }
        bytes.append(
            try MemberReader(json, of: source, failing: code).optional("opaque_bytes") { value in
                value.stringValue.flatMap { Data(base64Encoded: $0) }.map(Array.init)
            })
    }
}
