import AgentMemory

/// Takes members out of an object that most likely has them in the order in which they are asked for, or nearly so: the search for each begins
/// behind the last one that was found. (Looking each up from the beginning costs more than all else about a record.) Any order is as good.
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
        guard let index = find(name), let value = convert(members[index].value) else { throw reader.unreadable(name) }
        return value
    }

    /// `nil` for a member that is `null` or absent.
    ///
    /// - Throws: as ``required(_:_:)`` for one that `convert` does not take.
    mutating func optional<Value>(_ name: String, _ convert: (JSONValue) -> Value?) throws(MemoryError) -> Value? {
        guard let index = find(name), !members[index].value.isNull else { return nil }
        guard let value = convert(members[index].value) else { throw reader.unreadable(name) }
        return value
    }

    /// - Throws: as ``required(_:_:)``.
    mutating func strings(_ name: String) throws(MemoryError) -> [String] {
        try required(name, \.stringsValue)
    }

    private mutating func find(_ name: String) -> Int? {
        let wanted = ExactString(name)
        for step in members.indices {
            let index = (next + step) % members.count
            if ExactString(members[index].name) == wanted {
                next = index + 1
                return index
            }
        }
        return nil
    }
}
