import AgentMemory

extension ConformanceCheck {
    /// Rules F1 to F10.
    enum FilterChecks {
        static let checks: [ConformanceCheck] = [
            ConformanceCheck(
                "filter/F1-exact", hint: "values are folded or normalised: compare code point by code point", run: exact
            ),
            ConformanceCheck(
                "filter/F2-every-field", hint: "a field of the contract cannot be filtered on, or another one is",
                run: everyField),
            ConformanceCheck("filter/F2-any-all", hint: "all behaves as any", run: anyAll),
            ConformanceCheck(
                "filter/F2-startswith",
                hint: "the prefix is a pattern, needs two characters, or stops after a number of distinct values",
                run: startswith),
            ConformanceCheck(
                "filter/F3-two-operators", hint: "one operator of a filter is applied and the others are dropped",
                run: twoOperators),
            ConformanceCheck(
                "filter/F3-fields-joined-by-and", hint: "filters of one call are joined by OR, or only one applies",
                run: fieldsJoinedByAnd),
            ConformanceCheck(
                "filter/F3-in-every-ranking", hint: "a kind of search leaves filters out that list and count apply",
                run: inEveryRanking),
            ConformanceCheck(
                "filter/F4-absent-matches-ne", hint: "ne skips records where the field is absent", run: absentMatchesNe),
            // A filter as in rule F5 matches nothing.
            ConformanceCheck(
                "filter/F5-all-of-two-on-one-value", hint: "all on a single-valued field behaves as any",
                run: allOfTwoOnOneValue),
            ConformanceCheck(
                "filter/F6-meaningless-conditions",
                hint: "conditions are made past the domain's checks, so that one that means nothing matches everything",
                run: meaninglessConditions),
            ConformanceCheck(
                "filter/F7-date-operators",
                hint: "one bound is dropped, an inclusive end is exclusive, or fractions are cut", run: dateOperators),
            ConformanceCheck(
                "filter/F7-absent-date", hint: "a record without the date matches something other than ne",
                run: absentDate),
            ConformanceCheck(
                "filter/F10-values-are-data", hint: "a value is read as query syntax or as a pattern",
                run: valuesAreData),
        ]

        @Sendable static func exact(_ scope: CheckScope) async throws {
            let values = ["alice", "Alice", "ALICE", "é", "e\u{301}", "É", "straße", "strasse"]
            for field in [TagField.userID, .sessionID, .namespace, .topics, .entities] {
                _ = try await scope.database.add(
                    try values.enumerated().map { try record("\(field.rawValue)-\($0)", field, [$1]) })
            }
            for field in [TagField.userID, .sessionID, .namespace, .topics, .entities] {
                for (index, value) in values.enumerated() {
                    try await scope.expectMatches(
                        "\(field.rawValue) eq \(value.debugDescription)", try tag(field, eq: value),
                        ["\(field.rawValue)-\(index)"])
                }
            }
        }

        @Sendable static func everyField(_ scope: CheckScope) async throws {
            let hit = try MemoryRecord(
                id: "hit", text: "[1] a", sessionID: "s1", userID: "u1", namespace: "n1", memoryType: .episodic,
                topics: ["t1"],
                entities: ["e1"], discreteMemoryExtracted: false, extractionStrategy: "custom")
            let miss = try MemoryRecord(
                id: "miss", text: "[1] b", sessionID: "s2", userID: "u2", namespace: "n2", topics: ["t2"],
                entities: ["e2"])
            _ = try await scope.database.add([hit, miss])
            for field in TagField.allCases {
                let value = field.values(of: hit)[0]
                try await scope.expectMatches("\(field.rawValue) eq", try tag(field, eq: value), ["hit"])
                try await scope.expectMatches("\(field.rawValue) ne", try tag(field, ne: value), ["miss"])
                try await scope.expectMatches("\(field.rawValue) any", try tag(field, any: [value]), ["hit"])
                try await scope.expectMatches("\(field.rawValue) all", try tag(field, all: [value]), ["hit"])
                try await scope.expectMatches("\(field.rawValue) none", try tag(field, none: [value]), ["miss"])
            }
        }

