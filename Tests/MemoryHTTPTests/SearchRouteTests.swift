import AgentMemory
import Testing

/// POST search, list and count.
@Suite struct SearchRouteTests {
    @Test func `hits carry distance and score`() async throws {
        try await APIFixture.run { api async throws in
            try await api.create("{\"id\": \"a\", \"text\": \"[1] apple\"}, {\"id\": \"b\", \"text\": \"[0, 1] pear\"}")
            let semantic = try await api.search("{\"text\": \"[1] apple\", \"recency_boost\": false}")
            #expect(semantic.status == 200)
            #expect(semantic.ids == ["a", "b"])
            let hit = semantic.json["memories"]?.arrayValue?.first
            #expect(hit?["dist"]?.doubleValue == 0)
            #expect(hit?["score"]?.doubleValue == 1)
            #expect(hit?["score_type"] == "semantic")
            #expect(semantic.json["total"] == 2)
            #expect(semantic.json["next_offset"] == .null)
            let listed = try await api.search("{\"text\": \"  \", \"limit\": 1}")
            let item = listed.json["memories"]?.arrayValue?.first
            #expect(item?["dist"]?.doubleValue == 0)
            #expect(item?["score"] == .null)
            #expect(item?["score_type"] == .null)
            #expect(listed.json["next_offset"] == 1)
            for mode in ["keyword", "hybrid"] {
                let found = try await api.search("{\"text\": \"[1] apple\", \"search_mode\": \"\(mode)\"}")
                #expect(found.json["memories"]?.arrayValue?.first?["score_type"] == .string(mode))
            }
        }
    }

