import AgentMemory

/// Reads the members of one JSON object, as leniently about spellings as pydantic ("5" is an integer, "yes" is true), and
/// notes what does not fit. A member that is `null` counts as absent.
struct ObjectReader {
    let object: JSONObject
    let location: [MemoryError.PathComponent]

    init(_ object: JSONObject, at location: [MemoryError.PathComponent]) {
        self.object = object
        self.location = location
    }

    /// The object at `location`; notes an issue and answers `nil` if the value is something else.
    init?(_ value: JSONValue, at location: [MemoryError.PathComponent], _ issues: inout IssueList) {
        guard case .object(let object) = value else {
            issues.add(
                ValidationIssue(
                    "model_attributes_type", at: location,
                    "Input should be a valid dictionary or object to extract fields from", input: value))
            return nil
        }
        self.init(object, at: location)
    }

    func location(of name: String) -> [MemoryError.PathComponent] {
        location + [.key(name)]
    }

    /// The member, unless it is absent or `null`.
    func member(_ name: String) -> JSONValue? {
        guard let value = object[name], !value.isNull else { return nil }
        return value
    }

    func missing(_ name: String, _ issues: inout IssueList) {
        issues.add(ValidationIssue("missing", at: location(of: name), "Field required", input: .object(object)))
    }

    func string(_ name: String, _ issues: inout IssueList) -> String? {
        guard let value = member(name) else { return nil }
        return Self.string(value, at: location(of: name), &issues)
    }

    /// A member that must be there; an explicit `null` is of the wrong type.
    func requiredString(_ name: String, _ issues: inout IssueList) -> String? {
        guard let value = object[name] else {
            missing(name, &issues)
            return nil
        }
        return Self.string(value, at: location(of: name), &issues)
    }

    private static func string(
        _ value: JSONValue, at location: [MemoryError.PathComponent], _ issues: inout IssueList
    ) -> String? {
        guard case .string(let string) = value else {
            issues.add(ValidationIssue("string_type", at: location, "Input should be a valid string", input: value))
            return nil
        }
        return string
    }

    func strings(_ name: String, _ issues: inout IssueList) -> [String]? {
        guard let elements = array(name, &issues) else { return nil }
        var strings: [String] = []
        var complete = true
        for (index, element) in elements.enumerated() where !issues.isFull {
            if let string = Self.string(element, at: location(of: name) + [.index(index)], &issues) {
                strings.append(string)
            } else {
                complete = false
            }
        }
        return complete ? strings : nil
    }

    func array(_ name: String, _ issues: inout IssueList) -> [JSONValue]? {
        guard let value = member(name) else { return nil }
        guard case .array(let elements) = value else {
            issues.add(
                ValidationIssue("list_type", at: location(of: name), "Input should be a valid list", input: value))
            return nil
        }
        return elements
    }

    func dictionary(_ name: String, _ issues: inout IssueList) -> JSONObject? {
        guard let value = member(name) else { return nil }
        guard case .object(let object) = value else {
            issues.add(
                ValidationIssue("dict_type", at: location(of: name), "Input should be a valid dictionary", input: value)
            )
            return nil
        }
        return object
    }

    func bool(_ name: String, _ issues: inout IssueList) -> Bool? {
        guard let value = member(name) else { return nil }
        switch value {
        case .bool(let bool): return bool
        case .number(let number) where number.int == 0 || number.int == 1: return number.int == 1
        case .string(let string) where Self.booleans[string.lowercased()] != nil:
            return Self.booleans[string.lowercased()]
        default:
            issues.add(
                ValidationIssue(
                    "bool_parsing", at: location(of: name),
                    "Input should be a valid boolean, unable to interpret input",
                    input: value))
            return nil
        }
    }

    /// The words that pydantic takes for booleans.
    static let booleans: [String: Bool] = [
        "true": true, "t": true, "yes": true, "y": true, "on": true, "1": true,
        "false": false, "f": false, "no": false, "n": false, "off": false, "0": false,
    ]

    /// An integer within `range`. Whole numbers beyond 64 bits are held at the largest integer, so that every offset has an answer.
    func int(_ name: String, in range: ClosedRange<Int>, _ issues: inout IssueList) -> Int? {
        guard let value = member(name) else { return nil }
        let parsed: Int
        switch value {
        case .number(let number):
            if let int = number.int ?? Self.heldInteger(number.literal) {
                parsed = int
            } else {
                issues.add(
                    ValidationIssue(
                        "int_from_float", at: location(of: name),
                        "Input should be a valid integer, got a number with a fractional part", input: value))
                return nil
            }
        case .string(let string):
            guard let int = Int(string) ?? Self.heldInteger(string) else { fallthrough }
            parsed = int
        default:
            issues.add(
                ValidationIssue("int_type", at: location(of: name), "Input should be a valid integer", input: value))
            return nil
        }
        return inRange(parsed, range, name, value, &issues) { .int($0) }
    }

