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

    @Test func `the model to fall back to answers while the first is down, and is counted`() async throws {
        try await FakeEmbeddingsServer.run { service in
            try await service.control([
                "mode": "answers",
                "answers": [
                    ["when": "green tea", "text": "red car"],
                    [
                        "when": "Extract memories",
                        "text": #"{"memories": [{"text": "User likes milk.", "topics": ["milk"]}]}"#,
                    ],
                ] as [[String: String]],
            ])
            let environment = [
                "MEMORY_VECTOR_DB_FACTORY": "reference", "FAST_MODEL": "down", "CHAT_API_BASE": "http://127.0.0.1:1/v1",
                "FAST_FALLBACK_MODEL": "claude-haiku", "ANTHROPIC_API_BASE": service.origin,
                "ANTHROPIC_API_KEY": "secret-key", "QUERY_OPTIMIZATION_TIMEOUT_SECONDS": "20",
                "EXTRACTION_DEBOUNCE_SECONDS": "0.1", "JOB_POLL_SECONDS": "0.1",
            ]
            try await ServerProcess.run(environment) { server in
                let api = server.client
                #expect(try await api.ready().json["components"]?["language_model"]?["version"] == "down, claude-haiku")
                let path = "/v1/long-term-memory/search?optimize_query=true"
                let found = try await api.send(.post, path, ["text": "green tea", "explain": true])
                #expect(found.json["optimized_query"] == "red car")
                let session: JSONValue = ["messages": [["id": "m", "role": "user", "content": "I like milk"]]]
                #expect(try await api.send(.put, "/v1/working-memory/s", session).status == 200)
                try await api.wait(for: { try await $0.list([:]) }, until: { $0.total == 1 })

                let usage = try await api.send(.get, "/v1/usage").json["usage"]?.arrayValue ?? []
                for task in ["query_optimization", "extraction"] {
                    let counts = usage.filter { $0["task"]?.stringValue == task }
                    #expect(counts.map { $0["model"]?.stringValue } == ["claude-haiku", "down"], "\(counts)")
                    #expect(counts.map { $0["calls"]?.intValue } == [1, 1])
                    #expect(counts.map { $0["failed_calls"]?.intValue } == [0, 1])
                }
                // A view may name either of them.
                for (model, status) in [("down", 200), ("claude-haiku", 200), ("other", 422)] {
                    let view: JSONValue = [
                        "source": "long_term", "group_by": ["user_id"], "model_name": .string(model),
                    ]
                    let answer = try await api.send(.post, "/v1/summary-views", view)
                    #expect(answer.status == status)
                    if status == 422 { #expect(answer.json.jsonText.contains("models: down, claude-haiku\"")) }
                }

                let ready = try await api.ready()
                #expect(ready.status == 200)
                let warning = ready.json["components"]?["language_model"]?["warning"]?.stringValue
                #expect(warning?.contains("down") == true && warning?.contains("claude") == false)
            }
        }
    }

    @Test func `texts of excluded namespaces are not sent`() async throws {
        try await FakeEmbeddingsServer.run { service in
            try await service.control([
                "mode": "answers", "for": "chat",
                "answers": [
                    [
                        "when": "Extract memories",
                        "text": #"{"memories": [{"text": "User likes milk.", "topics": ["milk"]}]}"#,
                    ]
                ] as [[String: String]],
            ])
            let environment = [
                "MEMORY_VECTOR_DB_FACTORY": "reference", "FAST_MODEL": "gpt-test", "CHAT_API_BASE": service.baseURL,
                "LLM_EXCLUDED_NAMESPACES": "x, y", "EXTRACTION_DEBOUNCE_SECONDS": "0", "JOB_POLL_SECONDS": "0.1",
            ]
            try await ServerProcess.run(environment) { server in
                let api = server.client
                for namespace in ["x", "n"] {
                    let session: JSONValue = [
                        "namespace": .string(namespace),
                        "messages": [["id": "m", "role": "user", "content": .string("I like milk in \(namespace)")]],
                    ]
                    #expect(try await api.send(.put, "/v1/working-memory/s", session).status == 200)
                }
                try await api.wait(for: { try await $0.list([:]) }, until: { $0.total == 1 })
                let stored = try await api.list([:]).json["memories"]?.arrayValue ?? []
                #expect(stored.map { $0["namespace"]?.stringValue } == ["n"])
                let due = try await api.send(.get, "/v1/working-memory/s?namespace=x").json["messages"]?.arrayValue
                #expect(due?.map { $0["discrete_memory_extracted"] } == ["f"])
                let view = try await api.send(
                    .post, "/v1/summary-views",
                    ["source": "long_term", "group_by": ["user_id"], "filters": ["namespace": "x"]])
                #expect(view.status == 422)
                #expect(view.json["detail"]?.arrayValue?.first?["loc"] == ["body", "filters", "namespace"])
                let search: JSONValue = ["text": "milk", "explain": true, "namespace": ["eq": "x"]]
                let found = try await api.send(.post, "/v1/long-term-memory/search?optimize_query=true", search)
                #expect(
                    found.json["not_optimized_reason"]
                        == "queries in these namespaces are not sent to language models")
                let usage = try await api.send(.get, "/v1/usage").json["usage"]?.arrayValue ?? []
                #expect(usage.allSatisfy { $0["namespace"] == "n" } && !usage.isEmpty)
            }
        }
    }

    @Test func `settings that cannot work stop the start`() async throws {
        for (settings, named) in [
            (["FAST_MODEL": "gemini/flash"], "litellm_proxy"), (["FAST_MODEL": "claude-haiku"], "ANTHROPIC_API_KEY"),
            (["FAST_MODEL": "gpt-5-mini"], "CHAT_API_KEY"),
            (
                ["FAST_MODEL": "ollama/llama3", "FAST_FALLBACK_MODEL": "gemini/flash"],
                "FAST_FALLBACK_MODEL=gemini/flash"
            ),
            (["FAST_MODEL": "ollama/llama3", "LLM_NAMESPACES": "a,,b"], "LLM_NAMESPACES: there is an empty entry"),
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