    @Test func `metadata is filtered`() async throws {
        try await APIFixture.run { api async throws in
            try await api.create(
                """
                {"id": "a", "text": "[1] a", "metadata": {"source": "crm", "year": 2024}},
                {"id": "b", "text": "[1] b", "metadata": {"source": "web", "year": 2023, "flag": null}},
                {"id": "c", "text": "[1] x"}
                """)
            for (filter, ids) in [
                (#"{"source": {"eq": "crm"}}"#, ["a"]), (#"{"source": {"not_eq": "crm"}}"#, ["b", "c"]),
                (#"{"source": {"in_": ["crm", "web"]}, "year": {"gte": 2024}}"#, ["a"]),
                (#"{"source": {"not_in": ["crm", "x"]}, "flag": {"exists": true}}"#, ["b"]),
                (#"{"year": {"lt": 2024.5, "gt": 2023}}"#, ["a"]), (#"{"year": {"eq": "2024"}}"#, []),
            ] {
                #expect(try await api.search("{\"text\": \"[1] q\", \"metadata\": \(filter)}").ids.sorted() == ids)
            }
        }
    }

    @Test func `recency boost reorders the page`() async throws {
        try await APIFixture.run { api async throws in
            try await api.create(
                """
                {"id": "near-old", "text": "[1] x", "created_at": "2020-01-01", "last_accessed": "2020-01-01"},
                {"id": "near-new", "text": "[1, 0.2] x", "created_at": "2026-01-02", "last_accessed": "2026-01-02"}
                """)
            #expect(
                try await api.search("{\"text\": \"[1] q\", \"recency_boost\": false}").ids == ["near-old", "near-new"])
            for boost in ["", ", \"recency_boost\": null", ", \"recency_boost\": true"] {
                #expect(try await api.search("{\"text\": \"[1] q\"\(boost)}").ids == ["near-new", "near-old"])
            }
            let unweighted = try await api.search("{\"text\": \"[1] q\", \"recency_recency_weight\": 0}")
            #expect(unweighted.ids == ["near-old", "near-new"])
            #expect(
                try await api.search("{\"text\": \"[1] q\", \"server_side_recency\": true}").ids == [
                    "near-new", "near-old",
                ])
        }
    }

    @Test func `clients spellings of operators`() async throws {
        try await APIFixture.run { api async throws in
            try await api.create(
                """
                {"id": "1", "text": "x", "user_id": "a", "topics": ["t", "s"], "created_at": "2024-01-01"},
                {"id": "2", "text": "y", "user_id": "b", "topics": ["t"], "created_at": "2024-01-02"},
                {"id": "3", "text": "z", "created_at": "2024-01-03"}
                """)
            for (filter, expected) in [
                ("{\"user_id\": {\"eq\": \"a\"}}", ["1"]), ("{\"user_id\": {\"in_\": [\"a\", \"b\"]}}", ["2", "1"]),
                ("{\"user_id\": {\"not_eq\": \"a\"}}", ["3", "2"]),
                ("{\"user_id\": {\"not_in\": [\"a\", \"b\"]}}", ["3"]),
                ("{\"user_id\": {\"ne\": \"a\"}}", ["3", "2"]), ("{\"topics\": {\"none\": [\"s\"]}}", ["3", "2"]),
                ("{\"topics\": {\"any\": [\"s\", \"t\"]}, \"user_id\": {\"startswith\": \"b\"}}", ["2"]),
                ("{\"topics\": {\"all\": [\"s\", \"t\"]}}", ["1"]),
                ("{\"user_id\": {\"any\": [\"a\", \"b\"], \"not_eq\": \"a\"}}", ["2"]),
                ("{\"namespace\": null, \"user_id\": {\"eq\": \"a\"}}", ["1"]),
                ("{\"created_at\": {\"gt\": \"2024-01-01\", \"lt\": \"2024-01-03\"}}", ["2"]),
                (
                    "{\"created_at\": {\"between\": [\"2024-01-01\", \"2024-01-03\"], \"inclusive\": \"left\"}}",
                    ["2", "1"]
                ),
                ("{\"created_at\": {\"gte\": 1704153600}}", ["3", "2"]),
                ("{\"memory_type\": {\"in_\": [\"semantic\"]}, \"id\": {\"eq\": \"3\"}}", ["3"]),
            ] {
                let search = try await api.search(filter.dropLast() + ", \"recency_boost\": false}")
                #expect(search.ids == expected, "\(filter): \(search.text)")
                let list = try await api.send(.post, "/v1/long-term-memory/list", filter)
                #expect(list.ids == expected, "\(filter)")
                #expect(list.json["total"]?.intValue == expected.count)
                let count = try await api.send(.post, "/v1/long-term-memory/count", filter)
                #expect(count.json == ["count": .int(expected.count)], "\(filter)")
            }
        }
    }

    @Test(arguments: [
        ("{\"user_id\": {}}", ["body.user_id"]), ("{\"user_id\": {\"eq\": null}}", ["body.user_id"]),
        ("{\"user_id\": {\"eq\": \"\"}}", ["body.user_id.eq"]),
        ("{\"user_id\": {\"foo\": 1}}", ["body.user_id.foo"]),
        ("{\"user_id\": {\"field\": \"namespace\", \"eq\": \"x\"}}", ["body.user_id.field"]),
        ("{\"user_id\": \"a\"}", ["body.user_id"]), ("{\"user_id\": {\"any\": \"x\"}}", ["body.user_id.any"]),
        ("{\"user_id\": {\"any\": []}}", ["body.user_id.any"]),
        ("{\"user_id\": {\"any\": [\"a\"], \"all\": [\"b\"]}}", ["body.user_id"]),
        ("{\"user_id\": {\"startswith\": \"a\", \"ne\": \"b\"}}", ["body.user_id"]),
        ("{\"memory_type\": {\"eq\": \"bogus\"}}", ["body.memory_type.eq"]),
        ("{\"created_at\": {}}", ["body.created_at"]),
        ("{\"created_at\": {\"foo\": 1}}", ["body.created_at.foo"]),
        ("{\"created_at\": {\"between\": [\"2024-01-01\"]}}", ["body.created_at"]),
        ("{\"created_at\": {\"between\": [\"2024-01-01\", \"x\"]}}", ["body.created_at.between.1"]),
        ("{\"created_at\": {\"gt\": \"2024-01-01\", \"inclusive\": \"both\"}}", ["body.created_at.inclusive"]),
        (
            "{\"created_at\": {\"between\": [\"2024-01-01\", \"2024-01-02\"], \"inclusive\": \"bogus\"}}",
            ["body.created_at.inclusive"]
        ),
        ("{\"metadata\": {}}", ["body.metadata"]), ("{\"metadata\": {\"k\": {}}}", ["body.metadata.k"]),
        ("{\"metadata\": {\"k\": null}}", ["body.metadata.k"]), ("{\"metadata\": [1]}", ["body.metadata"]),
        ("{\"metadata\": {\"k\": {\"like\": \"a\"}}}", ["body.metadata.k.like"]),
        ("{\"metadata\": {\"k\": {\"eq\": [1]}}}", ["body.metadata.k.eq"]),
        ("{\"metadata\": {\"k\": {\"any\": [1, {}]}}}", ["body.metadata.k.any.1"]),
        ("{\"metadata\": {\"k\": {\"gt\": \"2024\"}}}", ["body.metadata.k.gt"]),
        ("{\"metadata\": {\"k\": {\"eq\": 1, \"ne\": 2}}}", ["body.metadata.k"]),
        ("{\"metadata\": {\"k\": {\"eq\": 1, \"exists\": false}}}", ["body.metadata.k"]),
        ("{\"user\": {\"eq\": \"a\"}}", ["body.user"]), ("{\"limit\": 0}", ["body.limit"]),
        ("{\"limit\": 101}", ["body.limit"]), ("{\"limit\": 5.5}", ["body.limit"]),
        ("{\"offset\": -1}", ["body.offset"]),
    ])
    func `refused filters`(_ body: String, _ places: [String]) async throws {
        try await APIFixture.run { api async throws in
            for route in ["search", "list"] {
                let answer = try await api.send(.post, "/v1/long-term-memory/\(route)", body)
                #expect(answer.status == 422, "\(answer.text)")
                #expect(answer.places == places)
            }
        }
    }

    @Test(arguments: [
        ("{\"search_mode\": \"bogus\"}", 422), ("{\"hybrid_alpha\": 1.5}", 422), ("{\"text_scorer\": \"bogus\"}", 422),
        ("{\"distance_threshold\": -1}", 422),
        ("{\"text\": \"x\", \"search_mode\": \"keyword\", \"distance_threshold\": 0.5}", 400),
        ("{\"text\": \"x\", \"search_mode\": \"hybrid\", \"server_side_recency\": true}", 400), ("{\"text\": 5}", 422),
        ("{\"text\": \"a\\u0000b\"}", 422),
        ("{\"recency_half_life_created_days\": 0}", 422),
        ("{\"text\": \"x\", \"search_mode\": \"keyword\", \"text_scorer\": \"HAMMING\"}", 422),
        ("{\"text\": \"x\", \"search_mode\": \"keyword\", \"text_scorer\": \"DISMAX\"}", 200),
        ("{\"text\": \"x\", \"text_scorer\": \"DISMAX\"}", 200), ("{\"limit\": \"5\", \"offset\": 5.0}", 200),
        ("{\"offset\": 1180591620717411303424}", 200),
        ("{\"text\": \"x\", \"offset\": 1180591620717411303424}", 200),
        ("{\"text\": \"x\", \"recency_semantic_weight\": -5}", 200), ("[]", 422), ("", 422),
    ])
    func parameters(_ body: String, _ status: Int) async throws {
        try await APIFixture.run { api async throws in
            try await api.create("{\"id\": \"a\", \"text\": \"x\"}")
            let answer = try await api.search(body)
            #expect(answer.status == status, "\(answer.text)")
            if status == 200, body.contains("offset\": 118") { #expect(answer.json["total"] == 1) }
        }
    }

    @Test func `list and count take nothing else`() async throws {
        try await APIFixture.run { api async throws in
            #expect(try await api.send(.post, "/v1/long-term-memory/list", "{\"text\": \"x\"}").places == ["body.text"])
            #expect(try await api.send(.post, "/v1/long-term-memory/count", "{\"limit\": 5}").places == ["body.limit"])
            #expect(try await api.send(.get, "/v1/long-term-memory/count").status == 404)
        }
    }
}
