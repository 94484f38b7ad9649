import AgentMemory
import FakeEmbeddings
import HTTPClient
import TestSupport
import Testing

/// `GET /metrics` of the server itself.
@Suite(.tags(.server)) struct ServerMetricsTests {
    private static func page(_ client: RESTClient) async throws -> MetricPage {
        let answer = try await client.send(.get, "/metrics")
        try #require(answer.status == 200, "\(answer.text)")
        return try MetricPage(parsing: answer.text)
    }

    /// Whatever the server counts, it is what was done, once each, and nothing says for whom.
    @Test func `counters rise by what was done`() async throws {
        try await FakeEmbeddingsServer.run(["--dimensions", "1536"]) { service in
            let environment = [
                "MEMORY_VECTOR_DB_FACTORY": "reference", "EMBEDDING_MODEL": "text-embedding-3-small",
                "OPENAI_API_BASE": service.baseURL, "FAST_MODEL": "claude-haiku",
                "ANTHROPIC_API_BASE": service.origin, "ANTHROPIC_API_KEY": "distinctive-key",
                "LLM_BUDGET_TOKENS_PER_HOUR": "1000", "QUERY_OPTIMIZATION_TIMEOUT_SECONDS": "20",
                "RERANK_API_BASE": service.baseURL, "RERANK_MODEL": "words", "RERANK_TIMEOUT_SECONDS": "20",
                "ENABLE_TOPIC_EXTRACTION": "false", "ENABLE_NER": "false", "COMPACT_SEMANTIC_DUPLICATES": "false",
            ]
            try await ServerProcess.run(environment) { server in
                let empty = try await Self.page(server.client)
                let embeddings = ["model": "text-embedding-3-small"]
                #expect(empty["agent_memory_embedding_calls_total", embeddings] == 0)
                #expect(empty["agent_memory_language_model_calls_in_work", ["model": "claude-haiku"]] == 0)
                #expect(empty["agent_memory_language_model_hour_limit_tokens"] == 1000)
                #expect(empty.series("agent_memory_build_info").first?.labels["version"]?.isEmpty == false)
                #expect(empty["agent_memory_process_start_time_seconds"] ?? 0 > 1_700_000_000)
                #expect(empty["agent_memory_process_resident_memory_bytes"] ?? 0 > 1_000_000)
                #expect(empty["agent_memory_store_up"] == 1)

                let records: [JSONValue] = ["green tea", "red car"].map { text in
                    [
                        "id": .string("distinctive " + text), "text": .string(text), "namespace": "distinctive-n",
                        "user_id": "distinctive-u",
                    ]
                }
                #expect(try await server.client.create(records).status == 200)
                try await service.control(["mode": "answer", "text": "red car", "for": "chat"])
                let path = "/v1/long-term-memory/search?optimize_query=true"
                let body: JSONValue = ["text": "tea", "namespace": ["eq": "distinctive-n"]]
                for _ in 0..<2 { #expect(try await server.client.send(.post, path, body).ids.count == 2) }
                try await service.control(["mode": "status", "status": 401, "for": "chat"])
                #expect(try await server.client.send(.post, path, body).status == 200)
                let session: JSONValue = [
                    "namespace": "distinctive-n", "user_id": "distinctive-u",
                    "memories": [["id": "distinctive-m", "text": "blue bike"]],
                ]
                #expect(try await server.client.send(.put, "/v1/working-memory/distinctive-s", session).status == 200)
                try await eventually("the session's memory is stored") {
                    try await Self.page(server.client).sum("agent_memory_job_attempts_total", ["outcome": "done"]) > 0
                }

                let answer = try await server.client.send(.get, "/metrics")
                #expect(!answer.text.contains("distinctive"))
                let page = try MetricPage(parsing: answer.text)
                let task = ["model": "claude-haiku", "task": "query_optimization"]
                #expect(page["agent_memory_language_model_calls_total", task] == 3)
                #expect(page["agent_memory_language_model_failures_total", task] == 1)
                #expect(page["agent_memory_language_model_call_duration_seconds_count", task] == 3)
                // "red car", twice.
                let output = task.merging(["direction": "output"]) { $1 }
                #expect(page["agent_memory_language_model_tokens_total", output] == 4)
                #expect(
                    page["agent_memory_language_model_last_hour_tokens"]
                        == page.sum("agent_memory_language_model_tokens_total"))
                #expect(page["agent_memory_language_model_resting", ["model": "claude-haiku"]] == 0)
                #expect(page["agent_memory_reranking_calls_total", ["model": "words"]] == 3)
                #expect(page["agent_memory_reranking_failures_total", ["model": "words"]] == 0)
                let calls = page["agent_memory_embedding_calls_total", embeddings] ?? 0
                #expect(calls + 3 + 3 == Double(try await service.stats().requests))
                #expect(page["agent_memory_embedding_call_duration_seconds_count", embeddings] == calls)
                // The query "red car" is the text of a memory; "tea" and "blue bike" are new.
                #expect(page["agent_memory_embedding_cache_misses_total"] == 4)
                #expect(page["agent_memory_embedding_cache_entries"] == 4)
                #expect(page["agent_memory_embedding_cache_hits_total"] ?? 0 >= 2)
                #expect(page["agent_memory_jobs", ["state": "waiting"]] == 0)
                #expect(page["agent_memory_jobs", ["state": "dead"]] == 0)
                let name = "agent_memory_http_requests_total"
                #expect(
                    page[name, ["route": "/v1/long-term-memory/search", "method": "POST", "code": "200"]] == 3)
                #expect(page[name, ["route": "/v1/long-term-memory", "method": "POST", "code": "200"]] == 1)
                #expect(page.series("agent_memory_http_refused_total").count == 4)
                #expect(page.sum("agent_memory_http_refused_total") == 0)
            }
        }
    }

    @Test func `the page is there while the store is down, and not if metrics are off`() async throws {
        let down = ["MEMORY_VECTOR_DB_FACTORY": "redis", "REDIS_URL": "redis://127.0.0.1:1"]
        try await ServerProcess.run(down) { server in
            let page = try await Self.page(server.client)
            #expect(page["agent_memory_store_up"] == 0)
            #expect(page.series("agent_memory_jobs").isEmpty)
            #expect(page["agent_memory_http_requests_in_work"] == 1)
        }
        try await ServerProcess.run(["MEMORY_VECTOR_DB_FACTORY": "reference", "METRICS_ENABLED": "false"]) { server in
            let answer = try await server.client.send(.get, "/metrics")
            #expect(answer.status == 404)
        }
    }

    @Test(arguments: Store.allCases)
    func `jobs are those of the store, for a token of the command`(_ store: Store) async throws {
        var environment = try store.environment()
        let (status, output) = try await ServerProcess.command(
            ["token", "add", "-d", "Prometheus", "--rights", "metrics", "--format", "json"], environment)
        try #require(status == 0, "\(output)")
        let line = try #require(output.split(separator: "\n").last { $0.hasPrefix("{") })
        let secret = try #require(try JSONValue(parsing: String(line))["token"]?.stringValue)
        environment["AUTH_MODE"] = "token"
        try await ServerProcess.run(environment) { server in
            let client = RESTClient(server.url, credentials: ["Authorization": "Bearer \(secret)"])
            try await client.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
            let page = try await Self.page(client)
            #expect(page["agent_memory_store_up"] == 1)
            #expect(page.series("agent_memory_jobs").map { $0.labels["state"] } == ["waiting", "leased", "dead"])
            #expect(try await client.list([:]).status == 403)
            #expect(try await server.client.send(.get, "/metrics").status == 401)
        }
    }
}