        @Sendable static func anyAll(_ scope: CheckScope) async throws {
            _ = try await scope.database.add([
                try record("ab", .topics, ["a", "b"]), try record("bc", .topics, ["b", "c"]),
                try record("c", .topics, ["c"]),
                try record("abc", .topics, ["c", "b", "a"]), try record("none", .topics, []),
            ])
            try await scope.expectMatches("any a c", try tag(.topics, any: ["a", "c"]), ["ab", "bc", "c", "abc"])
            try await scope.expectMatches("all a b", try tag(.topics, all: ["a", "b"]), ["ab", "abc"])
            try await scope.expectMatches("all b a b", try tag(.topics, all: ["b", "a", "b"]), ["ab", "abc"])
            try await scope.expectMatches("eq b", try tag(.topics, eq: "b"), ["ab", "bc", "abc"])
            try await scope.expectMatches("none a", try tag(.topics, none: ["a", "x"]), ["bc", "c", "none"])
        }

        @Sendable static func startswith(_ scope: CheckScope) async throws {
            let values = (0..<450).map { "p\($0)" } + ["Px", "%p", "p*", "_p", "p|q", "ép", "e\u{301}p", "\\p", "日本"]
            for start in stride(from: 0, to: values.count, by: 200) {
                _ = try await scope.database.add(
                    try values[start..<min(start + 200, values.count)].map {
                        try MemoryRecord(id: "i-\($0)", text: "[1] x", userID: $0, topics: ["other", $0])
                    })
            }
            for prefix in ["p", "p1", "P", "%", "p*", "_", "p|", "é", "e", "\\", "日"] {
                let expected = values.filter { $0.utf8.starts(with: prefix.utf8) }.map { "i-\($0)" }
                try await scope.expectMatches(
                    "user_id startswith \(prefix)", try tag(.userID, startsWith: prefix), expected)
            }
            try await scope.expectMatches(
                "topics startswith", try tag(.topics, startsWith: "p44"), ["i-p44"] + (440..<450).map { "i-p\($0)" })
            try await scope.expectMatches(
                "id startswith", try tag(.id, startsWith: "i-p44"), ["i-p44"] + (440..<450).map { "i-p\($0)" })
        }

        @Sendable static func twoOperators(_ scope: CheckScope) async throws {
            _ = try await scope.database.add([
                try record("a", .topics, ["a"]), try record("ab", .topics, ["a", "b"]),
                try record("abc", .topics, ["a", "b", "c"]),
                try record("c", .topics, ["c"]),
            ])
            try await scope.expectMatches("eq a, any b c", try tag(.topics, eq: "a", any: ["b", "c"]), ["ab", "abc"])
            try await scope.expectMatches("all a b, none c", try tag(.topics, all: ["a", "b"], none: ["c"]), ["ab"])
            try await scope.expectMatches("any a c, ne b", try tag(.topics, ne: "b", any: ["a", "c"]), ["a", "c"])
        }

        @Sendable static func fieldsJoinedByAnd(_ scope: CheckScope) async throws {
            _ = try await scope.database.add([
                try MemoryRecord(id: "1", text: "[1] x", userID: "u", namespace: "n", createdAt: at(1)),
                try MemoryRecord(id: "2", text: "[1] x", userID: "u", namespace: "m", createdAt: at(2)),
                try MemoryRecord(id: "3", text: "[1] x", userID: "v", namespace: "n", createdAt: at(3)),
                try MemoryRecord(id: "4", text: "[1] x", userID: "u", namespace: "n", createdAt: at(4)),
            ])
            let filter = MemoryFilter(
                tags: [
                    .userID: try TagCondition(field: .userID, eq: "u"),
                    .namespace: try TagCondition(field: .namespace, ne: "m"),
                ],
                dates: [.createdAt: try DateCondition(field: .createdAt, [.init(.gt, at(1))])])
            try await scope.expectMatches("three filters", filter, ["4"])
        }

