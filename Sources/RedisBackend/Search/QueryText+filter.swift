import AgentMemory

extension QueryText {
    /// The conditions of a filter; every one must hold.
    init(_ filter: MemoryFilter) {
        for (field, condition) in filter.orderedTags {
            if field == .id { addID(condition) } else { addTag("@\(field.rawValue)", condition) }
        }
        for (field, condition) in filter.orderedDates {
            for bound in condition.bounds { addDate("@\(field.rawValue)", bound) }
        }
        for condition in filter.metadata { addMetadata(condition) }
        add(filter.scope)
    }

    /// What the caller may reach.
    mutating func add(_ scope: AccessScope) {
        for (field, values) in scope.limits {
            // No value has the separator of the values in it: who may reach nothing finds nothing.
            let exact = values.exactValues.isEmpty && values.prefixes.isEmpty ? ["\u{1F}"] : values.exactValues
            var clauses = exact.isEmpty ? [] : ["@\(field.rawValue):{\(alternatives(exact))}"]
            for prefix in values.prefixes { clauses.append("@\(field.rawValue):{\(tag(prefix))*}") }
            add(clauses.count == 1 ? clauses[0] : "(\(clauses.joined(separator: "|")))")
        }
    }

    /// Records that were created at the date or later, or in the second before: dates of other
    /// servers can be finer than ours.
    mutating func addOldest(_ date: Timestamp) {
        add("@created_at:[\(plain(RedisDate.text(date.advanced(bySeconds: -1)))) +inf]")
    }

    private mutating func addTag(_ field: String, _ condition: TagCondition) {
        for value in condition.all { add("\(field):{\(tag(value))}") }
        for group in condition.any { add("\(field):{\(alternatives(group))}") }
        if let prefix = condition.startsWith { add("\(field):{\(tag(prefix))*}") }
        // A record without the field is not excluded (rule F4).
        if !condition.none.isEmpty { add("-\(field):{\(alternatives(condition.none))}") }
    }

    private mutating func addID(_ condition: TagCondition) {
        for value in condition.all { add(ids([value])) }
        for group in condition.any { add(ids(group)) }
        if let prefix = condition.startsWith {
            add("((@id_:{\(tag(prefix))*} ismissing(@id_exact))|@id_exact:{\(tag("<" + prefix))*})")
        }
        if !condition.none.isEmpty { add("-\(ids(condition.none))") }
    }

    /// Records with one of these ids. An id with a blank at an end is searched in its own field,
    /// and every other one only among records without that field, because the engine trims what it
    /// indexes.
    mutating func ids(_ values: [String]) -> String {
        let blank = values.compactMap(RecordHash.exactID)
        let plain = values.filter { RecordHash.exactID(of: $0) == nil }
        let plainClause = plain.isEmpty ? nil : "(@id_:{\(alternatives(plain))} ismissing(@id_exact))"
        let blankClause = blank.isEmpty ? nil : "@id_exact:{\(alternatives(blank))}"
        return switch (plainClause, blankClause) {
        case (let clause?, nil), (nil, let clause?): "(\(clause))"
        case (let a?, let b?): "(\(a)|\(b))"
        case (nil, nil): preconditionFailure("a condition has at least one value")
        }
    }

    private mutating func addDate(_ field: String, _ bound: DateCondition.Bound) {
        let value = plain(RedisDate.text(bound.value))
        switch bound.comparison {
        case .gt: add("\(field):[(\(value) +inf]")
        case .gte: add("\(field):[\(value) +inf]")
        case .lt: add("\(field):[-inf (\(value)]")
        case .lte: add("\(field):[-inf \(value)]")
        case .eq: add("\(field):[\(value) \(value)]")
        case .ne: add("-\(field):[\(value) \(value)]")
        }
    }

    private mutating func addMetadata(_ condition: MetadataCondition) {
        let field = "@\(RecordHash.metadataTerms)"
        func terms(_ values: [MetadataScalar]) -> [String] {
            values.map { MetadataTerms.term(of: condition.key, $0) }
        }
        if condition.exists == true { add("\(field):{\(tag(MetadataTerms.term(of: condition.key)))}") }
        if condition.exists == false { add("-\(field):{\(tag(MetadataTerms.term(of: condition.key)))}") }
        if let eq = condition.eq { add("\(field):{\(alternatives(terms([eq])))}") }
        for group in condition.any { add("\(field):{\(alternatives(terms(group)))}") }
        if !condition.none.isEmpty { add("-\(field):{\(alternatives(terms(condition.none)))}") }
        guard let range = condition.range else { return }
        // No term is a separator: a range without numbers finds nothing.
        add("\(field):{\(alternatives(range.isEmpty ? [","] : range.cover(of: condition.key)))}")
        if let excluded = range.excludedTerm(of: condition.key) { add("-\(field):{\(tag(excluded))}") }
    }

    private mutating func alternatives(_ values: [String]) -> String {
        values.map { tag($0) }.joined(separator: "|")
    }
}
