import AgentMemory
import PostgresDriver

/// A filter as SQL conditions on the table `memories` under the alias `m`.
enum FilterSQL {
    /// One condition for each part; all must hold. Empty for a filter that matches everything.
    static func conditions(_ filter: MemoryFilter, _ sql: inout SQLBuilder) -> [String] {
        var conditions: [String] = []
        for (field, condition) in filter.orderedTags {
            if field.isMultiValued {
                conditions += listConditions(field, condition, &sql)
            } else if field == .discreteMemoryExtracted {
                conditions += flagConditions(field, condition, &sql)
            } else {
                conditions += valueConditions(field, condition, &sql)
            }
        }
        for (field, condition) in filter.orderedDates {
            for bound in condition.bounds { conditions.append(dateCondition(field, bound, &sql)) }
        }
        for condition in filter.metadata { conditions += metadataConditions(condition, &sql) }
        conditions += ScopeSQL.conditions(filter.scope, of: "m", &sql)
        return conditions
    }

    /// ` WHERE a AND b`, or nothing.
    static func whereClause(_ conditions: [String]) -> String {
        conditions.isEmpty ? "" : " WHERE " + conditions.joined(separator: " AND ")
    }

    /// Whether the filter names one user and has conditions on no other field except the namespace,
    /// so that a table with these two columns can apply it.
    static func isOfOneUser(_ filter: MemoryFilter) -> Bool {
        filter.orderedDates.isEmpty && filter.metadata.isEmpty
            && filter.orderedTags.allSatisfy { $0.field == .userID || $0.field == .namespace }
            && filter.orderedTags.contains { $0.field == .userID && !$0.condition.all.isEmpty }
    }

    /// The conditions of a filter with ``isOfOneUser(_:)`` on another table than `memories`.
    static func ownerConditions(_ filter: MemoryFilter, of table: String, _ sql: inout SQLBuilder) -> [String] {
        var conditions: [String] = []
        for (field, condition) in filter.orderedTags {
            conditions += valueConditions(field, condition, of: table, &sql)
        }
        return conditions + ScopeSQL.conditions(filter.scope, of: table, &sql)
    }

    private static func valueConditions(
        _ field: TagField, _ condition: TagCondition, of table: String = "m", _ sql: inout SQLBuilder
    ) -> [String] {
        let column = "\(table).\(field.rawValue)"
        var conditions = condition.all.map { "\(column) = \(sql.bind($0))" }
        for group in condition.any { conditions.append("\(column) = ANY (\(sql.bind(group)))") }
        if !condition.none.isEmpty {
            // An absent value is none of them.
            conditions.append("(\(column) IS NULL OR \(column) <> ALL (\(sql.bind(condition.none))))")
        }
        if let prefix = condition.startsWith { conditions.append(range(column, prefix, &sql)) }
        return conditions
    }

    private static func listConditions(_ field: TagField, _ condition: TagCondition, _ sql: inout SQLBuilder)
        -> [String]
    {
        let column = "m.\(field.rawValue)"
        var conditions: [String] = []
        if !condition.all.isEmpty { conditions.append("\(column) @> \(sql.bind(condition.all))") }
        for group in condition.any { conditions.append("\(column) && \(sql.bind(group))") }
        if !condition.none.isEmpty { conditions.append("NOT \(column) && \(sql.bind(condition.none))") }
        if let prefix = condition.startsWith {
            let matches = range("value COLLATE \"C\"", prefix, &sql)
            conditions.append("EXISTS (SELECT FROM unnest(\(column)) AS value WHERE \(matches))")
        }
        return conditions
    }

    /// The API has the values `t` and `f`, the table has a boolean.
    private static func flagConditions(_ field: TagField, _ condition: TagCondition, _ sql: inout SQLBuilder)
        -> [String]
    {
        let column = "m.\(field.rawValue)"
        func flag(_ value: String) -> String { value == "t" ? column : "NOT \(column)" }
        var conditions = condition.all.map(flag)
        for group in condition.any { conditions.append("(" + group.map(flag).joined(separator: " OR ") + ")") }
        conditions += condition.none.map { "(\(flag($0))) IS FALSE" }
        return conditions
    }

    private static func dateCondition(
        _ field: DateField, _ bound: DateCondition.Bound, _ sql: inout SQLBuilder
    ) -> String {
        let column = "m.\(field.rawValue)"
        let value = sql.bind(bound.value)
        return switch bound.comparison {
        case .gt: "\(column) > \(value)"
        case .gte: "\(column) >= \(value)"
        case .lt: "\(column) < \(value)"
        case .lte: "\(column) <= \(value)"
        case .eq: "\(column) = \(value)"
        case .ne: "\(column) IS DISTINCT FROM \(value)"
        }
    }

    private static func metadataConditions(_ condition: MetadataCondition, _ sql: inout SQLBuilder) -> [String] {
        let column = "m.\(RecordSQL.metadataTerms)"
        let key = MetadataTerms.term(of: condition.key)
        func terms(_ values: [MetadataScalar]) -> [String] {
            values.map { MetadataTerms.term(of: condition.key, $0) }
        }
        var conditions: [String] = []
        let required = terms(condition.eq.map { [$0] } ?? []) + (condition.exists == true ? [key] : [])
        if !required.isEmpty { conditions.append("\(column) @> \(sql.bind(required))") }
        for group in condition.any { conditions.append("\(column) && \(sql.bind(terms(group)))") }
        let excluded = terms(condition.none) + (condition.exists == false ? [key] : [])
        if !excluded.isEmpty { conditions.append("(\(column) IS NULL OR NOT \(column) && \(sql.bind(excluded)))") }
        guard let range = condition.range else { return conditions }
        guard let ends = range.ends(of: condition.key) else { return conditions + ["FALSE"] }
        // The index finds the records that have the key.
        conditions.append("\(column) @> \(sql.bind([key]))")
        let term = "term COLLATE \"C\""
        var bounds = "\(term) >= \(sql.bind(ends.from)) AND \(term) <= \(sql.bind(ends.to))"
        if let excluded = range.excludedTerm(of: condition.key) { bounds += " AND \(term) <> \(sql.bind(excluded))" }
        conditions.append("EXISTS (SELECT FROM unnest(\(column)) AS term WHERE \(bounds))")
        return conditions
    }

    /// In the order of code points, the strings with this prefix are those between it and the next
    /// string without it.
    private static func range(_ expression: String, _ prefix: String, _ sql: inout SQLBuilder) -> String {
        let from = "\(expression) >= \(sql.bind(prefix))"
        guard let end = upperEnd(of: prefix) else { return from }
        return "(\(from) AND \(expression) < \(sql.bind(end)))"
    }

    /// The smallest string above all with the prefix; `nil` if there is none.
    static func upperEnd(of prefix: String) -> String? {
        var scalars = Array(prefix.unicodeScalars)
        while let last = scalars.popLast() {
            // The surrogates, which are not characters, follow U+D7FF.
            let next: UInt32 = last.value == 0xD7FF ? 0xE000 : last.value + 1
            if let scalar = Unicode.Scalar(next) {
                scalars.append(scalar)
                var text = String.UnicodeScalarView()
                text.append(contentsOf: scalars)
                return String(text)
            }
        }
        return nil
    }
}
