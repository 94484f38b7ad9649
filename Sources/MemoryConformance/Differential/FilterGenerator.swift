import AgentMemory

/// Draws filters over all fields and operators that the contract allows together, with values that
/// are in use or nearly so.
struct FilterGenerator {
    let stored: [MemoryRecord]
    let pool: ValuePool
    var random: SplitMix64

    mutating func filter() throws(MemoryError) -> MemoryFilter {
        var tags: [TagField: TagCondition] = [:]
        var dates: [DateField: DateCondition] = [:]
        var metadata: [ExactString: MetadataCondition] = [:]
        for _ in 0..<random.weighted([(50, 1), (30, 2), (14, 3), (6, 5)]) {
            let kind = random.below(100)
            if kind < 15 {
                let (key, value) = metadataMember()
                metadata[ExactString(key)] = try metadataCondition(key, value)
            } else if kind < 40 {
                let field = random.pick(DateField.allCases)
                dates[field] = try DateCondition(field: field, bounds(field))
            } else {
                let field = random.pick(TagField.allCases)
                tags[field] = try condition(field)
            }
        }
        return MemoryFilter(tags: tags, dates: dates, metadata: Array(metadata.values))
    }

    // MARK: Metadata

    /// A key of a record, with its value or that of another record, or a key that no record has.
    private mutating func metadataMember() -> (key: String, value: JSONValue?) {
        let objects = stored.isEmpty || random.chance(20) ? pool.metadata : stored.map(\.metadata)
        let members = objects.flatMap(\.members)
        guard !members.isEmpty, random.chance(92) else { return ("nowhere", nil) }
        let member = random.pick(members)
        return (member.name, member.value)
    }

    private mutating func metadataCondition(_ key: String, _ value: JSONValue?) throws(MemoryError) -> MetadataCondition
    {
        switch random.below(10) {
        case 0: try MetadataCondition(key: key, exists: true)
        case 1: try MetadataCondition(key: key, exists: false)
        case 2: try MetadataCondition(key: key, eq: scalar(value))
        case 3: try MetadataCondition(key: key, ne: scalar(value))
        case 4: try MetadataCondition(key: key, anyGroups: [[scalar(value), scalar(nil)]])
        case 5: try MetadataCondition(key: key, none: [scalar(value), scalar(nil)])
        case 6: try MetadataCondition(key: key, none: [scalar(value)], exists: true)
        case 7: try MetadataCondition(key: key, bounds: [.init(random.pick([.gt, .gte]), number(value))])
        case 8: try MetadataCondition(key: key, bounds: [.init(random.pick([.lt, .lte]), number(value))])
        default:
            try MetadataCondition(
                key: key, none: [scalar(value)],
                bounds: [
                    .init(random.pick([.gt, .gte]), number(value)), .init(random.pick([.lt, .lte]), number(value)),
                ])
        }
    }

    /// The value, or one of another kind or spelling.
    private mutating func scalar(_ value: JSONValue?) -> MetadataScalar {
        let others: [JSONValue] = [1, 1.0, 2024, "2024", "crm", "CRM", "", true, false, 9_007_199_254_740_992]
        let own = random.chance(75) ? value.flatMap(MetadataScalar.init) : nil
        return own ?? MetadataScalar(random.pick(others))!
    }

    /// The number, or one near it.
    private mutating func number(_ value: JSONValue?) -> Double {
        guard let number = value?.doubleValue, number.isFinite, random.chance(80) else {
            return random.pick([-1, 0, 0.1, 1, 2024, 1e300])
        }
        switch random.below(5) {
        case 0: return number.nextUp.isFinite ? number.nextUp : number
        case 1: return number - 1
        case 2: return number + 0.5
        default: return number
        }
    }

    // MARK: Tags

    private enum Operators: CaseIterable {
        case eq, ne, any, all, none, startsWith, eqAny, eqAll, eqNone, neAny, neAll, neNone, anyNone, allNone
    }

