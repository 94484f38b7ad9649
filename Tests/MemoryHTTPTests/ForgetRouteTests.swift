import AgentMemory
import HTTPTypes
import MemoryConformance
import Testing

/// POST /v1/long-term-memory/forget and …/compact, and POST /v1/operations/{operation}/undo.
@Suite struct ForgetRouteTests {
    private let path = "/v1/long-term-memory/forget"

    private func store(_ api: APIFixture) async throws {
        try await api.create(
            """
            {"id": "old", "text": "[1] old", "namespace": "n", "created_at": "2020-01-01T00:00:00Z"},
            {"id": "new", "text": "[1] new", "namespace": "n"}, {"id": "out", "text": "[1] out",
            "created_at": "2020-01-01T00:00:00Z"}
            """)
    }

    @Test func `a pass is previewed, done and taken back`() async throws {
        try await APIFixture.run { api async throws in
            try await store(api)
            let body = #"{"policy": {"max_age_days": 30}, "pinned_ids": ["x"]}"#
            let preview = try await api.send(.post, "\(path)?namespace=n", body)
            #expect(
                preview.json == [
                    "scanned": 2, "deleted": 1, "deleted_ids": ["old"], "dry_run": true,
                    "reasons": ["old": "max_age_days"], "operation": nil,
                ])
            let done = try await api.send(.post, "\(path)?namespace=n&dry_run=false&limit=1", body)
            #expect(done.json["deleted_ids"] == ["old"])
            let operation = try #require(done.json["operation"]?.stringValue)
            #expect(try await api.send(.get, "/v1/long-term-memory/old").status == 404)
            let undone = try await api.send(.post, "/v1/operations/\(operation)/undo")
            #expect(undone.json["undone"] == 1 && undone.json["skipped"] == [])
            #expect(try await api.send(.get, "/v1/long-term-memory/old").status == 200)
            let again = try await api.send(.post, "/v1/operations/\(operation)/undo", "{}")
            #expect(again.status == 200 && again.json["undone"] == 1)
            #expect(try await api.send(.patch, "/v1/long-term-memory/old", #"{"text": "new"}"#).status == 200)
            #expect(try await api.send(.post, "/v1/operations/\(operation)/undo").status == 409)
            let forced = try await api.send(.post, "/v1/operations/\(operation)/undo", #"{"force": true}"#)
            #expect(forced.json["skipped"] == ["old"])
            #expect(try await api.send(.post, "/v1/operations/none/undo").status == 404)
            let named = try await api.send(.post, "/v1/operations/\(operation)/undo", #"{"forced": true}"#)
            #expect(named.places == ["body.forced"])
            #expect(try await api.send(.post, "/v1/operations/\(operation)", "{}").status == 405)
        }
    }

    @Test func `a policy that cannot be meant is refused by name`() async throws {
        try await APIFixture.run { api async throws in
            try await store(api)
            func places(_ policy: String, _ query: String = "") async throws -> [String] {
                try await api.send(.post, path + query, "{\"policy\": \(policy)}").places
            }
            for (policy, place) in [
                (#"{"max_age_day": 3}"#, "max_age_day"), (#"{"max_age_days": "30"}"#, "max_age_days"),
                (#"{"max_age_days": true}"#, "max_age_days"), (#"{"max_inactive_days": -1}"#, "max_inactive_days"),
                (#"{"hard_age_multiplier": "abc"}"#, "hard_age_multiplier"), (#"{"budget": "3"}"#, "budget"),
                (#"{"budget": true}"#, "budget"), (#"{"budget": -1}"#, "budget"), (#"{"budget": 2.5}"#, "budget"),
                (#"{"memory_type_allowlist": "episodic"}"#, "memory_type_allowlist"),
                (#"{"memory_type_allowlist": 5}"#, "memory_type_allowlist"),
            ] {
                #expect(try await places(policy) == ["body.policy.\(place)"], "\(policy)")
            }
            #expect(try await places("null") == ["body.policy"])
            #expect(try await places("[]") == ["body.policy"])
            #expect(try await api.send(.post, path, #"{"max_age_days": 3}"#).places.contains("body.policy"))
            #expect(
                try await api.send(.post, path, #"{"policy": {}, "pinned_ids": "a"}"#).places == ["body.pinned_ids"])
            #expect(try await api.send(.post, path, #"{"policy": {}, "dry_run": false}"#).places == ["body.dry_run"])
            for (query, place) in [
                ("?user_id=", "user_id"), ("?namespace=%20", "namespace"), ("?session_id=", "session_id"),
                ("?limit=0", "limit"), ("?limit=-1", "limit"), ("?limit=x", "limit"), ("?limit=2000000", "limit"),
                ("?dry_run=maybe", "dry_run"), ("?pinned_ids=a", "pinned_ids"),
            ] {
                #expect(try await places("{}", query) == ["query.\(place)"], "\(query)")
            }
            for policy in ["{}", #"{"max_age_days": null}"#, #"{"budget": 100}"#] {
                let kept = try await api.send(.post, path, "{\"policy\": \(policy), \"pinned_ids\": null}")
                #expect(kept.json["scanned"] == 3 && kept.json["deleted"] == 0, "\(policy)")
            }
        }
    }

    @Test(arguments: ["no-such", "x.y z", "}", "*", "a|b", "@n:{x}", "\u{E9}"])
    func `names of any characters are compacted, and no others`(_ name: String) async throws {
        try await APIFixture.run { api async throws in
            // One that would match if the name were read as a pattern or a query, or by its looks.
            let other = name == "\u{E9}" ? "e\u{301}" : "n"
            for (number, namespace) in [name, name, other, other].enumerated() {
                let record: JSONValue = [
                    "id": .string("\(number)"), "text": "[1] same", "namespace": .string(namespace),
                    "user_id": .string(namespace),
                ]
                let body: JSONValue = ["memories": [record], "deduplicate": false]
                #expect(try await api.send(.post, "/v1/long-term-memory/", body.jsonText).status == 200)
            }
            let query = name.utf8.map { "%" + String($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            let done = try await api.send(
                .post, "/v1/long-term-memory/compact?namespace=\(query)&user_id=\(query)")
            #expect(done.json["merged"] == 1 && done.json["status"] == "ok, 1 memories remaining after compaction")
            #expect(try await api.send(.post, "/v1/long-term-memory/list", "{}").ids.count == 3)
        }
    }

    @Test func `equal texts are united`() async throws {
        try await APIFixture.run { api async throws in
            for id in ["a", "b"] {
                let record = "{\"id\": \"\(id)\", \"text\": \"[1] same\", \"user_id\": \"u\"}"
                let body = "{\"memories\": [\(record)], \"deduplicate\": false}"
                #expect(try await api.send(.post, "/v1/long-term-memory/", body).status == 200)
            }
            let compact = "/v1/long-term-memory/compact"
            #expect(try await api.send(.post, "\(compact)?user_id=").places == ["query.user_id"])
            #expect(try await api.send(.post, "\(compact)?user_id=v").json["merged"] == 0)
            let done = try await api.send(.post, "\(compact)?user_id=u")
            #expect(done.json["status"] == "ok, 1 memories remaining after compaction")
            #expect(done.json["merged"] == 1)
            let operation = try #require(done.json["operation"]?.stringValue)
            #expect(try await api.send(.post, "/v1/operations/\(operation)/undo").json["undone"] == 1)
        }
    }
}
