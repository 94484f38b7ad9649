import AgentMemory

/// Where and why a text is not the script of a history.
public struct HistoryScriptError: Error, Sendable, CustomStringConvertible {
    /// The number of the line, from 1 on.
    public let line: Int
    public let message: String

    public var description: String { "line \(line): \(message)" }
}

/// Reads the members of one JSON object of a script by name and type; `finish` refuses those that
/// were not read.
struct ScriptReader {
    private var rest: JSONObject
    /// What the object is, for messages.
    private let what: String
    private let line: Int

    init(_ value: JSONValue, _ what: String, line: Int) throws(HistoryScriptError) {
        guard let object = value.objectValue else {
            throw HistoryScriptError(line: line, message: "\(what) is not an object")
        }
        rest = object
        self.what = what
        self.line = line
    }

    func wrong(_ message: String) -> HistoryScriptError { HistoryScriptError(line: line, message: message) }

    mutating func value(_ name: String) -> JSONValue? {
        defer { rest[name] = nil }
        return rest[name]
    }

    /// The member, read with `read`; `nil` if it is absent.
    mutating func optional<Value>(
        _ name: String, _ type: String, _ read: (JSONValue) -> Value?
    ) throws(HistoryScriptError) -> Value? {
        guard let value = value(name) else { return nil }
        guard let read = read(value) else { throw wrong("\(name) of \(what) is not \(type)") }
        return read
    }

    mutating func required<Value>(
        _ name: String, _ type: String, _ read: (JSONValue) -> Value?
    ) throws(HistoryScriptError) -> Value {
        guard let value = try optional(name, type, read) else { throw wrong("\(what) has no \(name)") }
        return value
    }

    mutating func string(_ name: String) throws(HistoryScriptError) -> String? {
        try optional(name, "a string", \.stringValue)
    }

    mutating func strings(_ name: String) throws(HistoryScriptError) -> [String]? {
        try optional(name, "a list of strings", Self.strings)
    }

    mutating func int(_ name: String) throws(HistoryScriptError) -> Int? {
        try optional(name, "a whole number", \.intValue)
    }

    mutating func double(_ name: String) throws(HistoryScriptError) -> Double? {
        try optional(name, "a number", \.doubleValue)
    }

    mutating func bool(_ name: String) throws(HistoryScriptError) -> Bool? {
        try optional(name, "true or false", \.boolValue)
    }

    /// A flag that the wire spells `t` or `f`.
    mutating func letter(_ name: String) throws(HistoryScriptError) -> Bool? {
        try optional(name, "\"t\" or \"f\"") { value in
            switch value.stringValue {
            case "t": true
            case "f": false
            default: nil
            }
        }
    }

    mutating func object(_ name: String) throws(HistoryScriptError) -> JSONObject? {
        try optional(name, "an object", \.objectValue)
    }

    mutating func date(_ name: String) throws(HistoryScriptError) -> Timestamp? {
        try optional(name, "a date", Self.date)
    }

    /// A value of a fixed set.
    mutating func choice<Value: RawRepresentable>(
        _ name: String, _ type: Value.Type
    ) throws(HistoryScriptError) -> Value? where Value.RawValue == String {
        try optional(name, "a known value") { $0.stringValue.flatMap(Value.init) }
    }

    /// A change that can also clear its field, with `null`.
    mutating func change<Value: Sendable & Equatable>(
        _ name: String, _ type: String, _ read: (JSONValue) -> Value?
    ) throws(HistoryScriptError) -> FieldChange<Value?> {
        guard let value = value(name) else { return .unchanged }
        if value.isNull { return .set(nil) }
        guard let read = read(value) else { throw wrong("\(name) of \(what) is neither \(type) nor null") }
        return .set(read)
    }

    /// - Throws: if a member was not read.
    func end() throws(HistoryScriptError) {
        if let member = rest.members.first { throw wrong("\(what) has an unknown member \(member.name)") }
    }

    /// Runs the domain's own checks, and adds the number of the line to their errors.
    func checked<Value>(_ body: () throws(MemoryError) -> Value) throws(HistoryScriptError) -> Value {
        do {
            return try body()
        } catch {
            throw wrong("\(what): \(error)")
        }
    }

    static func strings(_ value: JSONValue) -> [String]? {
        guard let values = value.arrayValue else { return nil }
        let strings = values.compactMap(\.stringValue)
        return strings.count == values.count ? strings : nil
    }

    static func date(_ value: JSONValue) -> Timestamp? { value.stringValue.flatMap { Timestamp(parsing: $0) } }
}