    private mutating func condition(_ field: TagField) throws(MemoryError) -> TagCondition {
        switch random.pick(Operators.allCases) {
        case .eq: try TagCondition(field: field, eq: value(field))
        case .ne: try TagCondition(field: field, ne: value(field))
        case .any: try TagCondition(field: field, any: values(field))
        case .all: try TagCondition(field: field, all: values(field))
        case .none: try TagCondition(field: field, none: values(field))
        case .startsWith:
            if let prefix = prefix(field) {
                try TagCondition(field: field, startsWith: prefix)
            } else {
                try TagCondition(field: field, eq: value(field))
            }
        case .eqAny: try TagCondition(field: field, eq: value(field), any: values(field))
        case .eqAll: try TagCondition(field: field, eq: value(field), all: values(field))
        case .eqNone: try TagCondition(field: field, eq: value(field), none: values(field))
        case .neAny: try TagCondition(field: field, ne: value(field), any: values(field))
        case .neAll: try TagCondition(field: field, ne: value(field), all: values(field))
        case .neNone: try TagCondition(field: field, ne: value(field), none: values(field))
        case .anyNone: try TagCondition(field: field, any: values(field), none: values(field))
        case .allNone: try TagCondition(field: field, all: values(field), none: values(field))
        }
    }

    private mutating func values(_ field: TagField) -> [String] {
        (0..<random.between(1, 3)).map { _ in value(field) }
    }

    private mutating func value(_ field: TagField) -> String {
        if let allowed = field.allowedValues { return random.pick(allowed) }
        if !stored.isEmpty, random.chance(65) {
            let values = field.values(of: random.pick(stored))
            if !values.isEmpty { return random.pick(values) }
        }
        if random.chance(7) { return random.pick(HostileStrings.tags) }
        return switch field {
        case .id: random.pick(pool.ids)
        case .sessionID: random.pick(pool.sessions)
        case .userID: random.pick(pool.users)
        case .namespace: random.pick(pool.namespaces)
        case .extractionStrategy: random.pick(pool.strategies)
        case .topics: random.pick(pool.topics)
        case .entities: random.pick(pool.entities)
        case .memoryHash, .memoryType, .discreteMemoryExtracted: "custom-hash"
        }
    }

    /// The first code points of a value.
    private mutating func prefix(_ field: TagField) -> String? {
        guard field.allowedValues == nil else { return nil }
        var scalars = Array(value(field).unicodeScalars)
        scalars.removeSubrange(random.between(1, min(scalars.count, 8))...)
        var prefix = String.UnicodeScalarView()
        prefix.append(contentsOf: scalars)
        let text = String(prefix)
        return SearchQuery.isBlank(text) ? nil : text
    }

    // MARK: Dates

    private mutating func bounds(_ field: DateField) -> [DateCondition.Bound] {
        let a = date(field)
        let b = date(field)
        let (from, to) = (min(a, b), max(a, b))
        switch random.below(9) {
        case 0: return [.init(.eq, a)]
        case 1: return [.init(.ne, a)]
        case 2: return [.init(random.pick([.gt, .gte]), a)]
        case 3: return [.init(random.pick([.lt, .lte]), a)]
        case 4: return DateCondition.between(from, to, inclusive: random.pick(DateCondition.Inclusive.allCases))
        case 5: return [.init(random.pick([.gt, .gte]), from), .init(random.pick([.lt, .lte]), to)]
        case 6: return [.init(random.pick([.gte, .gt]), from), .init(.ne, b), .init(.lte, to)]
        case 7: return [.init(.ne, a), .init(.ne, b)]
        default: return [.init(.eq, a), .init(random.pick([.gte, .lte]), b)]
        }
    }

    /// A date in use, or one that is a microsecond off.
    private mutating func date(_ field: DateField) -> Timestamp {
        var date = random.pick(pool.dates)
        if !stored.isEmpty, random.chance(75), let used = field.value(of: random.pick(stored)) { date = used }
        guard random.chance(25) else { return date }
        return Timestamp(microseconds: date.microseconds + random.pick([-1, 1, 1000, -1_000_000])) ?? date
    }
}
