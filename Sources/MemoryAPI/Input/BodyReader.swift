public import AgentMemory

/// Reads the members of a JSON object that a client sent, and collects everything that is invalid.
///
///     let body = BodyReader(json)
///     let text = body.string("text")
///     try body.finish()
///
/// Spellings are read as leniently as pydantic reads them ("5" is an integer, "yes" is true). A
/// member that is `null` counts as absent. An invalid member reads as `nil`, like an absent one;
/// ``finish()`` then throws the issues of this reader and of all readers of objects inside.
///
/// It exists in addition to `MemberReader`, which reads what programs of this project wrote, and
/// throws at the first invalid member. A client sees every mistake at once, in the words of the
/// reference.
public struct BodyReader {
    /// The object's members; none if the value is not an object.
    public let members: JSONObject
    /// Where the object is: `body` or `query`, then names and positions.
    public let location: [MemoryError.PathComponent]
    private let isObject: Bool
    private let issues: IssueList
    private let issuesBefore: Int

    /// A reader of a whole body. A value that is not an object is one issue, and its members are
    /// not read.
    public init(_ json: JSONValue, at location: [MemoryError.PathComponent] = [.key("body")]) {
        self.init(json, at: location, noting: IssueList())
    }

    private init(_ json: JSONValue, at location: [MemoryError.PathComponent], noting issues: IssueList) {
        self.location = location
        self.issues = issues
        issuesBefore = issues.count
        if case .object(let members) = json {
            self.members = members
            isObject = true
            return
        }
        members = JSONObject()
        isObject = false
        note(
            "model_attributes_type", at: location,
            "Input should be a valid dictionary or object to extract fields from", input: json)
    }

    // MARK: Issues

    /// Whether there are issues since this reader was made.
    public var hasIssues: Bool { issues.count > issuesBefore }

    /// Ends the reading.
    ///
    /// - Throws: ``ValidationFailure`` with all issues, if there are any.
    public func finish() throws(ValidationFailure) {
        try issues.check()
    }

    /// The value at the end of the reading.
    ///
    /// - Throws: ``ValidationFailure`` with all issues, if there are any; they explain a value that
    ///   is `nil`.
    public func finish<Value>(with value: Value?) throws(ValidationFailure) -> Value {
        guard let value, !issues.hasAny else { throw ValidationFailure(issues: issues.issues) }
        return value
    }

    /// Adds an issue.
    public func note(
        _ type: String, at location: [MemoryError.PathComponent], _ message: String, input: JSONValue? = nil,
        context: JSONObject? = nil
    ) {
        issues.add(ValidationIssue(type, at: location, message, input: input, context: context))
    }

    /// Adds the issue of a broken rule of the domain.
    ///
    /// - Parameter location: where; the object itself if absent.
    /// - Throws: any error that is not about a value.
    public func note(_ error: MemoryError, at location: [MemoryError.PathComponent]? = nil) throws {
        try issues.add(error, at: location ?? self.location)
    }

    /// Adds the issues of another request that is a part of this one.
    public func note(_ failure: ValidationFailure) {
        for issue in failure.issues { issues.add(issue) }
    }

    /// Makes a value of the domain, and adds an issue if it breaks a rule.
    ///
    /// - Parameters:
    ///   - location: where the value is; the object itself if absent.
    ///   - echoing: whether the issue shows what the client sent as this object.
    /// - Returns: `nil` if a rule is broken.
    /// - Throws: any error that is not about a value.
    public func make<Value>(
        at location: [MemoryError.PathComponent]? = nil, echoing: Bool = false,
        _ body: () throws(MemoryError) -> Value
    ) throws -> Value? {
        do throws(MemoryError) {
            return try body()
        } catch {
            try issues.add(error, at: location ?? self.location, input: echoing ? .object(members) : nil)
            return nil
        }
    }

    // MARK: Members

    /// Where the member `name` is.
    public func location(of name: String) -> [MemoryError.PathComponent] {
        location + [.key(name)]
    }

    /// The member, unless it is absent or `null`.
    public func member(_ name: String) -> JSONValue? {
        guard let value = members[name], !value.isNull else { return nil }
        return value
    }

