import AgentMemory
import HTTPTypes
import MemoryConformance
import Testing

/// POST, GET, PATCH and DELETE of single records.
@Suite struct RecordRouteTests {
    @Test func `created records come back whole`() async throws {
        try await APIFixture.run { api async throws in
            try await api.create(
                """
                {"id": "a", "text": "[1] hello", "session_id": "s", "user_id": " u ", "namespace": "n", "topics": ["t", " "], "entities": null,
                 "memory_type": "episodic", "event_date": "2024-01-01T02:00:00.5+02:00", "created_at": 1704067200, "pinned": "yes",
                 "metadata": {"k": [1.0, null]}, "memory_hash": "wrong", "persisted_at": "2001-01-01", "extra": 1}
                """)
            let answer = try await api.send(.get, "/v1/long-term-memory/a")
            #expect(answer.status == 200)
            #expect(answer.headers[.contentType] == "application/json")
            let hash = MemoryHash.compute(
                text: "[1] hello", userID: "u", sessionID: "s", namespace: "n", memoryType: .episodic)
            let now = "2026-01-02T03:04:05.000006Z"
            let expected: JSONValue = [
                "id": "a", "text": "[1] hello", "session_id": "s", "user_id": "u", "namespace": "n",
                "last_accessed": .string(now),
                "created_at": "2024-01-01T00:00:00Z", "updated_at": .string(now), "pinned": true, "access_count": 0,
                "topics": ["t"],
                "entities": [], "memory_hash": .string(hash), "discrete_memory_extracted": "t",
                "memory_type": "episodic",
                "persisted_at": .string(now), "extracted_from": [], "event_date": "2024-01-01T00:00:00.500000Z",
                "extraction_strategy": "discrete", "extraction_strategy_config": [:], "metadata": ["k": [1.0, nil]],
            ]
            #expect(answer.json == expected)
        }
    }

