/// A value of metadata that filters compare: a string, a number, or a boolean.
///
/// Values of different kinds are never equal. Strings are compared code point by code point,
/// numbers by their exact value: `1`, `1.0` and `10e-1` are equal, and two integers beyond 53 bits
/// are not unless all of their digits are.
public struct MetadataScalar: Sendable, Equatable {
    public let json: JSONValue
    /// A text that is the same for equal values only.
    let identity: ExactString

    /// `nil` for `null`, lists and objects, which filters do not compare.
    public init?(_ json: JSONValue) {
        switch json {
        case .string(let text): identity = ExactString("s\(text)")
        case .number(let number): identity = ExactString("n\(number.canonicalDecimal)")
        case .bool(let flag): identity = ExactString(flag ? "t" : "f")
        case .null, .array, .object: return nil
        }
        self.json = json
    }

    /// The nearest double of a number, as ranges compare it.
    var double: Double? { json.doubleValue }

    public static func == (a: MetadataScalar, b: MetadataScalar) -> Bool { a.identity == b.identity }
}

extension JSONNumber {
    /// Sign, digits without zeros at either end, `e`, and the power of ten of the last digit: the
    /// same text for all spellings of one value.
    var canonicalDecimal: String {
        var digits: [UInt8] = []
        var exponent = 0
        let isNegative = literal.utf8.first == UInt8(ascii: "-")
        var isFraction = false
        var rest = Substring(literal).utf8
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                if isFraction { exponent -= 1 }
                if byte != UInt8(ascii: "0") || !digits.isEmpty { digits.append(byte) }
            case UInt8(ascii: "."): isFraction = true
            case UInt8(ascii: "e"), UInt8(ascii: "E"):
                guard !digits.isEmpty else { return "0" }
                // Beyond that, numbers are equal if they are spelt alike.
                guard let power = Int(String(Substring(rest))), power.magnitude < 1 << 60 else { return literal }
                exponent += power
                rest = rest.suffix(0)
            default: break
            }
        }
        guard !digits.isEmpty else { return "0" }
        while digits.last == UInt8(ascii: "0") {
            digits.removeLast()
            exponent += 1
        }
        return (isNegative ? "-" : "") + String(decoding: digits, as: UTF8.self) + "e\(exponent)"
    }
}
