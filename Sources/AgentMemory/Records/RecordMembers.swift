/// How JSON spells the values of a record.
public enum RecordSpelling: Sendable {
    /// The REST API: dates in ISO 8601. A reader accepts `null` for an empty list and for no memory
    /// hash.
    case api
    /// The protocol of loaded backends: dates in microseconds since 1970. A reader requires every
    /// member.
    case backend
}

extension JSONWriter {
    /// Writes one member of a record, or of its changes.
    public mutating func write(_ field: RecordField, _ value: RecordValue, _ spelling: RecordSpelling) {
        name(field.name)
        switch value {
        case .text(let text): string(text)
        case .optionalText(let text): string(text)
        case .memoryType(let type): string(type.rawValue)
        case .texts(let texts): strings(texts)
        case .flag(let flag): bool(flag)
        case .letterFlag(let flag): string(flag ? "t" : "f")
        case .count(let count): int(count)
        case .object(let object): self.value(.object(object))
        case .date(let date), .optionalDate(let date?): write(date, spelling)
        case .optionalDate(nil): null()
        }
    }

    private mutating func write(_ date: Timestamp, _ spelling: RecordSpelling) {
        switch spelling {
        case .api: string(date.iso8601)
        case .backend: int(Int(date.microseconds))
        }
    }
}

/// Reads the fields of a record, or of its changes, from the members of a JSON object.
///
/// Members usually come in the order in which they are read, or nearly so. The search for each
/// therefore starts after the last one that was found: looking each up from the start would cost
/// more than the rest of reading a record. Every order gives the same result.
public struct RecordMembers: RecordSource {
    private let members: [(name: String, value: JSONValue)]
    private let reader: MemberReader
    private let spelling: RecordSpelling
    private var next = 0

    /// A reader of the members of `json`. `source` is what an error calls the object, and `code` is
    /// the code of the errors.
    public init(
        _ json: JSONValue, _ spelling: RecordSpelling, of source: String,
        failing code: MemoryError.Code = .internalError
    ) {
        members = json.objectValue?.members ?? []
        reader = MemberReader(json, of: source, failing: code)
        self.spelling = spelling
    }

    public mutating func text(_ field: RecordField) throws(MemoryError) -> String {
        if spelling == .api, field == .memoryHash { return try optionalText(field) ?? "" }
        return try required(field, \.stringValue)
    }

    public mutating func optionalText(_ field: RecordField) throws(MemoryError) -> String? {
        try optional(field, \.stringValue)
    }

    public mutating func memoryType(_ field: RecordField) throws(MemoryError) -> MemoryType {
        try required(field) { $0.stringValue.flatMap(MemoryType.init) }
    }

    public mutating func texts(_ field: RecordField) throws(MemoryError) -> [String] {
        if spelling == .api { return try optional(field, \.stringsValue) ?? [] }
        return try required(field, \.stringsValue)
    }

    public mutating func flag(_ field: RecordField) throws(MemoryError) -> Bool {
        try required(field, \.boolValue)
    }

    public mutating func letterFlag(_ field: RecordField) throws(MemoryError) -> Bool {
        let isLenient = spelling == .api
        return try required(field) { json in
            switch json.stringValue {
            case "t": true
            case "f": false
            case .some: isLenient ? false : nil
            case nil: nil
            }
        }
    }

    public mutating func count(_ field: RecordField) throws(MemoryError) -> Int {
        try required(field, \.intValue)
    }

    public mutating func object(_ field: RecordField) throws(MemoryError) -> JSONObject {
        try required(field, \.objectValue)
    }

    public mutating func date(_ field: RecordField) throws(MemoryError) -> Timestamp {
        try required(field, spelling.date)
    }

    public mutating func optionalDate(_ field: RecordField) throws(MemoryError) -> Timestamp? {
        try optional(field, spelling.date)
    }

    /// Whether the member exists, and whether it is `null`.
    mutating func presence(of field: RecordField) -> (isThere: Bool, isNull: Bool) {
        guard let index = find(field.name) else { return (false, false) }
        return (true, members[index].value.isNull)
    }

    private mutating func required<Value>(
        _ field: RecordField, _ convert: (JSONValue) -> Value?
    ) throws(MemoryError) -> Value {
        guard let index = find(field.name), let value = convert(members[index].value) else {
            throw reader.unreadable(field.name)
        }
        return value
    }

    /// `nil` for a member that is `null` or absent.
    private mutating func optional<Value>(
        _ field: RecordField, _ convert: (JSONValue) -> Value?
    ) throws(MemoryError) -> Value? {
        guard let index = find(field.name), !members[index].value.isNull else { return nil }
        guard let value = convert(members[index].value) else { throw reader.unreadable(field.name) }
        return value
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

extension RecordSpelling {
    fileprivate var date: (JSONValue) -> Timestamp? {
        switch self {
        case .api: { $0.stringValue.flatMap { Timestamp(parsing: $0) } }
        case .backend: { $0.intValue.flatMap { Timestamp(microseconds: Int64($0)) } }
        }
    }
}