    @Test func `memories expire`() async throws {
        try await APIFixture.run { api async throws in
            try await api.create(
                """
                {"id": "past", "text": "[1] x", "expires_at": "2001-01-01"},
                {"id": "date", "text": "[1] y", "expires_at": "2999-01-01T01:00:00+01:00"},
                {"id": "ttl", "text": "[1] z", "ttl_seconds": 3155760000}, {"id": "stays", "text": "[1] s"}
                """)
            #expect(try await api.send(.get, "/v1/long-term-memory/past").status == 404)
            #expect(try await api.search("{\"text\": \"[1] q\"}").ids.sorted() == ["date", "stays", "ttl"])
            let date = try await api.send(.get, "/v1/long-term-memory/date").json["expires_at"]
            #expect(date == "2999-01-01T00:00:00Z")
            let ttl = try await api.send(.get, "/v1/long-term-memory/ttl").json["expires_at"]
            #expect(ttl == "2126-01-02T03:04:05.000006Z" || ttl?.stringValue?.hasPrefix("2126-01-") == true)
            #expect(try await api.send(.get, "/v1/long-term-memory/stays").json["expires_at"] == nil)

            let pinned = try await api.send(.patch, "/v1/long-term-memory/date", #"{"pinned": true}"#)
            #expect(pinned.status == 422 && pinned.text.contains("expires_at"))
            let kept = try await api.send(.patch, "/v1/long-term-memory/date", #"{"pinned": true, "expires_at": ""}"#)
            #expect(kept.status == 200 && kept.json["expires_at"] == nil)
            let gone = try await api.send(.patch, "/v1/long-term-memory/stays", #"{"expires_at": "2001-01-01"}"#)
            #expect(gone.status == 404)
        }
    }

    @Test(arguments: [
        (#""pinned": true, "expires_at": "2999-01-01""#, "body.memories.0.expires_at"),
        (#""expires_at": "soon""#, "body.memories.0.expires_at"), (#""ttl_seconds": 0"#, "body.memories.0.ttl_seconds"),
        (#""ttl_seconds": 5, "expires_at": "2999-01-01""#, "body.memories.0.ttl_seconds"),
    ]) func `dates of expiry that cannot be used`(_ members: String, _ place: String) async throws {
        try await APIFixture.run { api async throws in
            let answer = try await api.send(
                .post, "/v1/long-term-memory/", "{\"memories\": [{\"id\": \"a\", \"text\": \"x\", \(members)}]}")
            #expect(answer.status == 422, "\(answer.text)")
            #expect(answer.places == [place])
        }
    }

    @Test func `all mistakes are told at once`() async throws {
        try await APIFixture.run { api async throws in
            let answer = try await api.send(
                .post, "/v1/long-term-memory/",
                """
                {"memories": [{"memory_type": "bogus", "pinned": "maybe"}, {"id": "b", "text": ""}, {"id": "c", "text": "x", "topics": ["a,b"]},
                 {"id": "d", "text": 5}, {"id": "e", "text": "x", "access_count": -1}, {"id": "f", "text": "x", "created_at": true}, 7]}
                """)
            #expect(answer.status == 422)
            #expect(
                answer.places == [
                    "body.memories.0.id", "body.memories.0.text", "body.memories.0.memory_type",
                    "body.memories.0.pinned",
                    "body.memories.1.text", "body.memories.2.topics.0", "body.memories.3.text",
                    "body.memories.4.access_count",
                    "body.memories.5.created_at", "body.memories.6",
                ])
            #expect(
                answer.types == [
                    "missing", "missing", "enum", "bool_parsing", "value_error", "value_error", "string_type",
                    "greater_than_equal",
                    "datetime_type", "model_attributes_type",
                ])
            #expect(try await api.search("{}").json["total"] == 0)
        }
    }

    @Test(arguments: [
        ("{\"memories\": [", 422, ["body.14"]), ("[]", 422, ["body"]), ("{}", 422, ["body.memories"]),
        ("{\"memories\": null}", 422, ["body.memories"]),
        ("{\"memories\": {}}", 422, ["body.memories"]),
        ("{\"memories\": [{\"id\": \"a\", \"text\": \"\\ud800\"}]}", 422, ["body.35"]),
        ("{\"memories\": []}", 200, []),
        ("{\"memories\": [{\"id\": \"a\", \"text\": \"x\"}], \"deduplicate\": \"maybe\"}", 422, ["body.deduplicate"]),
    ])
    func bodies(_ body: String, _ status: Int, _ places: [String]) async throws {
        try await APIFixture.run { api async throws in
            let answer = try await api.send(.post, "/v1/long-term-memory/", body)
            #expect(answer.status == status, "\(answer.text)")
            #expect(answer.places == places)
        }
    }

    @Test func `a small request makes no huge answer`() async throws {
        try await APIFixture.run { api async throws in
            let many = "[" + Array(repeating: "1", count: 50_000).joined(separator: ",") + "]"
            for body in [
                "{\"memories\": \(many)}", "{\"memories\": [{\"id\": \"a\", \"text\": \"x\", \"topics\": \(many)}]}",
            ] {
                let answer = try await api.send(.post, "/v1/long-term-memory/", body)
                #expect(answer.status == 422)
                #expect(answer.places.count == 100)
                #expect(answer.text.utf8.count < 50_000)
            }
        }
    }

    @Test func `bodies of other types are refused`() async throws {
        try await APIFixture.run { api async throws in
            let body = "{\"memories\": [{\"id\": \"a\", \"text\": \"x\"}]}"
            for (type, status) in [
                ("text/plain", 422), ("application/x-www-form-urlencoded", 422),
                ("application/json; charset=utf-8", 200),
                ("application/vnd.acme+json", 200),
            ] {
                let answer = try await api.send(.post, "/v1/long-term-memory/", body, headers: [.contentType: type])
                #expect(answer.status == status, "\(type)")
            }
            let none = try await api.send(.post, "/v1/long-term-memory/")
            #expect(none.status == 422)
            #expect(none.types == ["missing"])
        }
    }

    @Test func deduplicates() async throws {
        try await APIFixture.run { api async throws in
            try await api.create("{\"id\": \"a\", \"text\": \"same\", \"user_id\": \"u\"}")
            try await api.create(
                """
                {"id": "b", "text": "same", "user_id": "u"}, {"id": "c", "text": "same", "user_id": "v"}, {"id": "d", "text": "same", "user_id": "v"},
                {"id": "a", "text": "same", "user_id": "u", "topics": ["replaced"]}
                """)
            #expect(try await api.search("{}").ids.sorted() == ["a", "c"])
            #expect(try await api.send(.get, "/v1/long-term-memory/a").json["topics"] == ["replaced"])
            let plain =
                "{\"deduplicate\": false, \"memories\": [{\"id\": \"b\", \"text\": \"same\", \"user_id\": \"u\"}]}"
            #expect(try await api.send(.post, "/v1/long-term-memory/", plain).status == 200)
            #expect(try await api.search("{}").json["total"] == 3)
        }
    }

    @Test(arguments: ["a/b", "q?mark", "pi|pe", " lead", "ü", "search", "list", "count", "100%", "a+b", "..", "#"])
    func `IDs may hold any character`(_ id: String) async throws {
        try await APIFixture.run { api async throws in
            let json = JSONValue.string(id).jsonText
            try await api.create("{\"id\": \(json), \"text\": \"x\"}")
            let encoded = id.utf8.map { byte in
                let hex = String(byte, radix: 16, uppercase: true)
                return "%" + (hex.count == 1 ? "0" + hex : hex)
            }.joined()
            let path = id.utf8.allSatisfy { (0x61...0x7A).contains($0) } ? id : encoded
            #expect(try await api.send(.get, "/v1/long-term-memory/\(path)").json["id"] == .string(id))
            #expect(
                try await api.send(.patch, "/v1/long-term-memory/\(path)", "{\"pinned\": true}").json["pinned"] == true)
            let deleted = try await api.send(
                .delete, "/v1/long-term-memory?memory_ids=\(encoded)&memory_ids=\(encoded)")
            #expect(deleted.json["status"] == "ok, deleted 1 memories")
        }
    }

    @Test func `missing records`() async throws {
        try await APIFixture.run { api async throws in
            for path in ["nope", "%00"] {
                #expect(try await api.send(.get, "/v1/long-term-memory/\(path)").status == 404, "\(path)")
            }
            let get = try await api.send(.get, "/v1/long-term-memory/pi%7Cpe")
            #expect(get.detail == "Memory with ID pi|pe not found")
            #expect(try await api.send(.patch, "/v1/long-term-memory/nope", "{\"text\": \"x\"}").status == 404)
            #expect(
                try await api.send(.delete, "/v1/long-term-memory?memory_ids=nope&memory_ids=&memory_ids=%00").status
                    == 200)
            #expect(try await api.send(.delete, "/v1/long-term-memory").json["status"] == "ok, deleted 0 memories")
        }
    }

    @Test func `ids of a deletion in the body`() async throws {
        try await APIFixture.run { api async throws in
            for route in [HTTPRequest.Method.delete, .post] {
                let path = route == .post ? "/v1/long-term-memory/delete" : "/v1/long-term-memory"
                for id in ["a", "b", "delete"] { try await api.create("{\"id\": \"\(id)\", \"text\": \"of \(id)\"}") }
                let answer = try await api.send(route, path, #"{"memory_ids": ["a", "a", "nope", "delete"]}"#)
                #expect(answer.json["status"] == "ok, deleted 2 memories", "\(route)")
                #expect(try await api.send(.get, "/v1/long-term-memory/b").status == 200)
                #expect(try await api.send(.get, "/v1/long-term-memory/delete").status == 404)
                for (body, place) in [
                    ("{}", "body.memory_ids"), (#"{"memory_ids": "b"}"#, "body.memory_ids"),
                    (#"{"memory_ids": null}"#, "body.memory_ids"), (#"{"memory_ids": ["b", 1]}"#, "body.memory_ids.1"),
                    (#"{"memory_ids": ["b"], "user_id": "u"}"#, "body.user_id"), (#"["b"]"#, "body"),
                ] {
                    let answer = try await api.send(route, path, body)
                    #expect(answer.status == 422 && answer.places.first == place, "\(route) \(body)")
                }
                #expect(try await api.send(.get, "/v1/long-term-memory/b").status == 200)
            }
            let both = try await api.send(.delete, "/v1/long-term-memory?memory_ids=b", #"{"memory_ids": ["b"]}"#)
            #expect(both.places == ["query.memory_ids"])
            #expect(try await api.send(.post, "/v1/long-term-memory/delete").status == 422)
            #expect(try await api.send(.get, "/v1/long-term-memory/b").status == 200)
        }
    }

    @Test func patches() async throws {
        try await APIFixture.run { api async throws in
            try await api.create(
                "{\"id\": \"a\", \"text\": \"[1] old\", \"user_id\": \"u\", \"topics\": [\"t\"], \"created_at\": \"2024-01-01\"}"
            )
            let embedded = api.embedder.embeddedTexts.count
            let answer = try await api.send(
                .patch, "/v1/long-term-memory/a",
                "{\"user_id\": \"w\", \"topics\": [], \"text\": null, \"event_date\": \"2025-05-05\"}")
            #expect(answer.status == 200)
            #expect(answer.json["user_id"] == "w")
            #expect(answer.json["topics"] == [])
            #expect(answer.json["text"] == "[1] old")
            #expect(answer.json["event_date"] == "2025-05-05T00:00:00Z")
            #expect(answer.json["updated_at"] == "2026-01-02T03:04:05.000006Z")
            let hash = MemoryHash.compute(
                text: "[1] old", userID: "w", sessionID: nil, namespace: nil, memoryType: .semantic)
            #expect(answer.json["memory_hash"] == .string(hash))
            #expect(api.embedder.embeddedTexts.count == embedded)
        }
    }

    @Test(arguments: [
        ("{}", 400, [String]()), ("{\"text\": null}", 400, []), ("{\"created_at\": \"2024-01-01\"}", 400, []),
        ("{\"text\": \"\"}", 422, ["body.text"]),
        ("{\"event_date\": \"x\", \"pinned\": \"maybe\"}", 422, ["body.pinned", "body.event_date"]),
        ("{\"topics\": \"a\"}", 422, ["body.topics"]),
        ("{\"entities\": [\"a\", \"b,c\"]}", 422, ["body.entities.1"]), ("{", 422, ["body.1"]), ("", 422, ["body"]),
        ("{\"memory_type\": \"bogus\"}", 422, ["body.memory_type"]),
    ])
    func `refused patches`(_ body: String, _ status: Int, _ places: [String]) async throws {
        try await APIFixture.run { api async throws in
            try await api.create("{\"id\": \"a\", \"text\": \"x\"}")
            let answer = try await api.send(.patch, "/v1/long-term-memory/a", body)
            #expect(answer.status == status, "\(answer.text)")
            #expect(answer.places == places)
            if status == 400 { #expect(answer.detail == "No fields provided for update") }
        }
    }

    @Test func `embedding service down stores nothing`() async throws {
        try await APIFixture.run { api async throws in
            api.embedder.fail(.down)
            let answer = try await api.send(
                .post, "/v1/long-term-memory/", "{\"memories\": [{\"id\": \"a\", \"text\": \"x\"}]}")
            #expect(answer.status == 503)
            #expect(answer.detail?.contains("embedding") == true)
            api.embedder.fail(nil)
            #expect(try await api.search("{}").json["total"] == 0)
        }
    }
}
