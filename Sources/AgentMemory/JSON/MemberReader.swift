/// Takes the members of one JSON object by name and type, for answers and requests of other
/// programs.
///
/// Throws at the first member at fault. What clients send is read by `BodyReader` of MemoryAPI,
/// which notes every fault. Members that are not asked for are passed over; ``JSONObject`` is there
/// for who must refuse them.
public struct MemberReader: Sendable {
    private let json: JSONValue
    private let source: String
    private let code: MemoryError.Code

    /// - Parameters:
    ///   - json: anything but an object has no members.
    ///   - source: what an error says the object is, such as `the server's answer`.
    ///   - code: the code of the errors.
    public init(_ json: JSONValue, of source: String, failing code: MemoryError.Code = .internalError) {
        self.json = json
        self.source = source
        self.code = code
    }

    /// - Throws: ``MemoryError`` with the code given to the initializer, which names the member, if
    ///   it is absent or `convert` does not take it.
    public func required<Value>(_ name: String, _ convert: (JSONValue) -> Value?) throws(MemoryError) -> Value {
        guard let value = json[name].flatMap(convert) else { throw unreadable(name) }
        return value
    }

    /// `nil` for a member that is `null` or absent.
    ///
    /// - Throws: as ``required(_:_:)`` for one that `convert` does not take.
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
