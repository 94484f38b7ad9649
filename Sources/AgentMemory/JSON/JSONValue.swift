/// A JSON value that keeps what was written: the digits of numbers, and the order of object
/// members.
///
/// Metadata must be returned as the same JSON value (rule R4). Foundation's coders turn every
/// number into a `Double` or an `Int` and lose the rest. They also do not report where in a body a
/// syntax error is, which the REST responses need.
public enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    case number(JSONNumber)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)

    /// Strings are compared by their bytes, as stores do, and numbers as they were written.
    public static func == (a: JSONValue, b: JSONValue) -> Bool {
        switch (a, b) {
        case (.null, .null): true
        case (.bool(let a), .bool(let b)): a == b
        case (.number(let a), .number(let b)): a == b
        case (.string(let a), .string(let b)): ExactString(a) == ExactString(b)
        case (.array(let a), .array(let b)): a == b
        case (.object(let a), .object(let b)): a == b
        default: false
        }
    }
}

/// A JSON number as it was written.
public struct JSONNumber: Sendable, Equatable {
    /// The digits, in JSON's own grammar.
    public let literal: String

    /// A number whose `literal` is known to follow JSON's grammar.
    package init(uncheckedLiteral literal: String) {
        self.literal = literal
    }

    public init(_ value: Int) {
        literal = String(value)
    }

    /// A number that is not finite has no JSON form and becomes 0; callers that can have one check
    /// first.
    public init(_ value: Double) {
        literal = value.isFinite ? value.description : "0"
    }

    /// The value, if it is a whole number that fits (`1`, `1.0` and `1e2` are whole).
    public var int: Int? {
        if let int = Int(literal) { return int }
        guard let double = Double(literal) else { return nil }
        return Int(exactly: double)
    }

    /// The nearest double; infinite for a number beyond its range.
    public var double: Double { Double(literal) ?? .nan }

    /// Whether the number was written without a fraction and without an exponent.
    public var isIntegerLiteral: Bool {
        literal.utf8.allSatisfy { $0 == UInt8(ascii: "-") || ($0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9")) }
    }
}

/// The members of a JSON object in the order in which they were written; of a name given twice the
/// last value counts.
public struct JSONObject: Sendable, Equatable, ExpressibleByDictionaryLiteral {
    public private(set) var members: [(name: String, value: JSONValue)] = []
    /// Created once there are more members than a linear search handles well.
    private var positions: [ExactString: Int]?

    public init() {}

    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        for (name, value) in elements { self[name] = value }
    }

    public var isEmpty: Bool { members.isEmpty }

    public subscript(name: String) -> JSONValue? {
        get { position(of: name).map { members[$0].value } }
        set {
            switch (position(of: name), newValue) {
            case (let position?, let value?):
                members[position].value = value
            case (nil, let value?):
                members.append((name, value))
                if positions != nil {
                    positions?[ExactString(name)] = members.count - 1
                } else if members.count > 32 {
                    positions = Dictionary(
                        uniqueKeysWithValues: members.enumerated().map { (ExactString($1.name), $0) })
                }
            case (let position?, nil):
                members.remove(at: position)
                positions = nil
            case (nil, nil):
                break
            }
        }
    }

    private func position(of name: String) -> Int? {
        let wanted = ExactString(name)
        if let positions { return positions[wanted] }
        return members.firstIndex { ExactString($0.name) == wanted }
    }

    /// Two objects are the same JSON value whatever the order of their members.
    public static func == (a: JSONObject, b: JSONObject) -> Bool {
        a.members.count == b.members.count && a.members.allSatisfy { b[$0.name] == $0.value }
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByFloatLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(integerLiteral value: Int) { self = .number(JSONNumber(value)) }
    public init(floatLiteral value: Double) { self = .number(JSONNumber(value)) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(nilLiteral: ()) { self = .null }
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        var object = JSONObject()
        for (name, value) in elements { object[name] = value }
        self = .object(object)
    }

    public static func int(_ value: Int) -> JSONValue { .number(JSONNumber(value)) }
    public static func double(_ value: Double) -> JSONValue { .number(JSONNumber(value)) }

    public var stringValue: String? { if case .string(let value) = self { value } else { nil } }
    public var intValue: Int? { if case .number(let value) = self { value.int } else { nil } }
    public var doubleValue: Double? { if case .number(let value) = self { value.double } else { nil } }
    public var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }
    public var arrayValue: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
    /// The elements of an array that has only strings.
    public var stringsValue: [String]? {
        guard let elements = arrayValue else { return nil }
        let strings = elements.compactMap(\.stringValue)
        return strings.count == elements.count ? strings : nil
    }
    public var objectValue: JSONObject? { if case .object(let value) = self { value } else { nil } }
    public var isNull: Bool { if case .null = self { true } else { false } }

    /// The member `name`, if this is an object that has it.
    public subscript(name: String) -> JSONValue? { objectValue?[name] }
}
