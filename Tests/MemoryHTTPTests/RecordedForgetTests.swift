import AgentMemory
import Foundation
import Testing

/// What the reference answered to passes of forgetting and to compactions, on the same records.
@Suite struct RecordedForgetTests {
    /// A recorded request with its answer.
    struct Case: CustomTestStringConvertible {
        let name: String
        let query: String
        let body: String
        /// How many were looked at, and which ones went; `nil` for a refusal.
        let outcome: (scanned: Int, ids: String)?

        init(_ name: String, query: String = "", _ body: String, _ scanned: Int, _ ids: String = "") {
            (self.name, self.query, self.body, outcome) = (name, query, body, (scanned, ids))
        }

        init(_ name: String, query: String = "", refused body: String) {
            (self.name, self.query, self.body, outcome) = (name, query, body, nil)
        }

        var testDescription: String { name }
    }

    /// The numbers of the ids that go.
    private static let cases = [
        Case("forget.both_30_30", policy(#""max_age_days": 30, "max_inactive_days": 30"#), 10, "35789"),
        Case(
            "forget.both_hard3", policy(#""max_age_days": 30, "max_inactive_days": 30, "hard_age_multiplier": 3"#), 10,
            "345789"),
        Case("forget.both_30_0", policy(#""max_age_days": 30, "max_inactive_days": 0"#), 10, "2345789"),
        Case("forget.age_str", policy(#""max_age_days": "30""#), 10),
        Case("forget.age_true", policy(#""max_age_days": true"#), 10, "012345789"),
        Case("forget.age_null", policy(#""max_age_days": null"#), 10),
        Case("forget.budget3", policy(#""budget": 3"#), 10, "345789"),
        Case("forget.budget0", policy(#""budget": 0"#), 10, "012345789"),
        Case("forget.budget_str", policy(#""budget": "3""#), 10),
        Case("forget.budget_true", policy(#""budget": true"#), 10, "12345789"),
        Case("forget.budget_big", policy(#""budget": 100"#), 10),
        Case("forget.budget_and_age", policy(#""budget": 2, "max_age_days": 30"#), 10, "2345789"),
        Case("forget.budget_user", query: "&user_id=ada", policy(#""budget": 3"#), 9, "34579"),
        Case("forget.types_episodic", policy(#""max_age_days": 30, "memory_type_allowlist": ["episodic"]"#), 10, "7"),
        Case("forget.types_empty", policy(#""max_age_days": 30, "memory_type_allowlist": []"#), 10),
        Case("forget.types_unknown", policy(#""max_age_days": 30, "memory_type_allowlist": ["zzz"]"#), 10),
        Case("forget.types_string", policy(#""max_age_days": 30, "memory_type_allowlist": "episodic""#), 10),
        Case("forget.types_budget", policy(#""budget": 1, "memory_type_allowlist": ["semantic"]"#), 10, "1234589"),
        Case(
            "forget.hard_str",
            refused: policy(#""max_age_days": 30, "max_inactive_days": 30, "hard_age_multiplier": "abc""#)),
        Case("forget.types_number", refused: policy(#""memory_type_allowlist": 5"#)),
        Case("forget.empty_policy", policy(""), 10),
        Case("forget.policy_null", refused: #"{"policy": null}"#),
        Case("forget.policy_list", refused: #"{"policy": []}"#),
        Case("forget.bare_policy", refused: #"{"max_age_days": 30}"#),
        Case("forget.pinned_ids", #"{"policy": {"max_age_days": 30}, "pinned_ids": ["f3", "nope"]}"#, 10, "245789"),
        Case("forget.pinned_ids_null", #"{"policy": {"max_age_days": 30}, "pinned_ids": null}"#, 10, "2345789"),
        Case("forget.pinned_ids_str", refused: #"{"policy": {"max_age_days": 30}, "pinned_ids": "f3"}"#),
        Case("forget.pinned_ids_query", query: "&pinned_ids=f3", policy(#""max_age_days": 30"#), 10, "2345789"),
        Case("forget.session", query: "&session_id=fs", policy(#""max_age_days": 30"#), 1, "9"),
        Case("forget.unknown_user", query: "&user_id=zz", policy(#""max_age_days": 30"#), 0),
        Case("forget.empty_user", query: "&user_id=", policy(#""max_age_days": 30"#), 10, "2345789"),
        Case("forget.limit2", query: "&limit=2", policy(#""max_age_days": 30"#), 2),
        Case("forget.limit0", query: "&limit=0", policy(#""max_age_days": 30"#), 0),
        Case("forget.limit_neg", query: "&limit=-1", refused: policy(#""max_age_days": 30"#)),
        Case("forget.limit_str", query: "&limit=x", refused: policy(#""max_age_days": 30"#)),
        Case("forget.limit_big", query: "&limit=2000000", refused: policy(#""max_age_days": 30"#)),
        Case("forget.dry_bad", query: "&dry_run=maybe", refused: policy("")),
        Case("forget.dry_in_body", #"{"policy": {"max_age_days": 1000}, "dry_run": false}"#, 10),
        Case(
            "forget.wet_both", query: "&dry_run=false", policy(#""max_age_days": 30, "max_inactive_days": 30"#), 10,
            "35789"),
        Case("forget.wet_again", query: "&dry_run=false", policy(#""max_age_days": 30, "max_inactive_days": 30"#), 5),
        Case("forget.wet_budget1", query: "&dry_run=false", policy(#""budget": 1"#), 5, "124"),
    ]

    /// Where this server answers otherwise, and why.
    private static let refusedHere: [String: String] = [
        "forget.age_str": "a text is no number", "forget.age_true": "true is no number",
        "forget.budget_str": "a text is no number", "forget.budget_true": "true is no number",
        "forget.types_string": "a text is no list of types", "forget.empty_user": "it would forget everybody's",
        "forget.pinned_ids_query": "unknown parameters are refused", "forget.limit0": "nothing would be done",
        "forget.dry_in_body": "unknown members are refused",
    ]
    /// The limit does not say how many are looked at.
    private static let looksAtAll: [String: (scanned: Int, ids: String)] = ["forget.limit2": (10, "2345789")]

    private static func policy(_ members: String) -> String { "{\"policy\": {\(members)}}" }

    /// In days: the ages, and the times since the last accesses.
    private static let ages = [
        (1, 0), (10, 9), (40, 1), (40, 35), (100, 2), (500, 1), (40, 35), (40, 35), (40, 35), (40, 35),
    ]

    private func store(_ api: APIFixture) async throws {
        func date(_ days: Int) -> String { APIFixture.now.advanced(bySeconds: -Int64(days) * 86_400).iso8601 }
        let records = Self.ages.enumerated().map { number, age in
            """
            {"id": "f\(number)", "text": "[\(number + 1)] item \(number)", "namespace": "fg", \
            "user_id": "\(number == 8 ? "bob" : "ada")", "created_at": "\(date(age.0))", \
            "last_accessed": "\(date(age.1))", "pinned": \(number == 6), \
            "memory_type": "\(number == 7 ? "episodic" : "semantic")"\(number == 9 ? ", \"session_id\": \"fs\"" : "")}
            """
        }
        try await api.create(records.joined(separator: ", "))
    }

    @Test func `passes forget what the reference forgets, with the listed exceptions`() async throws {
        try await APIFixture.run { api in
            try await store(api)
            for recorded in Self.cases {
                let path = "/v1/long-term-memory/forget?namespace=fg\(recorded.query)"
                let answer = try await api.send(.post, path, recorded.body)
                guard let expected = Self.looksAtAll[recorded.name] ?? recorded.outcome,
                    Self.refusedHere[recorded.name] == nil
                else {
                    #expect(answer.status == 422, "\(recorded.name): \(answer.text)")
                    continue
                }
                let ids = (answer.json["deleted_ids"]?.arrayValue ?? []).compactMap(\.stringValue)
                #expect(
                    answer.status == 200 && answer.json["scanned"]?.intValue == expected.scanned, "\(recorded.name)")
                #expect(ids.sorted() == expected.ids.map { "f\($0)" }, "\(recorded.name): \(answer.text)")
                #expect(answer.json["deleted"]?.intValue == ids.count, "\(recorded.name)")
                #expect(answer.json["dry_run"] == .bool(!recorded.query.contains("dry_run=false")), "\(recorded.name)")
            }
            // As the last pass of the reference left it.
            #expect(Set(try await api.send(.post, "/v1/long-term-memory/list", "{}").ids) == ["f0", "f6"])
            // A null counts as absent, where the reference fails.
            let absent = Self.policy(#""max_age_days": 30, "max_inactive_days": 30, "hard_age_multiplier": null"#)
            #expect(try await api.send(.post, "/v1/long-term-memory/forget?namespace=fg", absent).status == 200)
        }
    }

    /// Of three copies one goes a run there, of eight or twelve none; here all of them become one,
    /// the one that was accessed last.
    @Test(arguments: [3, 5]) func `copies become one in one run`(_ count: Int) async throws {
        try await APIFixture.run { api in
            let copies = (0..<count).map { number in
                """
                {"id": "hh-\(number)", "text": "[1] same", "namespace": "hh", "user_id": "u", \
                "last_accessed": "2025-11-0\(number + 1)T00:00:00Z"}
                """
            }
            let body = "{\"memories\": [\(copies.joined(separator: ", "))], \"deduplicate\": false}"
            #expect(try await api.send(.post, "/v1/long-term-memory/", body).status == 200)
            for merged in [count - 1, 0] {
                let answer = try await api.send(.post, "/v1/long-term-memory/compact?namespace=hh")
                #expect(answer.json["status"] == "ok, 1 memories remaining after compaction")
                #expect(answer.json["merged"]?.intValue == merged)
            }
            #expect(try await api.send(.post, "/v1/long-term-memory/list", "{}").ids == ["hh-\(count - 1)"])
        }
    }
}
