import AgentMemory

/// The differences of two records, field by field: strings by their bytes, JSON as values.
enum RecordComparison {
    struct Difference {
        /// As the REST API spells it.
        let field: String
        let expected: String
        let got: String
    }

    /// The first field that differs; `nil` if none does.
    static func difference(_ got: MemoryRecord, _ expected: MemoryRecord) -> Difference? {
        // Equal bytes are the common case, and quick to compare.
        if got == expected { return nil }
        let (gotMembers, expectedMembers) = (members(of: got), members(of: expected))
        for member in expectedMembers.members {
            let other = gotMembers[member.name] ?? .null
            if !same(other, member.value) {
                return Difference(field: member.name, expected: member.value.jsonText, got: other.jsonText)
            }
        }
        return nil
    }

    /// The record as the REST API shows it.
    private static func members(of record: MemoryRecord) -> JSONObject {
        (try? JSONValue(parsing: record.json.bytes))?.objectValue ?? [:]
    }

    /// Whether two JSON values are the same: objects whatever the order of their members, strings
    /// code point by code point, numbers by their exact decimal value (`1e2` is `100`; without
    /// conversion to a double).
    static func same(_ a: JSONValue, _ b: JSONValue) -> Bool {
        switch (a, b) {
        case (.null, .null): true
        case (.bool(let a), .bool(let b)): a == b
        case (.number(let a), .number(let b)): a.literal == b.literal || Decimal(a) == Decimal(b)
        case (.string(let a), .string(let b)): ExactString(a) == ExactString(b)
        case (.array(let a), .array(let b)): a.count == b.count && zip(a, b).allSatisfy(same)
        case (.object(let a), .object(let b)):
            a.members.count == b.members.count
                && a.members.allSatisfy { member in b[member.name].map { same(member.value, $0) } ?? false }
        default: false
        }
    }

    /// A JSON number as digits times a power of ten, without zeros at either end of the digits.
    private struct Decimal: Equatable {
        var negative = false
        var digits: [UInt8] = []
        var exponent = 0

        init(_ number: JSONNumber) {
            var afterPoint = false
            var bytes = Substring(number.literal).utf8
            while let byte = bytes.popFirst() {
                switch byte {
                case UInt8(ascii: "-"): negative = true
                case UInt8(ascii: "."): afterPoint = true
                case UInt8(ascii: "e"), UInt8(ascii: "E"):
                    exponent += Int(Substring(bytes)) ?? 0
                    bytes = Substring().utf8
                default:
                    digits.append(byte)
                    if afterPoint { exponent -= 1 }
                }
            }
            while digits.last == UInt8(ascii: "0") {
                digits.removeLast()
                exponent += 1
            }
            digits = Array(digits.drop { $0 == UInt8(ascii: "0") })
            if digits.isEmpty { exponent = 0 }
        }
    }
}
