/// Reads the members of one JSON object by name and type, for responses and requests of other
/// programs.
///
/// Throws at the first wrong member. `BodyReader` of MemoryAPI reads what clients send, and notes
/// every fault. Members that are not read are ignored; a caller that must refuse them uses
/// ``JSONObject``.
public struct MemberReader: Sendable {
    private let json: JSONValue
    private let source: String
    private let code: MemoryError.Code

    /// A reader of `json`; a value that is not an object has no members. `source` is what an error
    /// calls the object, such as `the server's answer`, and `code` is the code of the errors.
    public init(_ json: JSONValue, of source: String, failing code: MemoryError.Code = .internalError) {
        self.json = json
        self.source = source
        self.code = code
    }

    /// - Throws: ``MemoryError`` with the code given to the initializer, which names the member, if
    ///   it is absent or `convert` returns `nil`.
    public func required<Value>(_ name: String, _ convert: (JSONValue) -> Value?) throws(MemoryError) -> Value {
        guard let value = json[name].flatMap(convert) else { throw unreadable(name) }
        return value
    }

    /// `nil` for a member that is `null` or absent.
    ///
    /// - Throws: as ``required(_:_:)`` if `convert` returns `nil`.
    public func optional<Value>(_ name: String, _ convert: (JSONValue) -> Value?) throws(MemoryError) -> Value? {
        guard let member = json[name], !member.isNull else { return nil }
        guard let value = convert(member) else { throw unreadable(name) }
        return value
    }

    /// A list of strings; `nil` for a member that is `null` or absent.
    ///
    /// - Throws: as ``required(_:_:)`` for anything else.
    public func optionalStrings(_ name: String) throws(MemoryError) -> [String]? {
        try optional(name, \.stringsValue)
    }

    /// - Throws: as ``required(_:_:)``.
    public func strings(_ name: String) throws(MemoryError) -> [String] {
        guard let strings = try optionalStrings(name) else { throw unreadable(name) }
        return strings
    }

    /// The error of a member that cannot be read.
    public func unreadable(_ name: String) -> MemoryError {
        MemoryError(code, "\(source) has no readable \(name)")
    }
}
