import AgentMemory
import FakeEmbeddings
import TestSupport
import Testing

/// What a client was told is kept survives the server.
@Suite(.tags(.server)) struct PromotionTests {
    /// The embedding service is down until the server has been killed: so the promotion cannot have
    /// been done before.
    @Test(arguments: Store.allCases)
    func `a server that is killed right after a PUT promotes when it is back`(_ store: Store) async throws {
        try await FakeEmbeddingsServer.run(["--dimensions", "32"]) { embeddings in
            var environment = try store.environment()
            environment["EMBEDDING_MODEL"] = "fake-model"
            environment["OPENAI_API_BASE"] = embeddings.baseURL
            environment["OPENAI_API_KEY"] = "sk-test"
            environment["REDISVL_VECTOR_DIMENSIONS"] = "32"
            // A worker that died keeps others from its jobs no longer than this.
            environment["JOB_LEASE_SECONDS"] = "1"
            environment["JOB_POLL_SECONDS"] = "0.1"
            environment["JOB_BACKOFF_SECONDS"] = "0.1"
            let memories = (0..<20).map { number -> JSONValue in
                ["id": .string("kept-\(number)"), "text": .string("text \(number)"), "memory_type": "semantic"]
            }
            try await ServerProcess.runAndKill(environment) { server in
                try await server.client.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
                try await embeddings.control(["mode": "status", "status": 500])
                let answer = try await server.client.send(
                    .put, "/v1/working-memory/s", ["user_id": "u", "memories": .array(memories)])
                #expect(answer.status == 200, "\(answer.detail)")
            }
            try await embeddings.control(["mode": "ok"])
            try await ServerProcess.run(environment) { server in
                let api = server.client
                try await api.wait(
                    for: { try await $0.send(.post, "/v1/long-term-memory/count", ["session_id": ["eq": "s"]]) },
                    until: { $0.json["count"] == 20 })
                #expect(try await api.send(.get, "/v1/long-term-memory/kept-7").json["user_id"] == "u")
                try await api.wait(
                    for: { try await $0.send(.get, "/v1/working-memory/s?user_id=u") },
                    until: { answer in
                        let marks = (answer.json["memories"]?.arrayValue ?? []).compactMap {
                            $0["persisted_at"]?.stringValue
                        }
                        return marks.count == 20
                    })
            }
            let jobs = try await ServerProcess.command(["jobs", "list"], environment)
            #expect(jobs.status == 0, "\(jobs.output)")
            #expect(jobs.output.contains("waiting 0, leased 0, dead 0"), "\(jobs.output)")
        }
    }
}
