import AgentMemory
import PostgresDriver

/// What a caller may reach, as SQL conditions on the columns `namespace` and `user_id`.
enum ScopeSQL {
    /// One condition for each limit; all must hold.
    ///
    /// - Parameter table: the table's name or alias.
    static func conditions(_ scope: AccessScope, of table: String, _ sql: inout SQLBuilder) -> [String] {
        scope.limits.map { field, values in condition("\(table).\(field.rawValue)", values, &sql) }
    }

    private static func condition(_ column: String, _ values: PermittedValues, _ sql: inout SQLBuilder) -> String {
        var alternatives = ["\(column) = ANY (\(sql.bind(values.exactValues)))"]
        for prefix in values.prefixes {
            let from = "\(column) >= \(sql.bind(prefix))"
            guard let end = FilterSQL.upperEnd(of: prefix) else {
                alternatives.append(from)
                continue
            }
            alternatives.append("\(from) AND \(column) < \(sql.bind(end))")
        }
        return "(\(alternatives.joined(separator: " OR ")))"
    }
}
