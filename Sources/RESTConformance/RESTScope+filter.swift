import AgentMemory
import MemoryConformance

extension RESTScope {
    /// A filter as the members of a request's body, so that no record outside of this scope
    /// matches.
    ///
    /// A filter that requires an id or a namespace stays within the scope by itself. Otherwise a
    /// condition is added: on the namespace, or on the id if the namespace already has one that
    /// only excludes values.
    ///
    /// - Parameter hasRecordFilters: whether the server filters on id, memory_hash and
    ///   discrete_memory_extracted.
    /// - Throws: ``NotApplicable`` for conditions that the API cannot express.
    func body(_ filter: MemoryFilter, hasRecordFilters: Bool) throws(NotApplicable) -> JSONObject {
        var body: JSONObject = [:]
        for (field, condition) in filter.orderedTags {
            if !hasRecordFilters, [.id, .memoryHash, .discreteMemoryExtracted].contains(field) {
                throw NotApplicable("the server has no filter on \(field.rawValue)")
            }
            body[field.rawValue] = .object(try Self.operators(renamed(condition, field), field))
        }
        for (field, condition) in filter.orderedDates {
            body[field.rawValue] = .object(try Self.operators(condition))
        }
        if !filter.metadata.isEmpty {
            var metadata: JSONObject = [:]
            for condition in filter.metadata { metadata[condition.key] = .object(try Self.operators(condition)) }
            body["metadata"] = .object(metadata)
        }
        let namespace = filter.tags[.namespace]
        guard filter.tags[.id]?.isPositive != true, namespace?.isPositive != true else { return body }
        if var negative = namespace.flatMap({ _ in body["namespace"]?.objectValue }) {
            if filter.tags[.id] == nil, hasRecordFilters {
                body["id"] = ["startswith": .string(prefix)]
            } else {
                negative["any"] = .array(namespaces.map { .string($0) })
                body["namespace"] = .object(negative)
            }
        } else if namespaces.count > 1 {
            body["namespace"] = ["startswith": .string(prefix)]
        } else {
            body["namespace"] = ["eq": .string(namespaces.first ?? prefix)]
        }
        return body
    }

    /// The parts of a condition, in the server's names.
    private struct Operands {
        var all: [String]
        var any: [[String]]
        var none: [String]
        var startsWith: String?
    }

    private func renamed(_ condition: TagCondition, _ field: TagField) throws(NotApplicable) -> Operands {
        func renamed(_ value: String) throws(NotApplicable) -> String {
            switch field {
            case .id: try id(value)
            case .namespace: try namespace(value)
            case .memoryHash: hash(value)
            default: value
            }
        }
        func renamed(_ values: [String]) throws(NotApplicable) -> [String] {
            var names: [String] = []
            for value in values { names.append(try renamed(value)) }
            return names
        }
        if field == .memoryHash, condition.startsWith != nil {
            throw NotApplicable("a prefix of a memory hash cannot be asked for: the server's hashes are others")
        }
        var groups: [[String]] = []
        for group in condition.any { groups.append(try renamed(group)) }
        var startsWith: String?
        if let prefix = condition.startsWith { startsWith = try renamed(prefix) }
        return Operands(
            all: try renamed(condition.all), any: groups, none: try renamed(condition.none), startsWith: startsWith)
    }

    private static func operators(_ operands: Operands, _ field: TagField) throws(NotApplicable) -> JSONObject {
        func list(_ values: [String]) -> JSONValue { .array(values.map { .string($0) }) }
        var operators: JSONObject = [:]
        switch operands.all.count {
        case 0: break
        case 1: operators["eq"] = .string(operands.all[0])
        default: operators["all"] = list(operands.all)
        }
        let spellings = ["any", "in_", "in"]
        guard operands.any.count <= spellings.count else {
            throw NotApplicable(
                "the wire spells any in \(spellings.count) ways, the filter needs \(operands.any.count)")
        }
        for (spelling, group) in zip(spellings, operands.any) { operators[spelling] = list(group) }
        // eq and ne cannot be combined; eq and none can.
        if operands.none.count == 1, operands.all.count != 1 {
            operators["ne"] = .string(operands.none[0])
        } else if !operands.none.isEmpty {
            operators["none"] = list(operands.none)
        }
        if let prefix = operands.startsWith { operators["startswith"] = .string(prefix) }
        return operators
    }

    private static func operators(_ condition: MetadataCondition) throws(NotApplicable) -> JSONObject {
        var operators = condition.json
        operators["any"] = nil
        let spellings = ["any", "in_", "in"]
        guard condition.any.count <= spellings.count else {
            throw NotApplicable(
                "the wire spells any in \(spellings.count) ways, the filter needs \(condition.any.count)")
        }
        for (spelling, group) in zip(spellings, condition.any) { operators[spelling] = .array(group.map(\.json)) }
        return operators
    }

    private static func operators(_ condition: DateCondition) throws(NotApplicable) -> JSONObject {
        var operators: JSONObject = [:]
        for bound in condition.bounds {
            guard operators[bound.comparison.rawValue] == nil else {
                throw NotApplicable("the wire takes one \(bound.comparison.rawValue) a date")
            }
            operators[bound.comparison.rawValue] = .string(bound.value.iso8601)
        }
        return operators
    }
}

extension TagCondition {
    /// Whether the condition requires values, and does not only exclude some.
    fileprivate var isPositive: Bool { !all.isEmpty || !any.isEmpty || startsWith != nil }
}