        @Sendable static func inEveryRanking(_ scope: CheckScope) async throws {
            let records = try AssortedRecords.records()
            _ = try await scope.database.add(records)
            for (name, filter) in try AssortedRecords.filters() {
                let expected = records.filter(filter.matches).map(\.id).sorted()
                guard !expected.isEmpty, expected.count < records.count else {
                    throw Mismatch("\(name): the check is wrong, its expected set is empty or everything")
                }
                for ranking in scope.rankings {
                    let found = try await scope.search("[1] common", ranking, filter)
                    try scope.expect("\(name), \(ranking)", found.items.map(\.record.id).sorted(), expected)
                    try scope.expect("\(name), \(ranking): total", found.total, expected.count)
                }
            }
        }

        @Sendable static func absentMatchesNe(_ scope: CheckScope) async throws {
            for field in [TagField.userID, .sessionID, .namespace, .topics, .entities] {
                _ = try await scope.database.add([
                    try record("\(field.rawValue)-x", field, ["x"]), try record("\(field.rawValue)-y", field, ["y"]),
                ])
            }
            let all = try await scope.listed()
            for field in [TagField.userID, .sessionID, .namespace, .topics, .entities] {
                let expected = all.filter { $0 != "\(field.rawValue)-x" }
                try await scope.expectMatches("\(field.rawValue) ne x", try tag(field, ne: "x"), expected)
                try await scope.expectMatches("\(field.rawValue) none x", try tag(field, none: ["x", "z"]), expected)
            }
        }

        @Sendable static func allOfTwoOnOneValue(_ scope: CheckScope) async throws {
            _ = try await scope.database.add([try record("a", .userID, ["a"]), try record("b", .userID, ["b"])])
            try await scope.expectMatches("all a b", try tag(.userID, all: ["a", "b"]), [], mayBeTrivial: true)
            try await scope.expectMatches("eq a, all b", try tag(.userID, eq: "a", all: ["b"]), [], mayBeTrivial: true)
            try await scope.expectMatches("all a a", try tag(.userID, all: ["a", "a"]), ["a"])
        }

        @Sendable static func meaninglessConditions(_ scope: CheckScope) async throws {
            _ = try await scope.database.add(try ["a", "b"].map { try record($0, .userID, [$0]) })
            let conditions: [(String, () throws -> MemoryFilter)] = [
                ("eq of nothing", { try tag(.userID, eq: "") }), ("eq of blanks", { try tag(.userID, eq: " \t") }),
                ("ne of nothing", { try tag(.topics, ne: "") }),
                ("any of no value", { try tag(.userID, any: []) }),
                ("any of an empty value", { try tag(.userID, any: ["a", ""]) }),
                ("all of no value", { try tag(.topics, all: []) }),
                ("none of no value", { try tag(.topics, none: []) }),
                ("startswith nothing", { try tag(.userID, startsWith: "") }),
                ("eq with ne", { try tag(.userID, eq: "a", ne: "b") }),
                ("any with all", { try tag(.topics, any: ["a"], all: ["b"]) }),
                ("startswith with eq", { try tag(.userID, eq: "a", startsWith: "a") }),
                ("startswith with none", { try tag(.userID, none: ["b"], startsWith: "a") }),
                ("no operator", { try tag(.userID) }), ("no date operator", { try date(.createdAt) }),
                ("dates eq with ne", { try date(.createdAt, .init(.eq, at(0)), .init(.ne, at(1))) }),
                ("an unknown memory_type", { try tag(.memoryType, eq: "nonsense") }),
            ]
            for (what, filter) in conditions {
                try await scope.expectError(what, .invalidInput) { _ = try await scope.database.count(try filter()) }
            }
        }

