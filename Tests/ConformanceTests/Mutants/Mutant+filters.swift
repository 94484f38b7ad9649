import AgentMemory
import Foundation

extension Mutant {
    static let filterMutants = [
        Mutant("all behaves as any", caughtBy: "filter/F2-any-all", histories: .filters) {
            $0.readFilters { filter in
                try retagged(filter) { field, condition in
                    guard condition.all.count > 1 else { return condition }
                    return try TagCondition(
                        field: field, eq: nil, ne: nil, anyGroups: condition.any + [condition.all], all: nil,
                        none: condition.none.isEmpty ? nil : condition.none, startsWith: nil)
                }
            }
        },
        Mutant("tags are compared without their case", caughtBy: "filter/F1-exact", histories: .filters) {
            $0.match { filter, record in matches(filter, record) { ExactString($0.lowercased()) } }
        },
        Mutant("tags are compared in normal form C", caughtBy: "filter/F1-exact", histories: .filters) {
            $0.match { filter, record in
                matches(filter, record) { ExactString($0.precomposedStringWithCanonicalMapping) }
            }
        },
        Mutant("ne skips records without the field", caughtBy: "filter/F4-absent-matches-ne", histories: .filters) {
            $0.match { filter, record in
                filter.matches(record)
                    && filter.tags.allSatisfy { $1.none.isEmpty || !$0.values(of: record).isEmpty }
            }
        },
        Mutant("the second operator of a filter is dropped", caughtBy: "filter/F3-two-operators", histories: .filters) {
            $0.readFilters { filter in
                try retagged(filter) { field, condition in
                    if let first = condition.any.first { return try TagCondition(field: field, any: first) }
                    if !condition.all.isEmpty { return try TagCondition(field: field, all: condition.all) }
                    return condition
                }
            }
        },
        Mutant("only one field of a filter applies", caughtBy: "filter/F3-fields-joined-by-and", histories: .filters) {
            $0.readFilters { filter in
                guard let first = filter.orderedTags.first else { return filter }
                return MemoryFilter(tags: [first.field: first.condition])
            }
        },
        Mutant(
            "all of two values matches a single-valued field that has one",
            caughtBy: "filter/F5-all-of-two-on-one-value"
        ) {
            $0.match { filter, record in
                let others = filter.tags.filter { $0.key.isMultiValued || $0.value.all.count < 2 }
                return MemoryFilter(tags: others, dates: filter.dates).matches(record)
                    && filter.tags.allSatisfy { field, condition in
                        others[field] != nil || field.values(of: record).contains { condition.all.contains($0) }
                    }
            }
        },
        Mutant("dates are compared in whole seconds", caughtBy: "filter/F7-date-operators", histories: .filters) {
            $0.match { filter, record in
                MemoryFilter(tags: filter.tags).matches(record)
                    && filter.dates.allSatisfy { field, condition in
                        let date = field.value(of: record).map(seconds)
                        return condition.bounds.allSatisfy {
                            DateCondition.Bound($0.comparison, seconds($0.value)).matches(date)
                        }
                    }
            }
        },
        Mutant("of two bounds of a date one applies", caughtBy: "filter/F7-date-operators", histories: .filters) {
            $0.readFilters { filter in
                let dates = try filter.dates.map { field, condition in
                    (field, try DateCondition(field: field, [condition.bounds[0]]))
                }
                return MemoryFilter(tags: filter.tags, dates: Dictionary(uniqueKeysWithValues: dates))
            }
        },
        Mutant("an absent date is a very early one", caughtBy: "filter/F7-absent-date", histories: .filters) {
            $0.match { filter, record in
                MemoryFilter(tags: filter.tags).matches(record)
                    && filter.dates.allSatisfy { $1.matches($0.value(of: record) ?? .earliest) }
            }
        },
        Mutant("startswith reads LIKE's wildcards", caughtBy: "filter/F2-startswith") {
            $0.match { filter, record in
                let others = filter.tags.filter { $0.value.startsWith == nil }
                return MemoryFilter(tags: others, dates: filter.dates).matches(record)
                    && filter.tags.allSatisfy { field, condition in
                        guard let prefix = condition.startsWith else { return true }
                        return field.values(of: record).contains { isLike($0, prefix + "%") }
                    }
            }
        },
        Mutant("eq reads LIKE's wildcards", caughtBy: "filter/F10-values-are-data") {
            $0.match { filter, record in
                matches(filter, record, has: { value, wanted in isLike(value, wanted) })
            }
        },
        Mutant("startswith stops after 200 distinct values", caughtBy: "filter/F2-startswith") { database in
            let original = database.original
            database.readFilters { filter in
                let records = try await AlteredDatabase.everything(in: original)
                return try retagged(filter) { field, condition in
                    guard let prefix = condition.startsWith else { return condition }
                    let values = records.flatMap(field.values).filter { $0.utf8.starts(with: prefix.utf8) }
                        .exactlyDistinct()
                    return values.count <= 200
                        ? condition : try TagCondition(field: field, any: Array(values.prefix(200)))
                }
            }
        },
        Mutant("what has expired is seen until a sweep", caughtBy: "expiry/X1-unseen") {
            let original = $0.original
            $0.searching = { try await original.search($0) }
            $0.listing = { await original.list($0) }
            $0.counting = { await original.count($0) }
        },
        Mutant("metadata is not filtered", caughtBy: "filter/F11-equality", histories: .filters) {
            $0.readFilters { MemoryFilter(tags: $0.tags, dates: $0.dates) }
        },
        Mutant("metadata is compared as text", caughtBy: "filter/F11-equality", histories: .filters) {
            $0.matchMetadata { condition, value in
                guard let wanted = condition.eq else { return condition.matches(value) }
                return value?.jsonText.filter { $0 != "\"" } == wanted.json.jsonText.filter { $0 != "\"" }
            }
        },
        Mutant("ne skips records without the key", caughtBy: "filter/F11-absent-key", histories: .filters) {
            $0.matchMetadata { condition, value in
                condition.matches(value) && (condition.none.isEmpty || value != nil)
            }
        },
        Mutant("null is an absent key", caughtBy: "filter/F11-absent-key") {
            $0.matchMetadata { condition, value in condition.matches(value?.isNull == true ? nil : value) }
        },
        Mutant("an open end is closed", caughtBy: "filter/F11-ranges", histories: .filters) {
            $0.matchMetadata { condition, value in
                if condition.matches(value) { return true }
                guard let number = value?.doubleValue else { return false }
                return condition.bounds.contains { $0.value == number }
            }
        },
        Mutant(
            "a filter that matches nothing is relaxed", caughtBy: "search/S8-filters-not-relaxed", histories: .searches
        ) {
            database in
            let (original, search) = (database.original, database.searching)
            database.searching = { query in
                let nothing = await original.count(query.filter) == 0
                return try await search(
                    SearchQuery(
                        text: query.text, ranking: query.ranking, filter: nothing ? .everything : query.filter,
                        page: query.page))
            }
        },
    ]

