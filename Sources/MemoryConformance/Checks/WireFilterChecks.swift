import AgentMemory

extension ConformanceCheck {
    enum WireFilterChecks {
        static let checks: [ConformanceCheck] = [
            ConformanceCheck(
                "wire/F6-meaningless-filters",
                hint: "a filter that says nothing matches everything: a program with an empty user id reads all users",
                run: meaninglessFilters),
            ConformanceCheck(
                "wire/F6-null-is-no-filter", hint: "a filter that is null is refused, or matches nothing",
                run: nullIsNoFilter),
            ConformanceCheck(
                "wire/F7-spellings-of-dates",
                hint: "between or inclusive is not known, one of two bounds is dropped, or a naive date is not UTC",
                run: spellingsOfDates),
            ConformanceCheck(
                "wire/F8-client-vocabulary",
                hint: "in_, not_eq, not_in or none, which the official clients send, are not known or are ignored",
                run: clientVocabulary),
            ConformanceCheck(
                "wire/F9-unknown", hint: "an operator or a field that is not known is ignored, and so the filter is",
                run: unknown),
        ]

        @Sendable static func meaninglessFilters(_ scope: CheckScope) async throws {
            let wire = try scope.wire
            _ = try await scope.database.add([try MemoryRecord(id: "a", text: "[1] x", userID: "u")])
            let filters: [JSONValue] = [
                ["eq": ""], ["eq": "  "], ["ne": ""], ["startswith": ""], ["startswith": " "], ["any": []],
                ["any": [""]], ["any": ["a", ""]], ["all": []], ["none": []], ["in_": []], ["not_in": []],
                ["not_eq": ""], ["eq": "a", "ne": "b"], ["eq": "a", "not_eq": "b"], ["any": ["a"], "all": ["a"]],
                ["startswith": "a", "eq": "ab"], ["startswith": "a", "any": ["ab"]], ["startswith": "a", "ne": "b"],
                [:], ["eq": nil], ["any": nil, "eq": nil],
            ]
            for route in try await filteringRoutes(wire) {
                for field in ["user_id", "session_id", "namespace", "topics", "entities"] {
                    for filter in filters {
                        try await expectRefused(filter, field, route, scope, wire)
                    }
                }
                for field in DateField.allCases.map(\.rawValue) {
                    for filter: JSONValue in [
                        [:], ["eq": nil], ["eq": ""], ["eq": "2024-01-01T00:00:00Z", "ne": "2024-01-02T00:00:00Z"],
                        ["between": []], ["between": ["2024-01-01T00:00:00Z"]], ["inclusive": "left"],
                    ] {
                        try await expectRefused(filter, field, route, scope, wire)
                    }
                }
            }
        }

        @Sendable static func nullIsNoFilter(_ scope: CheckScope) async throws {
            let wire = try scope.wire
            _ = try await scope.database.add([
                try MemoryRecord(id: "a", text: "[1] x", userID: "u"), try MemoryRecord(id: "b", text: "[1] x"),
            ])
            let answer = try await wire.search(["user_id": nil, "topics": nil, "created_at": nil])
            try scope.expect("null filters", answer, status: 200)
            try scope.expect("records", answer.ids.sorted(), ["a", "b"].map { wire.scope + $0 })
        }

        @Sendable static func spellingsOfDates(_ scope: CheckScope) async throws {
            let wire = try scope.wire
            _ = try await scope.database.add(
                try (0..<5).map { try MemoryRecord(id: "\($0)", text: "[1] x", createdAt: at(Int64($0))) })
            let second = { (index: Int) -> JSONValue in .string("2024-01-01T00:00:0\(index)Z") }
            for (filter, expected) in [
                (["between": [second(1), second(3)]], [1, 2, 3]),
                (["between": [second(1), second(3)], "inclusive": "both"], [1, 2, 3]),
                (["between": [second(1), second(3)], "inclusive": "neither"], [2]),
                (["between": [second(1), second(3)], "inclusive": "left"], [1, 2]),
                (["between": [second(1), second(3)], "inclusive": "right"], [2, 3]),
                (["between": [second(0), second(3)], "lt": second(2)], [0, 1]),
                (["gt": second(1), "lt": second(4)], [2, 3]), (["gte": second(1), "ne": second(2)], [1, 3, 4]),
                (["not_eq": second(2)], [0, 1, 3, 4]), (["eq": "2024-01-01T00:00:02"], [2]),
                (["eq": "2024-01-01 00:00:02"], [2]), (["eq": "2024-01-01T02:00:02+02:00"], [2]),
                (["gte": 1_704_067_203], [3, 4]), (["gte": 1_704_067_203_000], [3, 4]),
            ] as [(JSONValue, [Int])] {
                let answer = try await wire.search(["created_at": filter])
                try scope.expect(filter.jsonText, answer, status: 200)
                try scope.expect(
                    "records of \(filter.jsonText)", answer.ids.sorted(), expected.map { wire.scope + "\($0)" })
                try scope.expect("total of \(filter.jsonText)", answer.total, expected.count)
            }
            for filter: JSONValue in [
                ["gt": "yesterday"], ["gt": "2024-02-30T00:00:00Z"], ["gt": true], ["after": "2024-01-01"],
                ["between": ["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"], "inclusive": "most"],
            ] {
                try await expectRefused(filter, "created_at", "search", scope, wire)
            }
        }

