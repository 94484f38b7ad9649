import HTTPTypes
import MemoryHTTP
import Testing

@Suite struct RoutingTests {
    @Test func `health and ready`() async throws {
        try await APIFixture.run { api async throws in
            let health = try await api.send(.get, "/v1/health")
            #expect(health.status == 200)
            #expect(health.json["now"]?.intValue == 1_767_323_045_000)
            let ready = try await api.send(.get, "/v1/ready")
            #expect(ready.status == 200)
            #expect(ready.json["backend"] == "reference")
            #expect(ready.json["embedding_model"] == "conformance/steered")
            #expect(ready.json["components"]?["store"]?["status"] == "ok")
            #expect(ready.json["components"]?["embedder"]?["status"] == "ok")
        }
    }

    @Test func `unknown paths and methods`() async throws {
        try await APIFixture.run { api async throws in
            for path in ["/", "/v1/nope", "/v1/memory/prompt/x"] {
                let answer = try await api.send(.get, path)
                #expect(answer.status == 404)
                #expect(answer.detail == "Not Found")
            }
            for (method, path, allow) in [
                (HTTPRequest.Method.post, "/v1/health", "GET, HEAD"), (.put, "/v1/long-term-memory/", "DELETE, POST"),
                (.get, "/v1/long-term-memory/", "DELETE, POST"),
                (.delete, "/v1/long-term-memory/x", "GET, HEAD, PATCH"),
                (.post, "/v1/long-term-memory/search/x", "GET, HEAD, PATCH"),
                (.post, "/v1/working-memory/s", "DELETE, GET, HEAD, PUT"),
                (.post, "/v1/working-memory/messages", "DELETE, GET, HEAD, PUT"),
                (.patch, "/v1/working-memory/s/messages", "DELETE, GET, HEAD, POST, PUT"),
            ] {
                let answer = try await api.send(method, path)
                #expect(answer.status == 405, "\(method) \(path)")
                #expect(answer.headers[.allow] == allow)
                #expect(answer.detail == "Method Not Allowed")
            }
        }
    }

    @Test func `both forms of trailing slashes and head`() async throws {
        try await APIFixture.run { api async throws in
            for path in ["/v1/long-term-memory", "/v1/long-term-memory/"] {
                #expect(
                    try await api.send(.post, path, "{\"memories\": [{\"id\": \"a\", \"text\": \"x\"}]}").status == 200)
                #expect(try await api.send(.delete, path + "?memory_ids=nope").status == 200)
            }
            #expect(try await api.send(.post, "/v1/long-term-memory/search/", "{}").status == 200)
            #expect(try await api.send(.get, "/v1/long-term-memory/a/").status == 200)
            let head = try await api.send(.head, "/v1/long-term-memory/a")
            #expect(head.status == 200)
            #expect(head.text.isEmpty)
            #expect(try await api.send(.head, "/v1/long-term-memory/nope").status == 404)
        }
    }

    @Test func `routes of later versions answer 501`() async throws {
        try await APIFixture.run { api async throws in
            for (method, path) in [
                (HTTPRequest.Method.post, "/v1/summary-views/v/partitions/run"),
                (.get, "/v1/summary-views/v/partitions"),
            ] {
                let answer = try await api.send(method, path)
                #expect(answer.status == 501, "\(method) \(path)")
                #expect(answer.detail?.contains(path) == true)
            }
            #expect(try await api.send(.patch, "/v1/working-memory/s").status == 405)
        }
    }

    @Test func `every answer carries a request ID`() async throws {
        try await APIFixture.run { api async throws in
            let given = try await api.send(.get, "/v1/health", headers: [HTTPField.Name("X-Request-Id")!: "abc-1.2"])
            #expect(given.headers[HTTPField.Name("X-Request-Id")!] == "abc-1.2")
            for path in ["/v1/health", "/nope"] {
                let made = try await api.send(.get, path, headers: [HTTPField.Name("X-Request-Id")!: "bad id!"])
                let id = made.headers[HTTPField.Name("X-Request-Id")!]
                #expect(id?.isEmpty == false)
                #expect(id != "bad id!")
            }
        }
    }

    @Test func `large bodies are refused`() async throws {
        try await APIFixture.run(configuration: .init(bodyLimit: 2000)) { api async throws in
            let text = String(repeating: "x", count: 3000)
            let answer = try await api.send(
                .post, "/v1/long-term-memory/", "{\"memories\": [{\"id\": \"a\", \"text\": \"\(text)\"}]}")
            #expect(answer.status == 413)
            #expect(answer.detail?.isEmpty == false)
        }
    }

    @Test func `long term memory can be switched off`() async throws {
        try await APIFixture.run(configuration: .init(longTermMemory: false)) { api async throws in
            let answer = try await api.search("{}")
            #expect(answer.status == 400)
            #expect(answer.detail == "Long-term memory is disabled")
            #expect(try await api.send(.get, "/v1/health").status == 200)
        }
    }
}
