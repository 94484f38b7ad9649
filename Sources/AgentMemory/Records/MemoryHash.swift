import Crypto

/// The hash by which two records are compared: equal hashes mean the same content in the same scope
/// (rule R8).
public enum MemoryHash {
    /// SHA-256, in lower-case hex, of the output of Python's `json.dumps(fields, sort_keys=True)`
    /// for memory_type, namespace, session_id, text and user_id: ASCII only, `", "` and `": "`
    /// between the parts, `null` for what is absent. The reference server hashes the same bytes, so
    /// its data and ours agree.
    public static func compute(
        text: String, userID: String?, sessionID: String?, namespace: String?, memoryType: MemoryType
    ) -> String {
        var json: [UInt8] = []
        json.reserveCapacity(text.utf8.count + 160)
        func member(_ prefix: StaticString, _ value: String?) {
            prefix.withUTF8Buffer { json.append(contentsOf: $0) }
            if let value { appendPythonString(value, to: &json) } else { json.append(contentsOf: "null".utf8) }
        }
        member("{\"memory_type\": ", memoryType.rawValue)
        member(", \"namespace\": ", namespace)
        member(", \"session_id\": ", sessionID)
        member(", \"text\": ", text)
        member(", \"user_id\": ", userID)
        json.append(UInt8(ascii: "}"))
        var hex: [UInt8] = []
        hex.reserveCapacity(64)
        for byte in SHA256.hash(data: json) {
            hex.append(hexDigits[Int(byte >> 4)])
            hex.append(hexDigits[Int(byte & 15)])
        }
        return String(decoding: hex, as: UTF8.self)
    }

    private static let hexDigits = Array("0123456789abcdef".utf8)

    /// A string as Python's `json.dumps` escapes it with `ensure_ascii`: UTF-16 code units outside
    /// of the range from blank to `~`.
    private static func appendPythonString(_ string: String, to json: inout [UInt8]) {
        json.append(UInt8(ascii: "\""))
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": json.append(contentsOf: "\\\"".utf8)
            case "\\": json.append(contentsOf: "\\\\".utf8)
            case "\n": json.append(contentsOf: "\\n".utf8)
            case "\r": json.append(contentsOf: "\\r".utf8)
            case "\t": json.append(contentsOf: "\\t".utf8)
            case "\u{08}": json.append(contentsOf: "\\b".utf8)
            case "\u{0C}": json.append(contentsOf: "\\f".utf8)
            case "\u{20}"..."\u{7E}": json.append(UInt8(scalar.value))
            default:
                for unit in UTF16.encode(scalar)! {
                    json.append(contentsOf: "\\u".utf8)
                    for shift in [12, 8, 4, 0] { json.append(hexDigits[Int(unit >> UInt16(shift)) & 15]) }
                }
            }
        }
        json.append(UInt8(ascii: "\""))
    }
}
