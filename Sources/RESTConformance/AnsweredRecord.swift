import AgentMemory

extension MemoryRecord {
    /// A record out of a server's answer.
    ///
    /// - Throws: ``MemoryError`` with code `internalError` that names the member at fault.
    init(answered json: JSONValue) throws(MemoryError) {
        try self.init(json: json, of: AnswerReader.source)
    }
}

/// Takes the members of one object out of an answer.
struct AnswerReader {
    fileprivate static let source = "the server's answer"

    private let reader: MemberReader

    init(_ json: JSONValue) {
        reader = MemberReader(json, of: Self.source)
    }

    func required<Value>(_ name: String, _ convert: (JSONValue) -> Value?) throws(MemoryError) -> Value {
        try reader.required(name, convert)
    }

    /// `nil` for a member that is `null` or absent.
    func optional<Value>(_ name: String, _ convert: (JSONValue) -> Value?) throws(MemoryError) -> Value? {
        try reader.optional(name, convert)
    }

    func strings(_ name: String) throws(MemoryError) -> [String] { try reader.optionalStrings(name) ?? [] }

    static func date(_ json: JSONValue) -> Timestamp? { json.stringValue.flatMap { Timestamp(parsing: $0) } }

    static func unreadable(_ name: String) -> MemoryError { AnswerReader(.null).reader.unreadable(name) }
}