        @Sendable static func clientVocabulary(_ scope: CheckScope) async throws {
            let wire = try scope.wire
            _ = try await scope.database.add([
                try MemoryRecord(id: "1", text: "[1] x", userID: "ann", topics: ["a"]),
                try MemoryRecord(id: "2", text: "[1] x", userID: "ben", topics: ["a", "b"]),
                try MemoryRecord(id: "3", text: "[1] x", userID: "cem", topics: ["c"]),
                try MemoryRecord(id: "4", text: "[1] x"),
            ])
            for (field, filter, expected) in [
                ("user_id", ["in_": ["ann", "cem", "nobody"]], ["1", "3"]),
                ("user_id", ["not_eq": "ann"], ["2", "3", "4"]),
                ("user_id", ["ne": "ann"], ["2", "3", "4"]), ("user_id", ["not_in": ["ann", "ben"]], ["3", "4"]),
                ("user_id", ["in_": ["ann", "ben"], "not_eq": "ben"], ["1"]),
                ("user_id", ["startswith": "b"], ["2"]), ("topics", ["none": ["a"]], ["3", "4"]),
                ("topics", ["any": ["b", "c"]], ["2", "3"]), ("topics", ["all": ["a", "b"]], ["2"]),
                ("topics", ["any": ["a"], "none": ["b"]], ["1"]),
                ("memory_type", ["in_": ["semantic"]], ["1", "2", "3", "4"]),
                ("memory_type", ["not_eq": "semantic"], []),
            ] as [(String, JSONValue, [String])] {
                let what = "\(field) \(filter.jsonText)"
                let answer = try await wire.search([field: filter])
                try scope.expect(what, answer, status: 200)
                try scope.expect("records of \(what)", answer.ids.sorted(), expected.map { wire.scope + $0 })
                try scope.expect("total of \(what)", answer.total, expected.count)
            }
        }

        @Sendable static func unknown(_ scope: CheckScope) async throws {
            let wire = try scope.wire
            for route in try await filteringRoutes(wire) {
                for filter: JSONValue in [
                    ["like": "a"], ["EQ": "a"], ["eq": "a", "contains": "b"], ["eq": "a", "field": "text"],
                    ["field": "user_id"], ["eq": 5], ["eq": ["a"]], ["any": "a"], ["any": [1]], "a", ["a"],
                ] {
                    try await expectRefused(filter, "user_id", route, scope, wire)
                }
                try await expectRefused(["eq": "gossip"], "memory_type", route, scope, wire)
                for field in ["userid", "user", "filter", "where"] {
                    try await expectRefused(["eq": "a"], field, route, scope, wire)
                }
            }
        }
    }

    /// The routes of the server that take filters: every one has search, some have list and count
    /// as well.
    private static func filteringRoutes(_ wire: RESTCalls) async throws -> [String] {
        var routes = ["search"]
        for route in ["list", "count"] {
            let answer = try await wire.send("POST", "\(RESTCalls.records)/\(route)", ["namespace": wire.namespace])
            if answer.status == 200 { routes.append(route) }
        }
        return routes
    }

    private static func expectRefused(
        _ filter: JSONValue, _ field: String, _ route: String, _ scope: CheckScope, _ wire: RESTCalls
    ) async throws {
        var body: JSONObject = ["namespace": wire.namespace]
        body[field] = filter
        let answer = try await wire.send("POST", "\(RESTCalls.records)/\(route)", .object(body))
        try scope.expectRefused("\(route) with \(field) \(filter.jsonText)", answer, at: "body.\(field)")
    }
}
