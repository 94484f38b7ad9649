import AgentMemory
import FakeEmbeddings
import TestSupport
import Testing

/// The server with a language model.
@Suite(.tags(.server)) struct LanguageModelServerTests {
    @Test func `a query is rewritten and counted, and nothing fails without the model`() async throws {
        try await FakeEmbeddingsServer.run { service in
            let environment = [
                "MEMORY_VECTOR_DB_FACTORY": "reference", "FAST_MODEL": "claude-haiku",
                "ANTHROPIC_API_BASE": service.origin, "ANTHROPIC_API_KEY": "secret-key",
                "QUERY_OPTIMIZATION_TIMEOUT_SECONDS": "20", "ENABLE_TOPIC_EXTRACTION": "false", "ENABLE_NER": "false",
                "COMPACT_SEMANTIC_DUPLICATES": "false",
            ]
            try await ServerProcess.run(environment) { server in
                let stored = try await server.client.create([
                    ["id": "tea", "text": "green tea"], ["id": "car", "text": "red car"],
                ])
                #expect(stored.status == 200)
                try await service.control(["mode": "answer", "text": "red car"])
                let path = "/v1/long-term-memory/search?optimize_query=true"
                let body: JSONValue = [
                    "text": "green tea", "recency_boost": false, "explain": true, "namespace": ["ne": "x"],
                ]
                let found = try await server.client.send(.post, path, body)
                #expect(found.ids == ["car", "tea"])
                #expect(found.json["optimized_query"] == "red car")
                let usage = try await server.client.send(.get, "/v1/usage").json["usage"]?.arrayValue ?? []
                #expect(usage.count == 1)
                #expect(usage.first?["task"] == "query_optimization" && usage.first?["calls"] == 1)
                #expect(usage.first?["namespace"]?.isNull == true && usage.first?["output_tokens"] == 2)
                let prompt = try await server.client.send(
                    .post, "/v1/memory/prompt?optimize_query=true",
                    ["query": "green tea", "long_term_search": ["recency_boost": false]])
                #expect(prompt.json["long_term_memories"]?.arrayValue?.first?["id"] == "car")

                try await service.control(["mode": "status", "status": 401])
                let left = try await server.client.send(.post, path, body)
                #expect(left.status == 200)
                #expect(left.ids == ["tea", "car"])
                #expect(left.json["not_optimized_reason"] == "the language model failed; the log says why")
                let ready = try await server.client.ready()
                #expect(ready.status == 200)
                let language = ready.json["components"]?["language_model"]
                #expect(language?["status"] == "ok" && language?["version"] == "claude-haiku")
                #expect(language?["warning"]?.stringValue?.contains("ANTHROPIC_API_KEY") == true)
                #expect(language?["warning"]?.stringValue?.contains("secret-key") == false)
            }
        }
    }

    @Test func `without a model nothing else changes`() async throws {
        try await ServerProcess.run(["MEMORY_VECTOR_DB_FACTORY": "reference"]) { server in
            _ = try await server.client.create([["id": "tea", "text": "green tea"]])
            let found = try await server.client.send(
                .post, "/v1/long-term-memory/search?optimize_query=true", ["text": "green tea", "explain": true])
            #expect(found.ids == ["tea"])
            #expect(found.json["not_optimized_reason"] == "this server has no language model")
            #expect(try await server.client.send(.get, "/v1/usage").json["usage"] == [])
            #expect(try await server.client.ready().json["components"]?["language_model"]?["version"] == "none")
        }
    }

    @Test func `settings that cannot work stop the start`() async throws {
        for (settings, named) in [
            (["FAST_MODEL": "gemini/flash"], "litellm_proxy"), (["FAST_MODEL": "claude-haiku"], "ANTHROPIC_API_KEY"),
            (["FAST_MODEL": "gpt-5-mini"], "CHAT_API_KEY"),
            (
                ["FAST_MODEL": "ollama/llama3", "QUERY_OPTIMIZATION_PROMPT_TEMPLATE": "no place"],
                "QUERY_OPTIMIZATION_PROMPT_TEMPLATE: the prompt must hold {query}"
            ),
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
