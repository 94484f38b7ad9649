import AgentMemory

/// Reads the filters of a search, list or count request. Every part of a filter must be known:
/// ignoring a misspelt operator would show records that should not be shown.
struct FilterReader {
    /// The filters that a request may carry under these names.
    static let tagFields: [TagField] = TagField.allCases
    static let dateFields: [DateField] = DateField.allCases

    /// All filters of the request body; fields that are absent or `null` do not filter.
    static func read(_ body: BodyReader) throws -> MemoryFilter {
        var tags: [TagField: TagCondition] = [:]
        var dates: [DateField: DateCondition] = [:]
        for field in tagFields {
            guard let reader = body.object(field.rawValue) else { continue }
            tags[field] = try tagCondition(field, reader)
        }
        for field in dateFields {
            guard let reader = body.object(field.rawValue) else { continue }
            dates[field] = try dateCondition(field, reader)
        }
        return MemoryFilter(tags: tags, dates: dates, metadata: try metadataConditions(body))
    }

    /// The name of the member with the filters on metadata, by key.
    static let metadata = "metadata"

    private static func metadataConditions(_ body: BodyReader) throws -> [MetadataCondition] {
        guard let reader = body.object(metadata) else { return [] }
        let keys = reader.members.members.count
        if body.member(metadata)?.objectValue != nil, keys == 0 || keys > MetadataCondition.maximumKeys {
            reader.note(
                "value_error", at: reader.location,
                "Value error, the filter on metadata names 1 to \(MetadataCondition.maximumKeys) keys",
                input: .object(reader.members))
            return []
        }
        return try reader.members.members.compactMap { key, value in
            if value.isNull {
                reader.note(
                    "value_error", at: reader.location(of: key),
                    "Value error, the filter on metadata has no operator for this key", input: value)
            }
            return try reader.object(key).flatMap { try metadataCondition(key, $0) }
        }
    }

    private static func metadataCondition(_ key: String, _ reader: BodyReader) throws -> MetadataCondition? {
        let comparisons = MetadataCondition.Bound.Comparison.allCases
        reader.refuseUnknown(
            ["eq", "ne", "not_eq", "any", "in_", "in", "none", "not_in", "exists"] + comparisons.map(\.rawValue),
            "Unknown operator")
        let equal = scalar("eq", reader)
        let unequal = ["ne", "not_eq"].compactMap { scalar($0, reader) }
        let any = ["any", "in_", "in"].compactMap { scalars($0, reader) }
        let none = ["none", "not_in"].compactMap { scalars($0, reader) }
        let exists = reader.bool("exists")
        let bounds = comparisons.compactMap { comparison in
            number(comparison.rawValue, reader).map { MetadataCondition.Bound(comparison, $0) }
        }
        guard !reader.hasIssues else { return nil }
        return try reader.make(echoing: true) { () throws(MemoryError) in
            // An empty list must be refused even if a second spelling has values.
            if none.contains(where: \.isEmpty) { throw .invalid("none", "none must not be an empty list") }
            let excluded = none.flatMap(\.self) + unequal.dropFirst()
            return try MetadataCondition(
                key: key, eq: equal, ne: unequal.first, anyGroups: any, none: excluded.isEmpty ? nil : excluded,
                exists: exists, bounds: bounds)
        }
    }

    private static func scalar(_ name: String, _ reader: BodyReader) -> MetadataScalar? {
        reader.member(name).flatMap { scalar($0, at: reader.location(of: name), reader) }
    }

    private static func scalars(_ name: String, _ reader: BodyReader) -> [MetadataScalar]? {
        guard let values = reader.array(name) else { return nil }
        return values.enumerated().compactMap { index, value in
            scalar(value, at: reader.location(of: name) + [.index(index)], reader)
        }
    }

    private static func scalar(
        _ value: JSONValue, at location: [MemoryError.PathComponent], _ reader: BodyReader
    ) -> MetadataScalar? {
        let scalar = MetadataScalar(value)
        if scalar == nil {
            reader.note(
                "value_error", at: location, "Value error, metadata is compared with a string, a number or a boolean",
                input: value)
        }
        return scalar
    }

    /// Not a string with digits: metadata is compared by kind.
    private static func number(_ name: String, _ reader: BodyReader) -> Double? {
        guard let value = reader.member(name) else { return nil }
        if let number = value.doubleValue { return number }
        reader.note("float_type", at: reader.location(of: name), "Input should be a valid number", input: value)
        return nil
    }

    /// Operators and their spellings by the official clients (rule F8).
    private static func tagCondition(
        _ field: TagField, _ reader: BodyReader
    ) throws -> TagCondition? {
        reader.refuseUnknown(
            ["eq", "ne", "not_eq", "any", "in_", "in", "all", "none", "not_in", "startswith"], "Unknown operator")
        let equal = reader.string("eq")
        let unequal = [reader.string("ne"), reader.string("not_eq")].compactMap(\.self)
        let any = ["any", "in_", "in"].compactMap { reader.strings($0) }
        let all = reader.strings("all")
        let none = ["none", "not_in"].compactMap { reader.strings($0) }
        let startsWith = reader.string("startswith")
        guard !reader.hasIssues else { return nil }
        return try reader.make(echoing: true) { () throws(MemoryError) in
            // An empty list must be refused even if a second spelling has values.
            if none.contains([]) { throw .invalid("none", "none must not be an empty list") }
            if equal != nil, !unequal.isEmpty {
                throw MemoryError(.invalidInput, "the filter on \(field.rawValue) cannot combine eq with ne")
            }
            let excluded = none.flatMap(\.self) + unequal.dropFirst()
            return try TagCondition(
                field: field, eq: equal, ne: unequal.first, anyGroups: any, all: all,
                none: excluded.isEmpty ? nil : excluded, startsWith: startsWith)
        }
    }

    private static func dateCondition(
        _ field: DateField, _ reader: BodyReader
    ) throws -> DateCondition? {
        let comparisons = DateCondition.Comparison.allCases
        reader.refuseUnknown(
            comparisons.map(\.rawValue) + ["not_eq", "between", "inclusive"], "Unknown operator")
        var bounds = comparisons.compactMap { comparison in
            reader.date(comparison.rawValue).map { DateCondition.Bound(comparison, $0) }
        }
        if let date = reader.date("not_eq") { bounds.append(DateCondition.Bound(.ne, date)) }
        let inclusive = reader.choice("inclusive", DateCondition.Inclusive.self)
        if let ends = reader.array("between") {
            if ends.count == 2 {
                let location = reader.location(of: "between")
                if let from = reader.date(ends[0], at: location + [.index(0)]),
                    let to = reader.date(ends[1], at: location + [.index(1)])
                {
                    bounds += DateCondition.between(from, to, inclusive: inclusive ?? .both)
                }
            } else {
                reader.note(
                    "value_error", at: reader.location, "Value error, between must be a list of two datetimes",
                    input: .object(reader.members))
            }
        } else if inclusive != nil, reader.member("between") == nil {
            reader.note(
                "value_error", at: reader.location(of: "inclusive"), "Value error, inclusive needs between",
                input: .object(reader.members))
        }
        guard !reader.hasIssues else { return nil }
        return try reader.make(echoing: true) { () throws(MemoryError) in
            try DateCondition(field: field, bounds)
        }
    }
}
