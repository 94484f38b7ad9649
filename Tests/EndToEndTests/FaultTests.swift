import AgentMemory
import FakeEmbeddings
import TestServices
import TestSupport
import Testing

/// What clients see while a part is down, and after it has come back.
@Suite(.tags(.server)) struct FaultTests {
    @Test(arguments: Store.allCases)
    func `a store that is down answers 503 until it is back`(_ store: Store) async throws {
        try await OwnServer.run(store.service, durable: true) { own in
            var environment = store.environment(url: own.url)
            environment["STORE_TIMEOUT_SECONDS"] = "3"
            try await ServerProcess.run(environment) { server in
                let api = server.client
                try await api.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
                #expect(
                    try await api.create([["id": "kept", "text": "an acknowledged memory", "user_id": "u"]]).status
                        == 200)
                try await own.crash()

                let clock = ContinuousClock()
                for call in [
                    { try await api.search(["text": "memory"]) }, { try await api.list([:]) },
                    { try await api.search(["user_id": ["eq": "u"]]) },
                    { try await api.create([["id": "lost", "text": "never acknowledged"]]) },
                    { try await api.send(.get, "/v1/long-term-memory/kept") },
                ] as [@Sendable () async throws -> RESTClient.Answer] {
                    let start = clock.now
                    let answer = try await call()
                    #expect(answer.status == 503, "\(answer.detail)")
                    #expect(!answer.detail.isEmpty)
                    // The deadline of the setting, with room for a busy machine.
                    #expect(clock.now - start < .seconds(10))
                }
                #expect(try await api.send(.get, "/v1/health").status == 200)
                let ready = try await api.ready()
                #expect(ready.status == 503)
                #expect(ready.json["components"]?["store"]?["status"] == "unavailable")
                #expect(ready.json["components"]?["store"]?["reason"]?.stringValue?.isEmpty == false)
                #expect(ready.json["components"]?["embedder"]?["status"] == "ok")

                try await own.restart()
                try await api.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
                #expect(try await api.search(["text": "memory", "user_id": ["eq": "u"]]).ids == ["kept"])
                #expect(try await api.create([["id": "new", "text": "after the restart"]]).status == 200)
                #expect(try await api.search(["text": "restart", "search_mode": "keyword"]).ids == ["new"])
            }
        }
    }

    @Test(arguments: Store.allCases)
    func `a server starts before its store`(_ store: Store) async throws {
        try await OwnServer.run(store.service, durable: true) { own in
            try await own.crash()
            try await ServerProcess.run(store.environment(url: own.url)) { server in
                let api = server.client
                #expect(try await api.send(.get, "/v1/health").status == 200)
                #expect(try await api.ready().status == 503)
                try await own.restart()
                try await api.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
                #expect(try await api.create([["id": "a", "text": "first memory"]]).status == 200)
                #expect(try await api.count() == 1)
            }
        }
    }

    /// What the embedding service refuses for good is not "try again"; what it may do later is.
    @Test(arguments: ["reference", "python"])
    func `a refusal of the embedding service is not retried`(_ backend: String) async throws {
        try await FakeEmbeddingsServer.run(["--dimensions", "32"]) { embeddings in
            var environment = ["MEMORY_VECTOR_DB_FACTORY": "reference"]
            if backend == "python" { environment = try await LoadedBackendTests.Example.python.environment() }
            environment.merge([
                "EMBEDDING_MODEL": "some-model", "REDISVL_VECTOR_DIMENSIONS": "32", "OPENAI_API_KEY": "sk-secret-7",
                "OPENAI_API_BASE": embeddings.baseURL, "EMBEDDING_DEADLINE_SECONDS": "3",
            ]) { $1 }
            try await ServerProcess.run(environment) { server in
                let api = server.client
                for (status, setting) in [(401, "OPENAI_API_KEY"), (403, "OPENAI_API_KEY"), (404, "EMBEDDING_MODEL")] {
                    try await embeddings.control(["reset": true])
                    try await embeddings.control([
                        "mode": "status", "status": status, "message": "Incorrect API key provided: sk-secret-7",
                    ])
                    let answer = try await api.create([["id": "a", "text": "some text"]])
                    #expect(answer.status == 502, "\(answer.detail)")
                    #expect(answer.detail.contains(setting), "\(answer.detail)")
                    #expect(!answer.detail.contains("secret"), "\(answer.detail)")
                    let search = try await api.search(["text": .string("some other text \(status)")])
                    #expect(search.status == 502, "\(search.detail)")
                    #expect(try await embeddings.stats().requests == 2)
                }
                try await embeddings.control([
                    "mode": "status", "status": 429, "headers": ["Retry-After": "9223372036854775807"],
                ])
                #expect(try await api.create([["id": "a", "text": "some text"]]).status == 503)
                try await embeddings.control(["mode": "ok"])
                #expect(try await api.create([["id": "a", "text": "some text"]]).status == 200)
                #expect(!server.log.contains("sk-secret"))
            }
        }
    }

    @Test(arguments: Store.allCases)
    func `an embedding service that is down writes nothing`(_ store: Store) async throws {
        try await FakeEmbeddingsServer.run(["--dimensions", "32"]) { embeddings in
            var environment = try store.environment()
            environment["EMBEDDING_MODEL"] = "fake-model"
            environment["OPENAI_API_BASE"] = embeddings.baseURL
            environment["OPENAI_API_KEY"] = "sk-secret-of-the-test"
            environment["REDISVL_VECTOR_DIMENSIONS"] = "32"
            environment["EMBEDDING_DEADLINE_SECONDS"] = "2"
            try await ServerProcess.run(environment) { server in
                let api = server.client
                let first = try await api.create([["id": "a", "text": "before"]])
                #expect(first.status == 200, "\(first.detail)")
                for mode in ["status", "wrong_count", "wrong_length", "zero", "truncated_json", "close"] {
                    try await embeddings.control(mode == "status" ? ["mode": "status", "status": 500] : ["mode": mode])
                    let memories: [JSONValue] = (0..<300).map {
                        ["id": .string("\(mode)-\($0)"), "text": .string("text \(mode) \($0)")]
                    }
                    let create = try await api.create([["id": "a", "text": .string("changed by \(mode)")]] + memories)
                    #expect(create.status == 503, "\(mode): \(create.detail)")
                    #expect(!create.json.jsonText.contains("sk-secret"), "\(mode)")
                    let search = try await api.search(["text": .string("a query nobody has asked, \(mode)")])
                    #expect(search.status == 503, "\(mode): \(search.detail)")
                    #expect(try await api.count() == 1, "\(mode)")
                }
                #expect(try await api.send(.get, "/v1/long-term-memory/a").json["text"] == "before")
                try await embeddings.control(["mode": "ok"])
                #expect(try await api.create([["id": "b", "text": "after"]]).status == 200)
                #expect(try await api.search(["text": "after"]).total == 2)
                #expect(!server.log.contains("sk-secret"))
            }
        }
    }
}
