import AgentMemory

extension ConformanceCheck {
    /// Rule F11.
    enum MetadataChecks {
        static let checks: [ConformanceCheck] = [
            ConformanceCheck(
                "capability/F11-metadata-filters",
                hint: "a filter on metadata that the backend cannot apply is ignored instead of refused",
                run: capability),
            ConformanceCheck(
                "filter/F11-equality", needs: [.metadataFilters],
                hint: "values of different kinds are equal, numbers are compared as text, or as doubles", run: equality),
            ConformanceCheck(
                "filter/F11-absent-key", needs: [.metadataFilters],
                hint: "ne skips records without the key, or exists does not see null, lists and objects",
                run: absentKey),
            ConformanceCheck(
                "filter/F11-ranges", needs: [.metadataFilters],
                hint: "numbers are compared as text, a bound is dropped, or an open end is closed", run: ranges),
            ConformanceCheck(
                "filter/F11-every-number", needs: [.metadataFilters],
                hint: "numbers of other magnitudes, negative ones or those next to a bound are missed",
                run: everyNumber),
            ConformanceCheck(
                "filter/F11-values-are-data", needs: [.metadataFilters],
                hint: "a key or a value is read as query syntax, or is normalised", run: valuesAreData),
            ConformanceCheck(
                "filter/F11-follows-writes", needs: [.metadataFilters],
                hint: "metadata that was replaced is still found, or new metadata is not", run: followsWrites),
            ConformanceCheck(
                "filter/F11-follows-updates", needs: [.metadataFilters],
                hint: "an update of the metadata leaves the index of it as it was", run: followsUpdates),
        ]

        @Sendable static func capability(_ scope: CheckScope) async throws {
            let filter = try metadata("source", eq: "crm")
            _ = try await scope.database.add([
                try record("a", ["source": "crm"]), try record("b", ["source": "web"]),
            ])
            guard !scope.database.capabilities.metadataFilters else {
                return try await scope.expectMatches("eq", filter, ["a"])
            }
            _ = try await scope.expectError("list with a filter on metadata", .unsupported) {
                _ = try await scope.database.list(ListQuery(filter: filter, page: PageRequest()))
            }
            _ = try await scope.expectError("count with a filter on metadata", .unsupported) {
                _ = try await scope.database.count(filter)
            }
            _ = try await scope.expectError("search with a filter on metadata", .unsupported) {
                _ = try await scope.search("[1] text", .semantic(distanceThreshold: nil), filter)
            }
        }

        @Sendable static func equality(_ scope: CheckScope) async throws {
            let values: [(id: String, value: JSONValue)] = [
                ("one", 1), ("one-point", 1.0), ("one-text", "1"), ("true", true), ("true-text", "true"), ("null", nil),
                ("false", false), ("zero", 0), ("minus-zero", -0.0), ("empty", ""), ("list", [1]), ("object", ["k": 1]),
                ("even", 9_007_199_254_740_992), ("odd", 9_007_199_254_740_993), ("upper", "A"), ("lower", "a"),
            ]
            _ = try await scope.database.add(try values.map { try record($0.id, ["k": $0.value]) })
            for (value, expected) in [
                (1, ["one", "one-point"]), ("1", ["one-text"]), (true, ["true"]), ("true", ["true-text"]),
                (false, ["false"]), (0, ["zero", "minus-zero"]), ("", ["empty"]), (9_007_199_254_740_993, ["odd"]),
                (9_007_199_254_740_992, ["even"]), ("A", ["upper"]),
            ] as [(JSONValue, [String])] {
                let others = values.map(\.id).filter { !expected.contains($0) }
                try await scope.expectMatches("eq \(value.jsonText)", try metadata("k", eq: value), expected)
                try await scope.expectMatches("ne \(value.jsonText)", try metadata("k", ne: value), others)
                try await scope.expectMatches("none \(value.jsonText)", try metadata("k", none: [value]), others)
            }
            try await scope.expectMatches(
                "any", try metadata("k", any: [1, "a", true]), ["one", "one-point", "lower", "true"])
            try await scope.expectMatches(
                "any, none", try metadata("k", any: [1, "a"], none: ["a", 0]), ["one", "one-point"])
            try await scope.expectMatches(
                "any of two groups", filter([try condition("k", anyGroups: [[1, "a"], ["a", 0]])]), ["lower"])
        }

