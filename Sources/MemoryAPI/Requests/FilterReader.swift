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
        return MemoryFilter(tags: tags, dates: dates)
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
