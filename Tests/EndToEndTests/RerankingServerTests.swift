import AgentMemory
import FakeEmbeddings
import TestSupport
import Testing

/// The server with a reranking service.
@Suite(.tags(.server)) struct RerankingServerTests {
    @Test func `a search is ordered by the service and survives its end`() async throws {
        try await FakeEmbeddingsServer.run { service in
            let environment = [
                "MEMORY_VECTOR_DB_FACTORY": "reference", "RERANK_API_BASE": service.baseURL, "RERANK_MODEL": "words",
                "RERANK_TIMEOUT_SECONDS": "20",
            ]
            try await ServerProcess.run(environment) { server in
                let texts = ["a cup of tea", "cups, teapots and more", "tea cup"]
                let stored = try await server.client.create(
                    texts.enumerated().map { ["id": .string("m\($0)"), "text": .string($1)] })
                #expect(stored.status == 200)
                let body: JSONValue = ["text": "tea more", "recency_boost": false, "search_mode": "keyword"]
                let found = try await server.client.search(body)
                #expect(found.json["reranked"] == true)
                // All hold one of the two words; the order among them is that of the search.
                #expect(found.json["memories"]?.arrayValue?.allSatisfy { $0["rerank_score"] == 0.5 } == true)
                #expect(try await service.stats().lastTarget == "/v1/rerank")

                try await service.control(["mode": "status", "status": 400])
                let left = try await server.client.search(body)
                #expect(left.status == 200)
                #expect(left.ids == found.ids)
                #expect(left.json["reranked"] == false)
                #expect(left.json["not_reranked_reason"] == "the reranking model failed; the log says why")
                #expect(try await server.client.ready().status == 200)
            }
        }
    }

    @Test func `settings that cannot work stop the start`() async throws {
        for (settings, named) in [
            (["RERANK_MODEL_PATH": "/does/not/exist"], "/does/not/exist"), (["RERANK_MODEL": "m"], "RERANK_API_BASE"),
        ] {
            let environment = [
                "MEMORY_VECTOR_DB_FACTORY": "reference", "PORT": "0", "EMBEDDING_MODEL": "local/hashing-64",
            ]
            let (status, output) = try await ServerProcess.command(["api"], environment.merging(settings) { $1 })
            #expect(status != 0)
            #expect(output.contains(named), "\(output)")
        }
    }
}
