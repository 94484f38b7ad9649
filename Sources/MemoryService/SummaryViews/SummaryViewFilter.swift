import AgentMemory

/// Reads the filters of a view: a text is equality, a list is any of its values, an object has the
/// operators of a search.
enum SummaryViewFilter {
    private static let tags: [TagField] = [
        .userID, .namespace, .sessionID, .memoryType, .extractionStrategy, .topics,
    ]
    private static let dates: [DateField] = [.eventDate]

    /// - Throws: ``MemoryError``: `invalidCombination` for fields that views do not have;
    ///   `invalidInput` that names the member for what cannot be read.
    static func filter(_ filters: JSONObject) throws(MemoryError) -> MemoryFilter {
        let known = Set(tags.map(\.rawValue) + dates.map(\.rawValue))
        let unknown = filters.members.map(\.name).filter { !known.contains($0) }.sorted()
        guard unknown.isEmpty else {
            throw MemoryError(.invalidCombination, "Unsupported filter fields: \(unknown.joined(separator: ", "))")
        }
        var conditions: [TagField: TagCondition] = [:]
        var bounds: [DateField: DateCondition] = [:]
        for (name, value) in filters.members where !value.isNull {
            do throws(MemoryError) {
                if let field = TagField(rawValue: name) { conditions[field] = try condition(field, value) }
                if let field = DateField(rawValue: name) { bounds[field] = try condition(field, value) }
            } catch {
                throw error.within(.key(name)).within(.key("filters"))
            }
        }
        return MemoryFilter(tags: conditions, dates: bounds)
    }

    private static func condition(_ field: TagField, _ value: JSONValue) throws(MemoryError) -> TagCondition {
        if let text = value.stringValue { return try TagCondition(field: field, eq: text) }
        if let texts = value.stringsValue { return try TagCondition(field: field, any: texts) }
        guard let operators = value.objectValue else { throw unreadable(field.rawValue) }
        try check(operators, ["eq", "ne", "any", "all", "none", "startswith"])
        func text(_ name: String) throws(MemoryError) -> String? {
            guard let value = operators[name], !value.isNull else { return nil }
            guard let text = value.stringValue else { throw .invalid(name, "\(name) must be a text") }
            return text
        }
        func texts(_ name: String) throws(MemoryError) -> [String]? {
            guard let value = operators[name], !value.isNull else { return nil }
            guard let texts = value.stringsValue else { throw .invalid(name, "\(name) must be a list of texts") }
            return texts
        }
        return try TagCondition(
            field: field, eq: try text("eq"), ne: try text("ne"), any: try texts("any"), all: try texts("all"),
            none: try texts("none"), startsWith: try text("startswith"))
    }

    private static func condition(_ field: DateField, _ value: JSONValue) throws(MemoryError) -> DateCondition {
        func date(_ value: JSONValue, _ name: String) throws(MemoryError) -> Timestamp {
            guard let date = value.stringValue.flatMap({ Timestamp(parsing: $0) }) else {
                throw .invalid(name, "\(name) must be a date in ISO 8601")
            }
            return date
        }
        if value.stringValue != nil {
            return try DateCondition(field: field, [.init(.eq, try date(value, field.rawValue))])
        }
        guard let operators = value.objectValue else { throw unreadable(field.rawValue) }
        try check(operators, DateCondition.Comparison.allCases.map(\.rawValue) + ["between"])
        var bounds: [DateCondition.Bound] = []
        for (name, value) in operators.members where !value.isNull {
            if let comparison = DateCondition.Comparison(rawValue: name) {
                bounds.append(.init(comparison, try date(value, name)))
            } else {
                guard let ends = value.arrayValue, ends.count == 2 else {
                    throw .invalid(name, "between must be a list of two dates")
                }
                bounds += DateCondition.between(try date(ends[0], name), try date(ends[1], name))
            }
        }
        return try DateCondition(field: field, bounds)
    }

    private static func check(_ operators: JSONObject, _ known: [String]) throws(MemoryError) {
        for (name, _) in operators.members where !known.contains(name) {
            throw .invalid(name, "unknown operator \(name); known are \(known.joined(separator: ", "))")
        }
    }

    private static func unreadable(_ field: String) -> MemoryError {
        MemoryError(.invalidInput, "the filter on \(field) must be a text, a list of texts, or an object of operators")
    }
}
