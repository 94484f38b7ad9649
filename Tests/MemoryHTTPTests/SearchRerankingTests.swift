import AgentMemory
import MemoryHTTP
import Testing

@Suite struct SearchRerankingTests {
    /// The longer a text, the better.
    private struct Lengths: Reranker {
        let model = "lengths"
        var fails = false

        func scores(of texts: [String], for query: String) async throws -> [Double] {
            if fails { throw MemoryError(.timedOut, "too late") }
            return texts.map { Double($0.utf8.count) / 100 }
        }

        func unavailability() async -> String? { fails ? "it is late" : nil }
    }

    @Test func `the answer says whether it was reranked`() async throws {
        let records = "{\"id\": \"near\", \"text\": \"[1] x\"}, {\"id\": \"far\", \"text\": \"[0, 1] longer\"}"
        let body = "{\"text\": \"[1] q\", \"recency_boost\": false}"
        try await APIFixture.run(reranker: Lengths()) { api async throws in
            try await api.create(records)
            let found = try await api.search(body)
            #expect(found.ids == ["far", "near"])
            #expect(found.json["reranked"] == true)
            #expect(found.json["memories"]?.arrayValue?[0]["rerank_score"]?.doubleValue == 0.13)
            #expect(found.json["memories"]?.arrayValue?[1]["score"]?.doubleValue == 1)
            let left = try await api.search(body.dropLast() + ", \"rerank\": false}")
            #expect(left.ids == ["near", "far"])
            #expect(left.json["reranked"] == nil)
            let both = "{\"text\": \"x\", \"rerank\": true, \"server_side_recency\": true}"
            #expect(try await api.search(both).status == 400)
        }
        try await APIFixture.run(reranker: Lengths(fails: true)) { api async throws in
            try await api.create(records)
            let found = try await api.search(body)
            #expect(found.ids == ["near", "far"])
            #expect(found.json["reranked"] == false)
            #expect(found.json["not_reranked_reason"] == "the reranking model did not answer in time")
            let ready = try await api.send(.get, "/v1/ready")
            #expect(ready.status == 200)
            #expect(ready.text.contains("it is late"))
        }
        try await APIFixture.run { api async throws in
            #expect(try await api.search(body).json["reranked"] == nil)
            let insisting = try await api.search(body.dropLast() + ", \"rerank\": true}")
            #expect(insisting.status == 422)
            #expect(insisting.places == ["body.rerank"])
        }
    }
}
