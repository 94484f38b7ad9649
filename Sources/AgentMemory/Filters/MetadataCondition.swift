/// The condition on one top-level key of metadata (rule F11). All parts that are given apply.
///
/// Strings, numbers and booleans are compared by ``MetadataScalar``. What a record has inside of
/// lists and objects is compared by nothing; only `exists` sees that the key is there.
public struct MetadataCondition: Sendable, Equatable {
    /// A bound of numbers. Both sides are compared as the nearest doubles.
    public struct Bound: Sendable, Equatable {
        public enum Comparison: String, Sendable, CaseIterable {
            case gt, gte, lt, lte
        }

        public let comparison: Comparison
        /// Finite.
        public let value: Double

        public init(_ comparison: Comparison, _ value: Double) {
            self.comparison = comparison
            self.value = value
        }

        func matches(_ number: Double?) -> Bool {
            guard let number else { return false }
            return switch comparison {
            case .gt: number > value
            case .gte: number >= value
            case .lt: number < value
            case .lte: number <= value
            }
        }
    }

    /// The most keys that one filter names, and that a record's metadata has.
    public static let maximumKeys = 64

    /// Compared code point by code point; any string, also an empty one.
    public let key: String
    /// The value of the key.
    public let eq: MetadataScalar?
    /// Of each group the value is one. No group is empty.
    public let any: [[MetadataScalar]]
    /// The value is none of these; a record without the key matches (rule F4).
    public let none: [MetadataScalar]
    /// Whether the key is there, with any value, `null` among them.
    public let exists: Bool?
    /// At most one of each comparison. Only numbers match.
    public let bounds: [Bound]

    /// Combines the operators on one key. Every group of `anyGroups` applies, and `none` together
    /// with `ne`.
    ///
    /// - Throws: ``MemoryError`` with code `invalidInput` if there is no operator, for an empty
    ///   list, for `eq` with `ne`, for `exists` false with any other operator, for a comparison
    ///   given twice, or for a bound that is not finite.
    public init(
        key: String, eq: MetadataScalar? = nil, ne: MetadataScalar? = nil, anyGroups: [[MetadataScalar]] = [],
        none: [MetadataScalar]? = nil, exists: Bool? = nil, bounds: [Bound] = []
    ) throws(MemoryError) {
        let others = eq != nil || ne != nil || !anyGroups.isEmpty || none != nil || !bounds.isEmpty
        guard others || exists != nil else {
            throw MemoryError(.invalidInput, "the filter on metadata has no operator for this key")
        }
        if eq != nil, ne != nil {
            throw MemoryError(.invalidInput, "the filter on metadata cannot combine eq with ne")
        }
        if exists == false, others {
            throw MemoryError(.invalidInput, "the filter on metadata cannot combine exists false with another operator")
        }
        guard !anyGroups.contains(where: \.isEmpty) else { throw .invalid("any", "any must not be an empty list") }
        guard none?.isEmpty != true else { throw .invalid("none", "none must not be an empty list") }
        for comparison in Bound.Comparison.allCases {
            let same = bounds.filter { $0.comparison == comparison }
            guard same.count < 2 else {
                throw .invalid(comparison.rawValue, "\(comparison.rawValue) must be given once")
            }
            guard same.allSatisfy(\.value.isFinite) else {
                throw .invalid(
                    comparison.rawValue, "\(comparison.rawValue) must be a number within the range of doubles")
            }
        }
        self.key = key
        self.eq = eq
        self.any = anyGroups.map(Self.distinct)
        self.none = Self.distinct((ne.map { [$0] } ?? []) + (none ?? []))
        self.exists = exists
        self.bounds = bounds
    }

    private static func distinct(_ values: [MetadataScalar]) -> [MetadataScalar] {
        var seen: Set<ExactString> = []
        return values.filter { seen.insert($0.identity).inserted }
    }

    /// Whether metadata with this value of the key matches.
    ///
    /// - Parameter value: `nil` if the key is absent.
    public func matches(_ value: JSONValue?) -> Bool {
        if let exists, exists != (value != nil) { return false }
        let scalar = value.flatMap(MetadataScalar.init)
        if let eq, scalar != eq { return false }
        guard any.allSatisfy({ group in scalar.map(group.contains) ?? false }) else { return false }
        if let scalar, none.contains(scalar) { return false }
        return bounds.allSatisfy { $0.matches(scalar?.double) }
    }

    /// The numbers within ``bounds``; `nil` without a bound.
    public var range: MetadataRange? { bounds.isEmpty ? nil : MetadataRange(bounds) }
}

extension MetadataCondition {
    /// The condition as JSON that ``init(key:json:)`` reads: `eq`, `any` (a list of lists), `none`,
    /// `exists`, and each bound under its name. Absent parts are left out.
    public var json: JSONObject {
        func list(_ values: [MetadataScalar]) -> JSONValue { .array(values.map(\.json)) }
        var members = JSONObject()
        members["eq"] = eq?.json
        if !any.isEmpty { members["any"] = .array(any.map(list)) }
        if !none.isEmpty { members["none"] = list(none) }
        members["exists"] = exists.map(JSONValue.bool)
        for bound in bounds { members[bound.comparison.rawValue] = .double(bound.value) }
        return members
    }

    /// - Throws: ``MemoryError`` with code `invalidInput` that names the member at fault; an
    ///   unknown member is one.
    public init(key: String, json: JSONValue) throws(MemoryError) {
        let comparisons = Bound.Comparison.allCases
        let known = ["eq", "any", "none", "exists"] + comparisons.map(\.rawValue)
        for member in json.objectValue?.members ?? [] where !known.contains(member.name) {
            throw .invalid(member.name, "the filter on metadata has no operator \(member.name)")
        }
        let reader = MemberReader(json, of: "the filter on metadata", failing: .invalidInput)
        let groups = try reader.optional("any", \.arrayValue) ?? []
        var anyGroups: [[MetadataScalar]] = []
        for group in groups {
            guard let values = Self.scalars(group) else { throw reader.unreadable("any") }
            anyGroups.append(values)
        }
        var bounds: [Bound] = []
        for comparison in comparisons {
            guard let value = try reader.optional(comparison.rawValue, \.doubleValue) else { continue }
            bounds.append(Bound(comparison, value))
        }
        try self.init(
            key: key, eq: try reader.optional("eq", MetadataScalar.init), anyGroups: anyGroups,
            none: try reader.optional("none", Self.scalars), exists: try reader.optional("exists", \.boolValue),
            bounds: bounds)
    }

    private static func scalars(_ value: JSONValue) -> [MetadataScalar]? {
        guard let elements = value.arrayValue else { return nil }
        let values = elements.compactMap(MetadataScalar.init)
        return values.count == elements.count ? values : nil
    }
}