        @Sendable static func absentKey(_ scope: CheckScope) async throws {
            _ = try await scope.database.add([
                try record("a", ["k": "a"]), try record("b", ["k": "b", "l": 1]), try record("null", ["k": nil]),
                try record("list", ["k": ["a"]]), try record("object", ["k": ["k": "a"]]),
                try record("other", ["l": "a"]),
                try record("none", [:]),
            ])
            try await scope.expectMatches(
                "ne", try metadata("k", ne: "a"), ["b", "null", "list", "object", "other", "none"])
            try await scope.expectMatches(
                "exists", try metadata("k", exists: true), ["a", "b", "null", "list", "object"])
            try await scope.expectMatches("exists false", try metadata("k", exists: false), ["other", "none"])
            try await scope.expectMatches(
                "exists, none", try metadata("k", none: ["a", "b"], exists: true), ["null", "list", "object"])
            try await scope.expectMatches(
                "two keys", filter([try condition("k", exists: true), try condition("l", exists: true)]), ["b"])
            try await scope.expectMatches(
                "with another field",
                MemoryFilter(
                    tags: [.id: try TagCondition(field: .id, any: ["a", "list", "other"])],
                    metadata: [try condition("k", exists: true)]), ["a", "list"])
            try await scope.expectMatches(
                "a key that no record has", try metadata("nowhere", eq: "a"), [], mayBeTrivial: true)
        }

        @Sendable static func ranges(_ scope: CheckScope) async throws {
            let years: [JSONValue] = [1999, 2023, 2023.5, 2024, 2024.0, 2025, -2024, "2024", true, nil, [2024]]
            _ = try await scope.database.add(
                try years.enumerated().map { try record("\($0)", ["year": $1]) } + [try record("none", ["other": 2024])]
            )
            for (bounds, expected) in [
                ([.init(.gte, 2024)], ["3", "4", "5"]), ([.init(.gt, 2024)], ["5"]),
                ([.init(.lt, 2024)], ["0", "1", "2", "6"]), ([.init(.lte, 2024)], ["0", "1", "2", "3", "4", "6"]),
                ([.init(.gt, 1999), .init(.lt, 2024)], ["1", "2"]),
                ([.init(.gte, 2023.5), .init(.lte, 2024)], ["2", "3", "4"]),
                ([.init(.gt, -3000), .init(.lt, 0)], ["6"]), ([.init(.gte, 2024), .init(.lte, 2024)], ["3", "4"]),
            ] as [([MetadataCondition.Bound], [String])] {
                try await scope.expectMatches("\(bounds)", try metadata("year", bounds: bounds), expected)
            }
            for bounds: [MetadataCondition.Bound] in [
                [.init(.gt, 2024), .init(.lt, 2024)], [.init(.gt, 2024), .init(.lte, 2024)],
                [.init(.gte, 2025), .init(.lt, 2024)], [.init(.gt, 2025)], [.init(.lt, -2024)],
            ] {
                try await scope.expectMatches("\(bounds)", try metadata("year", bounds: bounds), [], mayBeTrivial: true)
            }
            try await scope.expectMatches(
                "gte, ne", filter([try condition("year", ne: 2024, bounds: [.init(.gte, 2023)])]), ["1", "2", "5"])
        }

        @Sendable static func everyNumber(_ scope: CheckScope) async throws {
            let magnitudes: [Double] = [
                0, .leastNonzeroMagnitude, .leastNormalMagnitude, 1e-9, 0.1, 1.0 / 3, 0.5, 1, 1.5, 15, 16, 17, 255, 256,
                4096, 1e6, 123_456.789,
                1e15,
                9_007_199_254_740_991, 1e22, 1.7e308,
            ]
            let numbers = magnitudes + magnitudes.dropFirst().map { -$0 }
            _ = try await scope.database.add(try numbers.enumerated().map { try record("\($0)", ["n": .double($1)]) })
            for bound in numbers + [0.3, -0.3, 16.0.nextUp, 16.0.nextDown, 100, -100] {
                for comparison in MetadataCondition.Bound.Comparison.allCases {
                    let condition = try condition("n", bounds: [.init(comparison, bound)])
                    let expected = numbers.indices.filter { condition.matches(.double(numbers[$0])) }.map { "\($0)" }
                    let found = try await scope.database.list(
                        ListQuery(filter: filter([condition]), page: PageRequest(limit: 100)))
                    try scope.expect(
                        "\(comparison.rawValue) \(bound)", found.items.map(\.id).sorted(), expected.sorted())
                }
            }
        }