    /// The largest or the smallest integer, for the digits of a whole number beyond 64 bits.
    private static func heldInteger(_ text: String) -> Int? {
        let digits = text.utf8.drop { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") }
        guard text.utf8.count - digits.count <= 1, !digits.isEmpty,
            digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else { return nil }
        return text.utf8.first == UInt8(ascii: "-") ? .min : .max
    }

    func double(_ name: String, in range: ClosedRange<Double>, _ issues: inout IssueList) -> Double? {
        guard let value = member(name) else { return nil }
        let parsed: Double?
        switch value {
        case .number(let number): parsed = number.double
        case .string(let string): parsed = Double(string)
        default: parsed = nil
        }
        guard let parsed, parsed.isFinite else {
            issues.add(
                ValidationIssue("float_type", at: location(of: name), "Input should be a valid number", input: value))
            return nil
        }
        return inRange(parsed, range, name, value, &issues) { .double($0) }
    }

    private func inRange<Number: Comparable>(
        _ number: Number, _ range: ClosedRange<Number>, _ name: String, _ value: JSONValue, _ issues: inout IssueList,
        json: (Number) -> JSONValue
    ) -> Number? {
        if number < range.lowerBound {
            issues.add(
                ValidationIssue(
                    "greater_than_equal", at: location(of: name),
                    "Input should be greater than or equal to \(range.lowerBound)", input: value,
                    context: ["ge": json(range.lowerBound)]))
            return nil
        }
        if number > range.upperBound {
            issues.add(
                ValidationIssue(
                    "less_than_equal", at: location(of: name),
                    "Input should be less than or equal to \(range.upperBound)",
                    input: value, context: ["le": json(range.upperBound)]))
            return nil
        }
        return number
    }

    func date(_ name: String, _ issues: inout IssueList) -> Timestamp? {
        guard let value = member(name) else { return nil }
        return Self.date(value, at: location(of: name), &issues)
    }

    /// A date in any of the spellings of ``Timestamp/init(parsing:)``, or a number of seconds or milliseconds since the epoch.
    static func date(
        _ value: JSONValue, at location: [MemoryError.PathComponent], _ issues: inout IssueList
    ) -> Timestamp? {
        let date: Timestamp?
        switch value {
        case .string(let text): date = Timestamp(parsing: text)
        case .number(let number): date = Timestamp(epoch: number.double)
        default:
            issues.add(ValidationIssue("datetime_type", at: location, "Input should be a valid datetime", input: value))
            return nil
        }
        if date == nil {
            issues.add(
                ValidationIssue(
                    "datetime_from_date_parsing", at: location, "Input should be a valid datetime or date", input: value
                ))
        }
        return date
    }

    /// Refuses members that are not among `known`.
    func refuseUnknown(_ known: [String], _ message: String, _ issues: inout IssueList) {
        for member in object.members where !known.contains(member.name) && !issues.isFull {
            issues.add(
                ValidationIssue(
                    "extra_forbidden", at: location(of: member.name),
                    "\(message); known are \(known.joined(separator: ", "))", input: member.value))
        }
    }

    /// A text that narrows a request to one user or one namespace. An empty or blank one is refused: it would narrow nothing, and the
    /// answer would be about everybody.
    func scope(_ name: String, _ issues: inout IssueList) -> String? {
        guard let value = string(name, &issues) else { return nil }
        guard !SearchQuery.isBlank(value) else {
            issues.add(
                ValidationIssue(
                    "value_error", at: location(of: name),
                    "Value error, \(name) must not be empty; leave it out where any \(name) will do",
                    input: .string(value)))
            return nil
        }
        return value
    }

    /// One of the values of an enumeration.
    func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ name: String, _ type: Choice.Type, _ issues: inout IssueList
    ) -> Choice? {
        guard let value = member(name) else { return nil }
        if case .string(let string) = value, let choice = Choice(rawValue: string) { return choice }
        let allowed = Choice.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
        issues.add(
            ValidationIssue(
                "enum", at: location(of: name), "Input should be one of \(allowed)", input: value,
                context: ["expected": .string(allowed)]))
        return nil
    }
}
