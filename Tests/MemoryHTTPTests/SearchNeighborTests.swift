import AgentMemory
import MemoryHTTP
import Testing

@Suite struct SearchNeighborTests {
    private func createSession(_ api: APIFixture) async throws {
        let memories = (1...5).map {
            """
            {"id": "m\($0)", "text": "[1, \($0)] turn \($0)", "session_id": "s", "created_at": "2026-01-01T00:00:0\($0)Z"}
            """
        }
        try await api.create(memories.joined(separator: ", "))
    }

    @Test func `neighbours come with each hit`() async throws {
        try await APIFixture.run { api async throws in
            try await createSession(api)
            let plain = try await api.search("{\"text\": \"[1, 2]\", \"limit\": 1, \"recency_boost\": false}")
            #expect(plain.ids == ["m2"])
            #expect(plain.json["memories"]?.arrayValue?[0]["neighbors"] == nil)
            let found = try await api.search(
                "{\"text\": \"[1, 2]\", \"limit\": 1, \"recency_boost\": false, \"include_neighbors\": 2}")
            let expected: JSONValue = [
                "before": [["id": "m1", "text": "[1, 1] turn 1"]],
                "after": [["id": "m3", "text": "[1, 3] turn 3"], ["id": "m4", "text": "[1, 4] turn 4"]],
            ]
            #expect(found.json["memories"]?.arrayValue?[0]["neighbors"] == expected)
            // A list has them too, and a re-ordered page has them at the right hits.
            let boosted = try await api.search("{\"text\": \"[1, 2]\", \"include_neighbors\": 1}")
            for hit in boosted.json["memories"]?.arrayValue ?? [] {
                let number = try #require(Int(hit["id"]?.stringValue?.dropFirst() ?? ""))
                let before = hit["neighbors"]?["before"]?.arrayValue?.compactMap { $0["id"]?.stringValue }
                #expect(before == (number == 1 ? [] : ["m\(number - 1)"]))
            }
            let listed = try await api.search("{\"limit\": 1, \"include_neighbors\": 1}")
            #expect(listed.json["memories"]?.arrayValue?[0]["neighbors"]?["after"] == [])
        }
    }

    @Test func `a prompt has the neighbours in its message`() async throws {
        try await APIFixture.run { api async throws in
            try await createSession(api)
            let prompt = try await api.send(
                .post, "/v1/memory/prompt",
                """
                {"query": "[1, 2]", "long_term_search": {"limit": 1, "include_neighbors": 1, "recency_boost": false}}
                """)
            #expect(prompt.status == 200, "\(prompt.text)")
            let message = prompt.json["messages"]?.arrayValue?[0]["content"]?["text"]?.stringValue
            #expect(
                message?.hasSuffix(
                    "- [1, 2] turn 2 (ID: m2)\n  before it: [1, 1] turn 1\n  after it: [1, 3] turn 3") == true,
                "\(message ?? "")")
            let memory = prompt.json["long_term_memories"]?.arrayValue?[0]
            #expect(memory?["neighbors"]?["before"]?.arrayValue?.count == 1)
        }
    }

    @Test(arguments: ["-1", "4", "\"x\"", "1.5"])
    func `other numbers of neighbours are refused`(_ number: String) async throws {
        try await APIFixture.run { api async throws in
            let answer = try await api.search("{\"text\": \"x\", \"include_neighbors\": \(number)}")
            #expect(answer.status == 422)
            #expect(answer.places == ["body.include_neighbors"])
        }
    }
}