        @Sendable static func dateOperators(_ scope: CheckScope) async throws {
            for field in DateField.allCases {
                _ = try await scope.database.add(
                    try (0..<6).map { index in
                        let date = at(0, Int64(index))
                        return try MemoryRecord(
                            id: "\(index)", text: "[1] x", createdAt: field == .createdAt ? date : at(50),
                            lastAccessed: field == .lastAccessed ? date : at(50),
                            eventDate: field == .eventDate ? date : nil)
                    })
                func ids(_ bounds: DateCondition.Bound..., expect expected: [Int]) async throws {
                    try await scope.expectMatches(
                        "\(field.rawValue) \(bounds.map { "\($0.comparison.rawValue) \($0.value)" })",
                        MemoryFilter(dates: [field: try DateCondition(field: field, bounds)]), expected.map(String.init)
                    )
                }
                try await ids(.init(.eq, at(0, 3)), expect: [3])
                try await ids(.init(.ne, at(0, 3)), expect: [0, 1, 2, 4, 5])
                try await ids(.init(.gt, at(0, 3)), expect: [4, 5])
                try await ids(.init(.gte, at(0, 3)), expect: [3, 4, 5])
                try await ids(.init(.lt, at(0, 3)), expect: [0, 1, 2])
                try await ids(.init(.lte, at(0, 3)), expect: [0, 1, 2, 3])
                try await ids(.init(.gt, at(0, 1)), .init(.lt, at(0, 4)), expect: [2, 3])
                try await ids(.init(.gte, at(0, 1)), .init(.ne, at(0, 2)), .init(.lte, at(0, 3)), expect: [1, 3])
                for (inclusive, expected) in [
                    (DateCondition.Inclusive.both, [1, 2, 3]), (.neither, [2]), (.left, [1, 2]), (.right, [2, 3]),
                ] {
                    let bounds = DateCondition.between(at(0, 1), at(0, 3), inclusive: inclusive)
                    try await ids(bounds[0], bounds[1], expect: expected)
                }
            }
        }

        @Sendable static func absentDate(_ scope: CheckScope) async throws {
            _ = try await scope.database.add([
                try MemoryRecord(id: "dated", text: "[1] x", eventDate: at(10)),
                try MemoryRecord(id: "undated", text: "[1] x"),
                try MemoryRecord(id: "epoch", text: "[1] x", eventDate: Timestamp(microseconds: 0)),
            ])
            try await scope.expectMatches("lte", try date(.eventDate, .init(.lte, at(10))), ["dated", "epoch"])
            try await scope.expectMatches("gte", try date(.eventDate, .init(.gte, .earliest)), ["dated", "epoch"])
            try await scope.expectMatches("ne", try date(.eventDate, .init(.ne, at(10))), ["undated", "epoch"])
            try await scope.expectMatches(
                "ne and lt", try date(.eventDate, .init(.ne, at(10)), .init(.lt, at(20))), ["epoch"])
            let between = DateCondition.between(at(0), at(10))
            try await scope.expectMatches("between", try date(.eventDate, between[0], between[1]), ["dated"])
        }

        @Sendable static func valuesAreData(_ scope: CheckScope) async throws {
            let values = HostileStrings.tags
            _ = try await scope.database.add(
                try values.enumerated().map { index, value in
                    try MemoryRecord(
                        id: "v\(index)", text: "[1] v", sessionID: value, userID: value, namespace: value,
                        topics: [value, "shared"],
                        entities: [value])
                })
            _ = try await scope.database.add([try MemoryRecord(id: "other", text: "[1] v")])
            for (index, value) in values.enumerated() {
                for field in [TagField.userID, .sessionID, .namespace, .topics, .entities] {
                    try await scope.expectMatches(
                        "\(field.rawValue) eq \(value.debugDescription)", try tag(field, eq: value), ["v\(index)"])
                }
                let prefixed = values.indices.filter { values[$0].utf8.starts(with: value.utf8) }.map { "v\($0)" }
                try await scope.expectMatches(
                    "user_id startswith \(value.debugDescription)", try tag(.userID, startsWith: value), prefixed)
                let others = values.indices.filter { $0 != index }.map { "v\($0)" } + ["other"]
                try await scope.expectMatches(
                    "topics ne \(value.debugDescription)", try tag(.topics, ne: value), others)
            }
            try await scope.expectMatches(
                "any of many", try tag(.userID, any: values + (0..<1000).map { "absent\($0)" }),
                values.indices.map { "v\($0)" })
        }
    }

    /// A record with these values in one field, equal to others in the rest.
    static func record(_ id: String, _ field: TagField, _ values: [String]) throws(MemoryError) -> MemoryRecord {
        let first = values.first
        return try MemoryRecord(
            id: id, text: "[1] text", sessionID: field == .sessionID ? first : nil,
            userID: field == .userID ? first : nil,
            namespace: field == .namespace ? first : nil, topics: field == .topics ? values : [],
            entities: field == .entities ? values : [])
    }
}