        @Sendable static func valuesAreData(_ scope: CheckScope) async throws {
            let values = HostileStrings.tags + ["é", "e\u{301}", " a ", "a,b", "a|b"]
            let distinct = values.exactlyDistinct()
            _ = try await scope.database.add(
                try distinct.enumerated().map { index, value in
                    var object: JSONObject = ["shared": .string(value)]
                    object[value] = 1
                    return try record("v\(index)", object)
                })
            _ = try await scope.database.add([try record("other", ["other": 1])])
            for (index, value) in distinct.enumerated() {
                try await scope.expectMatches(
                    "eq \(value.debugDescription)", try metadata("shared", eq: .string(value)), ["v\(index)"])
                try await scope.expectMatches(
                    "key \(value.debugDescription)", try metadata(value, exists: true), ["v\(index)"])
            }
        }

        @Sendable static func followsWrites(_ scope: CheckScope) async throws {
            _ = try await scope.database.add([
                try record("a", ["k": 1]), try record("b", ["k": 1]), try record("c", ["k": 2]),
            ])
            _ = try await scope.database.add([try record("a", ["k": 2])])
            try await scope.expectMatches("after a replacement", try metadata("k", eq: 1), ["b"])
            try await scope.expectMatches(
                "after a replacement", try metadata("k", bounds: [.init(.gt, 1)]), ["a", "c"])
            _ = try await scope.database.add([try record("a", [:])])
            try await scope.expectMatches("after metadata was removed", try metadata("k", exists: true), ["b", "c"])
        }

        @Sendable static func followsUpdates(_ scope: CheckScope) async throws {
            _ = try await scope.database.add([
                try record("a", [:]), try record("b", ["k": 1]), try record("c", ["k": 2]),
            ])
            _ = try await scope.database.update([
                RecordUpdate(id: "b", changes: try RecordChanges(metadata: ["k": 3, "l": "x"])),
                RecordUpdate(id: "c", changes: try RecordChanges(metadata: [:])),
            ])
            try await scope.expectMatches("after an update", try metadata("k", eq: 3), ["b"])
            try await scope.expectMatches("after an update", try metadata("l", exists: true), ["b"])
            try await scope.expectMatches("after an update", try metadata("k", exists: false), ["a", "c"])
        }

        private static func record(_ id: String, _ metadata: JSONObject) throws(MemoryError) -> MemoryRecord {
            try MemoryRecord(id: id, text: "[1] text", metadata: metadata)
        }

        private static func filter(_ conditions: [MetadataCondition]) -> MemoryFilter {
            MemoryFilter(metadata: conditions)
        }

        private static func metadata(
            _ key: String, eq: JSONValue? = nil, ne: JSONValue? = nil, any: [JSONValue]? = nil,
            none: [JSONValue]? = nil,
            exists: Bool? = nil, bounds: [MetadataCondition.Bound] = []
        ) throws(MemoryError) -> MemoryFilter {
            filter([
                try condition(
                    key, eq: eq, ne: ne, anyGroups: any.map { [$0] } ?? [], none: none, exists: exists, bounds: bounds)
            ])
        }

        private static func condition(
            _ key: String, eq: JSONValue? = nil, ne: JSONValue? = nil, anyGroups: [[JSONValue]] = [],
            none: [JSONValue]? = nil, exists: Bool? = nil, bounds: [MetadataCondition.Bound] = []
        ) throws(MemoryError) -> MetadataCondition {
            try MetadataCondition(
                key: key, eq: eq.flatMap(MetadataScalar.init), ne: ne.flatMap(MetadataScalar.init),
                anyGroups: anyGroups.map { $0.compactMap(MetadataScalar.init) },
                none: none?.compactMap(MetadataScalar.init), exists: exists, bounds: bounds)
        }
    }
}