    fileprivate static func matches(_ filter: MemoryFilter, besidesMetadataOf record: MemoryRecord) -> Bool {
        MemoryFilter(tags: filter.tags, dates: filter.dates, scope: filter.scope).matches(record)
    }

    private static func retagged(
        _ filter: MemoryFilter, _ other: (TagField, TagCondition) throws -> TagCondition
    ) rethrows -> MemoryFilter {
        let tags = try filter.tags.map { ($0, try other($0, $1)) }
        return filter.with(tags: Dictionary(uniqueKeysWithValues: tags))
    }

    /// The meaning of a filter, with values compared by `key`.
    private static func matches<Key: Equatable>(
        _ filter: MemoryFilter, _ record: MemoryRecord, key: (String) -> Key
    ) -> Bool {
        matches(filter, record, has: { key($0) == key($1) })
    }

    private static func matches(
        _ filter: MemoryFilter, _ record: MemoryRecord, has: (_ value: String, _ wanted: String) -> Bool
    ) -> Bool {
        MemoryFilter(dates: filter.dates).matches(record)
            && filter.tags.allSatisfy { field, condition in
                let values = field.values(of: record)
                func contains(_ wanted: String) -> Bool { values.contains { has($0, wanted) } }
                if let prefix = condition.startsWith, !values.contains(where: { $0.utf8.starts(with: prefix.utf8) }) {
                    return false
                }
                return condition.all.allSatisfy(contains) && !condition.none.contains(where: contains)
                    && condition.any.allSatisfy { $0.contains(where: contains) }
            }
    }

    private static func seconds(_ date: Timestamp) -> Timestamp {
        Timestamp(microseconds: date.microseconds / 1_000_000 * 1_000_000) ?? date
    }

    /// SQL's LIKE: % is any text, _ any character, a backslash takes the next one as it is.
    private static func isLike(_ value: String, _ pattern: String) -> Bool {
        var matched = [true] + Array(repeating: false, count: value.unicodeScalars.count)
        let scalars = Array(value.unicodeScalars)
        var escaped = false
        for symbol in pattern.unicodeScalars {
            if symbol == "\\", !escaped {
                escaped = true
                continue
            }
            var next = Array(repeating: false, count: matched.count)
            if symbol == "%", !escaped {
                var any = false
                for index in matched.indices {
                    any = any || matched[index]
                    next[index] = any
                }
            } else {
                for index in scalars.indices where matched[index] {
                    next[index + 1] = (symbol == "_" && !escaped) || scalars[index] == symbol
                }
            }
            matched = next
            escaped = false
        }
        return matched.last ?? false
    }
}

extension AlteredDatabase {
    /// Compares metadata in another way; everything else as it should be.
    fileprivate mutating func matchMetadata(
        _ matches: @escaping @Sendable (MetadataCondition, JSONValue?) -> Bool
    ) {
        match { filter, record in
            Mutant.matches(filter, besidesMetadataOf: record)
                && filter.metadata.allSatisfy { matches($0, record.metadata[$0.key]) }
        }
    }
}
