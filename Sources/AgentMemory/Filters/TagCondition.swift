/// The condition on the values of one tag field. All parts that are given apply (rule F3).
///
/// The operators of the API come down to four: `eq` is "has all of one value", `ne` is "has none of
/// one value". Backends need to know only these four; which of them can be combined was checked
/// when the condition was made.
public struct TagCondition: Sendable, Equatable {
    /// Every one of these is among the field's values (`eq`, `all`). Two different values never
    /// match a single-valued field (rule F5).
    public let all: [String]
    /// Of each group at least one is among the field's values (`any`, `in_`). No group is empty.
    public let any: [[String]]
    /// None of these is among the field's values; an absent field matches (`ne`, `not_in`, `none`;
    /// rule F4).
    public let none: [String]
    /// A prefix of at least one value, compared code point by code point; never empty.
    public let startsWith: String?

    /// Combines the operators of one filter on `field`.
    ///
    /// - Throws: ``MemoryError`` with code `invalidInput` for an empty value or list, `eq` with
    ///   `ne`, `any` with `all`, `startswith` with anything else, no operator at all (rule F6), or
    ///   a value that the field cannot have.
    public init(
        field: TagField, eq: String? = nil, ne: String? = nil, any: [String]? = nil, all: [String]? = nil,
        none: [String]? = nil, startsWith: String? = nil
    ) throws(MemoryError) {
        try self.init(
            field: field, eq: eq, ne: ne, anyGroups: any.map { [$0] } ?? [], all: all, none: none,
            startsWith: startsWith)
    }

    /// As ``init(field:eq:ne:any:all:none:startsWith:)``, for requests that spell `any` in more
    /// than one way: every group applies.
    public init(
        field: TagField, eq: String?, ne: String?, anyGroups: [[String]], all: [String]?, none: [String]?,
        startsWith: String?
    ) throws(MemoryError) {
        let operators = [eq != nil, ne != nil, !anyGroups.isEmpty, all != nil, none != nil, startsWith != nil]
        guard operators.contains(true) else {
            throw MemoryError(.invalidInput, "the filter on \(field.rawValue) has no operator")
        }
        if eq != nil, ne != nil { throw Self.conflict(field, "eq", "ne") }
        if !anyGroups.isEmpty, all != nil { throw Self.conflict(field, "any", "all") }
        if startsWith != nil, operators.count(where: { $0 }) > 1 {
            throw Self.conflict(field, "startswith", "another operator")
        }

        var required: [String] = []
        if let eq { required.append(try Self.value(eq, field, "eq")) }
        if let all { required += try Self.values(all, field, "all") }
        var excluded: [String] = []
        if let ne { excluded.append(try Self.value(ne, field, "ne")) }
        if let none { excluded += try Self.values(none, field, "none") }
        var groups: [[String]] = []
        for group in anyGroups { groups.append(try Self.values(group, field, "any")) }
        self.all = required.exactlyDistinct()
        self.any = groups
        self.none = excluded.exactlyDistinct()
        self.startsWith = if let startsWith { try Self.prefix(startsWith, field) } else { nil }
    }

    /// Whether a record with these values in the field matches.
    public func matches(_ values: [String]) -> Bool {
        func has(_ wanted: String) -> Bool { values.contains { ExactString($0) == ExactString(wanted) } }
        if let startsWith, !values.contains(where: { $0.utf8.starts(with: startsWith.utf8) }) { return false }
        return all.allSatisfy(has) && any.allSatisfy { $0.contains(where: has) } && !none.contains(where: has)
    }

    private static func conflict(_ field: TagField, _ a: String, _ b: String) -> MemoryError {
        MemoryError(.invalidInput, "the filter on \(field.rawValue) cannot combine \(a) with \(b)")
    }

    private static func values(_ values: [String], _ field: TagField, _ name: String) throws(MemoryError) -> [String] {
        guard !values.isEmpty else { throw .invalid(name, "\(name) must not be an empty list") }
        var checked: [String] = []
        for (index, value) in values.enumerated() {
            do throws(MemoryError) {
                checked.append(try Self.value(value, field, name))
            } catch {
                throw MemoryError(error.code, error.message, path: [.key(name), .index(index)])
            }
        }
        return checked.exactlyDistinct()
    }

    private static func value(_ value: String, _ field: TagField, _ name: String) throws(MemoryError) -> String {
        if let allowed = field.allowedValues {
            guard allowed.contains(value) else {
                throw .invalid(name, "\(field.rawValue) is one of \(allowed.joined(separator: ", "))")
            }
            return value
        }
        // An id is taken as it is; a tag value is trimmed as the stored one was, so that they
        // match.
        if field == .id { return try FieldRules.checkedID(value, field: name) }
        guard let tag = try FieldRules.tag(value, field: name) else {
            throw .invalid(name, "\(name) must not be empty")
        }
        return tag
    }

    private static func prefix(_ value: String, _ field: TagField) throws(MemoryError) -> String {
        guard field.allowedValues == nil else {
            throw .invalid("startswith", "\(field.rawValue) does not take startswith")
        }
        guard !FieldRules.isBlank(value) else { throw .invalid("startswith", "startswith must not be empty") }
        guard value.utf8.count <= FieldRules.maximumBytes else {
            throw .invalid("startswith", "startswith must not be longer than 512 bytes")
        }
        guard !FieldRules.hasControlCharacter(value) else {
            throw .invalid("startswith", "startswith must not contain control characters")
        }
        return value
    }
}