    /// Adds the issue of a missing member.
    public func noteMissing(_ name: String) {
        guard isObject else { return }
        note("missing", at: location(of: name), "Field required", input: .object(members))
    }

    /// A reader of the object in the member; `nil` if it is absent or `null`. It adds its issues
    /// here.
    public func object(_ name: String) -> BodyReader? {
        member(name).map { BodyReader($0, at: location(of: name), noting: issues) }
    }

    /// Reads each object of the list in the member, until the limit of listed issues is reached.
    ///
    /// - Parameters:
    ///   - variant: the name that issues have after the position, for a list whose elements have
    ///     several shapes.
    ///   - body: gets a reader for each element; it adds its issues here.
    public func forEachObject(
        in name: String, as variant: String? = nil, _ body: (BodyReader) throws -> Void
    ) rethrows {
        for (index, element) in (array(name) ?? []).enumerated() where !issues.isFull {
            let location = location(of: name) + [.index(index)] + (variant.map { [.key($0)] } ?? [])
            try body(BodyReader(element, at: location, noting: issues))
        }
    }

    /// A string.
    public func string(_ name: String) -> String? {
        member(name).flatMap { string($0, at: location(of: name)) }
    }

    /// A required string; an explicit `null` is of the wrong type.
    public func requiredString(_ name: String) -> String? {
        guard let value = members[name] else {
            noteMissing(name)
            return nil
        }
        return string(value, at: location(of: name))
    }

    private func string(_ value: JSONValue, at location: [MemoryError.PathComponent]) -> String? {
        guard case .string(let string) = value else {
            note("string_type", at: location, "Input should be a valid string", input: value)
            return nil
        }
        return string
    }

    /// A list of strings; `nil` if any element is not a string.
    public func strings(_ name: String) -> [String]? {
        guard let elements = array(name) else { return nil }
        var strings: [String] = []
        for (index, element) in elements.enumerated() where !issues.isFull {
            if let string = string(element, at: location(of: name) + [.index(index)]) { strings.append(string) }
        }
        return strings.count == elements.count ? strings : nil
    }

    /// A list of any values.
    public func array(_ name: String) -> [JSONValue]? {
        guard let value = member(name) else { return nil }
        guard case .array(let elements) = value else {
            note("list_type", at: location(of: name), "Input should be a valid list", input: value)
            return nil
        }
        return elements
    }

    /// A required list; an explicit `null` is of the wrong type.
    public func requireArray(_ name: String) {
        if members[name] == nil {
            noteMissing(name)
        } else if member(name) == nil {
            note("list_type", at: location(of: name), "Input should be a valid list", input: .null)
        }
    }

    /// An object with any members.
    public func dictionary(_ name: String) -> JSONObject? {
        guard let value = member(name) else { return nil }
        guard case .object(let object) = value else {
            note("dict_type", at: location(of: name), "Input should be a valid dictionary", input: value)
            return nil
        }
        return object
    }

    /// A boolean, in any of pydantic's spellings.
    public func bool(_ name: String) -> Bool? {
        guard let value = member(name) else { return nil }
        switch value {
        case .bool(let bool): return bool
        case .number(let number) where number.int == 0 || number.int == 1: return number.int == 1
        case .string(let string) where Self.booleans[string.lowercased()] != nil:
            return Self.booleans[string.lowercased()]
        default:
            note(
                "bool_parsing", at: location(of: name), "Input should be a valid boolean, unable to interpret input",
                input: value)
            return nil
        }
    }

    /// The words that pydantic takes for booleans.
    private static let booleans: [String: Bool] = [
        "true": true, "t": true, "yes": true, "y": true, "on": true, "1": true,
        "false": false, "f": false, "no": false, "n": false, "off": false, "0": false,
    ]

