import PostgresBackend

/// Forms of statements that a Citus cluster refuses, or that have another effect there. Each was
/// met on a cluster of Citus 13.
struct RefusedForms {
    let layout: ClusterLayout

    /// The tables on nodes. All others are on the coordinator.
    private var distributed: Regex<Substring> {
        switch layout {
        case .placed:
            #/\b(?:memories|memory_embeddings(?:_\d+)?|memory_tokens|memory_(?:totals|word\w+)|vector_spaces)\b/#
        case .spread: #/\b(?:memories|memory_embeddings(?:_\d+)?|memory_tokens)\b/#
        }
    }

    private var onCoordinator: Regex<Substring> {
        let always =
            #/\b(?:session\w*|jobs|documents|open_write\w*|access_token\w*|memory_deletions|memory_events|schema_migrations)\b/#
        switch layout {
        case .placed: return always
        case .spread:
            return
                #/\b(?:session\w*|jobs|documents|open_write\w*|access_token\w*|memory_deletions|memory_events|schema_migrations|memory_(?:totals|word\w+)|vector_spaces)\b/#
        }
    }

    /// What is wrong with the statements of one run, one line for each.
    func problems(in statements: [LoggedStatement]) -> [String] {
        var problems: Set<String> = []
        for session in Dictionary(grouping: statements, by: \.session).values {
            // Before the tables are distributed, everything is permitted.
            let start = session.firstIndex { $0.sql.contains("create_distributed_table(") }.map { $0 + 1 } ?? 0
            for (transaction, group) in Dictionary(grouping: session[start...], by: \.transaction)
            where transaction != "" {
                problems.formUnion(Self.together(group.map(\.sql), writes: isWrite))
            }
            for statement in session[start...] { problems.formUnion(alone(statement.sql)) }
        }
        return problems.sorted()
    }

    /// Whether it changes rows of a distributed table.
    private func isWrite(_ sql: String) -> Bool {
        names(in: sql).contains(distributed) && sql.contains(#/\b(?:INSERT INTO|UPDATE|DELETE FROM)\b/#)
            && !sql.contains(#/^(?:ALTER|CREATE|DROP|GRANT)/#)
    }

    /// Columns of records are named as tables are: `session_id`.
    private func names(in sql: String) -> String {
        sql.replacing(#/'[^']*'/#, with: "''").replacing(#/\bsession_id\b/#, with: "")
    }

    private static func together(_ group: [String], writes: (String) -> Bool) -> [String] {
        var problems: [String] = []
        let isWhole = group.contains { $0.hasPrefix("BEGIN") }
        if !isWhole, group.count(where: writes) > 1 {
            problems.append(
                "several writes are no transaction without BEGIN: \(group.filter(writes).map { $0.prefix(60) })")
        }
        if !isWhole, let setting = group.first(where: { $0.hasPrefix("SET LOCAL") }) {
            problems.append("a setting reaches the nodes between BEGIN and COMMIT only: \(setting)")
        }
        return problems
    }

    private func alone(_ sql: String) -> [String] {
        let text = names(in: sql)
        guard text.contains(distributed) else {
            return text.contains(#/set_config\(''.*hnsw/#) ? ["set_config never reaches the nodes: \(sql)"] : []
        }
        let isDefinition = sql.contains(#/^(?:ALTER|CREATE|DROP|TRUNCATE|LOCK|GRANT)\b/#)
        let catalog =
            sql.contains(#/\b(?:pg_\w+|information_schema)\b/#) && !sql.contains(#/\b(?:FROM|JOIN|INTO|UPDATE) mem/#)
        if catalog { return [] }
        var rules: [(Bool, String)] = [
            (text.contains(#/;\s*\S/#), "one message has one command"),
            (text.contains(onCoordinator), "a statement has tables of the nodes or of the coordinator, not both"),
            (
                text.contains(#/\b(?:row_security_active|current_schema|to_regclass|scope_permits\w*)\(/#),
                "the nodes have another search path"
            ),
            (
                text.contains(#/\b(?:UPDATE|DELETE FROM)\b/#) && !isDefinition
                    && text.contains(
                        #/\b(?:clock_timestamp|gen_random_uuid|random|nextval|set_config|pg_(?:try_)?advisory\w+)\(/#),
                "UPDATE and DELETE have no VOLATILE function"
            ),
        ]
        if layout == .spread, !isDefinition {
            rules += [
                (text.contains("LATERAL"), "no LATERAL"),
                (text.contains("OFFSET 0"), "no OFFSET in a subquery"),
                (
                    text.contains(#/FOR (?:UPDATE|SHARE|NO KEY UPDATE)/#) && !text.contains(#/\.id = \$\d+/#),
                    "a lock is for one id"
                ),
                (text.contains(#/\bSELECT FROM\b(?! unnest)/#), "a list of columns is not empty"),
                (text.contains(#/\bSET id =/#), "the distribution column does not change"),
                (text.contains(#/\.number = \w+\.number/#), "tables are joined by the id"),
            ]
        }
        return rules.filter(\.0).map { "\($0.1): \(sql.prefix(300))" }
    }
}
