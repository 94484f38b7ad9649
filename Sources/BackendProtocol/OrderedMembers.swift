import AgentMemory

/// Takes members out of an object that most likely has them in the order in which they are asked for, as every writer of records that follows
/// the schema does: then none has to be looked for, which costs more than all else about a record. Any other order is as good.
struct OrderedMembers {
    private let members: [(name: String, value: JSONValue)]
    private let reader: MemberReader
    private var next = 0

    /// - Parameter source: what an error says the object is.
    init(_ json: JSONValue, of source: String) {
        members = json.objectValue?.members ?? []
        reader = MemberReader(json, of: source)
    }

    /// - Throws: ``MemoryError`` with code `internalError` that names the member, if it is absent or `convert` does not take it.
    mutating func required<Value>(_ name: String, _ convert: (JSONValue) -> Value?) throws(MemoryError) -> Value {
        guard let member = take(name) else { return try reader.required(name, convert) }
        guard let value = convert(member) else { throw reader.unreadable(name) }
        return value
    }

    /// `nil` for a member that is `null` or absent.
    ///
    /// - Throws: as ``required(_:_:)`` for one that `convert` does not take.
    mutating func optional<Value>(_ name: String, _ convert: (JSONValue) -> Value?) throws(MemoryError) -> Value? {
        guard let member = take(name) else { return try reader.optional(name, convert) }
        if member.isNull { return nil }
        guard let value = convert(member) else { throw reader.unreadable(name) }
        return value
    }

    /// - Throws: as ``required(_:_:)``.
    mutating func strings(_ name: String) throws(MemoryError) -> [String] {
        try required(name, \.stringsValue)
    }

    /// The next member, if it has this name.
    private mutating func take(_ name: String) -> JSONValue? {
        guard next < members.count, ExactString(members[next].name) == ExactString(name) else { return nil }
        defer { next += 1 }
        return members[next].value
    }
}