    /// An integer within `range`. Whole numbers beyond 64 bits become the largest integer, so that
    /// every offset has a response.
    public func int(_ name: String, in range: ClosedRange<Int>) -> Int? {
        guard let value = member(name) else { return nil }
        let parsed: Int
        switch value {
        case .number(let number):
            if let int = number.int ?? Self.heldInteger(number.literal) {
                parsed = int
            } else {
                note(
                    "int_from_float", at: location(of: name),
                    "Input should be a valid integer, got a number with a fractional part", input: value)
                return nil
            }
        case .string(let string):
            guard let int = Int(string) ?? Self.heldInteger(string) else { fallthrough }
            parsed = int
        default:
            note("int_type", at: location(of: name), "Input should be a valid integer", input: value)
            return nil
        }
        return inRange(parsed, range, name, value) { .int($0) }
    }

    /// The largest or the smallest integer, for the digits of a whole number beyond 64 bits.
    private static func heldInteger(_ text: String) -> Int? {
        let digits = text.utf8.drop { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") }
        guard text.utf8.count - digits.count <= 1, !digits.isEmpty,
            digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return nil }
        return text.utf8.first == UInt8(ascii: "-") ? .min : .max
    }

    /// A finite number within `range`.
    public func double(_ name: String, in range: ClosedRange<Double>) -> Double? {
        guard let value = member(name) else { return nil }
        let parsed: Double?
        switch value {
        case .number(let number): parsed = number.double
        case .string(let string): parsed = Double(string)
        default: parsed = nil
        }
        guard let parsed, parsed.isFinite else {
            note("float_type", at: location(of: name), "Input should be a valid number", input: value)
            return nil
        }
        return inRange(parsed, range, name, value) { .double($0) }
    }

    private func inRange<Number: Comparable>(
        _ number: Number, _ range: ClosedRange<Number>, _ name: String, _ value: JSONValue,
        json: (Number) -> JSONValue
    ) -> Number? {
        if number < range.lowerBound {
            note(
                "greater_than_equal", at: location(of: name),
                "Input should be greater than or equal to \(range.lowerBound)", input: value,
                context: ["ge": json(range.lowerBound)])
            return nil
        }
        if number > range.upperBound {
            note(
                "less_than_equal", at: location(of: name),
                "Input should be less than or equal to \(range.upperBound)", input: value,
                context: ["le": json(range.upperBound)])
            return nil
        }
        return number
    }

    /// A date in any of the spellings of `Timestamp(parsing:)`, or a number of seconds or
    /// milliseconds since the epoch.
    public func date(_ name: String) -> Timestamp? {
        member(name).flatMap { date($0, at: location(of: name)) }
    }

    /// As ``date(_:)``, for a value at a place of its own.
    public func date(_ value: JSONValue, at location: [MemoryError.PathComponent]) -> Timestamp? {
        let date: Timestamp?
        switch value {
        case .string(let text): date = Timestamp(parsing: text)
        case .number(let number): date = Timestamp(epoch: number.double)
        default:
            note("datetime_type", at: location, "Input should be a valid datetime", input: value)
            return nil
        }
        if date == nil {
            note("datetime_from_date_parsing", at: location, "Input should be a valid datetime or date", input: value)
        }
        return date
    }

    /// Refuses members that are not among `known`.
    public func refuseUnknown(_ known: [String], _ message: String) {
        for member in members.members where !known.contains(member.name) && !issues.isFull {
            note(
                "extra_forbidden", at: location(of: member.name),
                "\(message); known are \(known.joined(separator: ", "))", input: member.value)
        }
    }

    /// A string that limits a request to one user or one namespace. An empty or blank one is
    /// refused: it would limit nothing, and the response would be about all of them.
    public func scope(_ name: String) -> String? {
        guard let value = string(name) else { return nil }
        guard !SearchQuery.isBlank(value) else {
            note(
                "value_error", at: location(of: name),
                "Value error, \(name) must not be empty; leave it out where any \(name) will do", input: .string(value))
            return nil
        }
        return value
    }

    /// One of the values of an enumeration.
    public func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ name: String, _ type: Choice.Type
    ) -> Choice? {
        guard let value = member(name) else { return nil }
        if case .string(let string) = value, let choice = Choice(rawValue: string) { return choice }
        let allowed = Choice.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
        note(
            "enum", at: location(of: name), "Input should be one of \(allowed)", input: value,
            context: ["expected": .string(allowed)])
        return nil
    }
}
