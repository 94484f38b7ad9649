import AgentMemory
import FakeEmbeddings
import Foundation
import TestSupport
import Testing

/// Clients and libraries of the reference server's world, from the Python package index.
@Suite(.tags(.server)) struct OfficialClientTests {
    @Test(arguments: Store.allCases)
    func `the Python client works unchanged`(_ store: Store) async throws {
        try await ServerProcess.run(try store.environment()) { server in
            try await Self.python("official_client.py", [server.url])
        }
    }

    /// It has no setting for a token, but sends what its base URL holds.
    @Test func `the Python client works with a token in its base URL`() async throws {
        var environment = try Store.redis.environment()
        let token = AccessToken.newSecret()
        let added = try await ServerProcess.command(["token", "add", "-d", "client", "--token=\(token)"], environment)
        try #require(added.status == 0, "\(added.output)")
        environment["AUTH_MODE"] = "token"
        try await ServerProcess.run(environment) { server in
            let url = "http://agent:\(token)@127.0.0.1:\(server.port)"
            try await Self.python("official_client.py", [url])
        }
    }

    @Test(arguments: Store.allCases)
    func `the Python clients working memory and prompts`(_ store: Store) async throws {
        try await ServerProcess.run(try store.environment()) { server in
            try await Self.python("working_memory.py", [server.url])
        }
    }

    @Test(arguments: Store.allCases)
    func `the Python clients strategies, summaries, views, tasks and rewritten queries`(_ store: Store) async throws {
        try await FakeEmbeddingsServer.run { service in
            var answers = [
                ["when": "Write a concise summary", "text": "A person who likes tea."],
                ["when": "Keep a short summary", "text": "They spoke at length."],
                ["when": "Rewrite a search query", "text": "place where Eve lives"],
                [
                    "when": "Say for each memory",
                    "text": #"{"memories": [{"memory": "m1", "topics": ["home"], "entities": ["Porto"]}]}"#,
                ],
                [
                    "when": "Compare short memories",
                    "text":
                        #"{"groups": [{"relation": "same", "memories": [1, 2], "text": "Tim owns a boat.", "current": null}]}"#,
                ],
            ]
            for (strategy, prompt) in [
                ("custom", "Extract the drinks"), ("preferences", "Extract the lasting preferences"),
                ("summary", "Keep one summary"), ("discrete", "Extract memories from a conversation"),
            ] {
                let memory = #"{"type": "semantic", "text": "User likes tea (\#(strategy)).", "topics": ["tea"]}"#
                answers.append(["when": prompt, "text": #"{"memories": [\#(memory)]}"#])
            }
            try await service.control(["mode": "answers", "answers": answers])
            var environment = try store.environment()
            for (name, value) in [
                "GENERATION_MODEL": "gpt-test", "FAST_MODEL": "gpt-test", "CHAT_API_BASE": service.baseURL,
                "EMBEDDING_MODEL": "local/hashing-64", "EXTRACTION_DEBOUNCE_SECONDS": "0.1",
                "JOB_POLL_SECONDS": "0.1", "QUERY_OPTIMIZATION_TIMEOUT_SECONDS": "30",
            ] { environment[name] = value }
            try await ServerProcess.run(environment) { server in
                try await Self.python("language_models.py", [server.url])
            }
        }
    }

    @Test(arguments: Store.allCases)
    func `the Python clients tools for agents and IDs with slashes`(_ store: Store) async throws {
        try await ServerProcess.run(try store.environment()) { server in
            try await Self.python("integrations.py", [server.url])
        }
    }

    @Test func `Redis VL opens and searches our index`() async throws {
        let environment = try Store.redis.environment()
        try await ServerProcess.run(environment) { server in
            let answer = try await server.client.create([
                ["id": "a", "text": "the puppy has a fever", "user_id": "ada", "topics": ["pets", "health"]],
                ["id": "b", "text": "the train to Venice is late", "user_id": "ben", "topics": ["travel"]],
            ])
            #expect(answer.status == 200)
            try await Self.python(
                "read_index.py",
                [
                    environment["REDIS_URL"] ?? "", environment["REDISVL_INDEX_NAME"] ?? "",
                    environment["REDISVL_INDEX_PREFIX"] ?? "",
                ])
        }
    }

    /// - Parameter script: one of this folder; ends with the line `all as expected`.
    static func python(_ script: String, _ arguments: [String]) async throws {
        let python = try #require(
            ProcessInfo.processInfo.environment["TEST_PYTHON"], "TEST_PYTHON is not set: run make test")
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(script).path
        let process = try await RunningProcess.start(URL(fileURLWithPath: python), [path] + arguments)
        let status = await process.exitStatus()
        #expect(status == 0, "\(process.output)")
        #expect(process.output.contains("all as expected"), "\(process.output)")
    }
}
