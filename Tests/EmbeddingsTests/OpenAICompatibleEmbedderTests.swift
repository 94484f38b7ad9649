import AgentMemory
import FakeEmbeddings
import HTTPClient
import Logging
@testable import ModelServices
import Testing

@testable import Embeddings

@Suite("Embeddings of a service")
struct OpenAICompatibleEmbedderTests {
    /// An embedder of 64 dimensions against a server of its own.
    private func withEmbedder(
        arguments: [String] = [], _ change: (inout EmbedderConfiguration) -> Void = { _ in },
        _ body: (OpenAICompatibleEmbedder, FakeEmbeddingsServer, VirtualTime) async throws -> Void
    ) async throws {
        try await FakeEmbeddingsServer.run(arguments) { server in
            var configuration = EmbedderConfiguration()
            configuration.names = .settings
            configuration.model = "test-model"
            configuration.dimensions = 64
            configuration.baseURL = server.baseURL
            change(&configuration)
            let client = HTTPClient()
            let time = VirtualTime()
            let embedder = try OpenAICompatibleEmbedder(
                configuration, client: client,
                logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
                clock: time.clock)
            do {
                try await body(embedder, server, time)
                await client.shutdown()
            } catch {
                await client.shutdown()
                throw error
            }
        }
    }

    private func failure(_ embedder: any Embedder, _ texts: [String] = ["a text"]) async -> MemoryError? {
        do {
            _ = try await embedder.embed(texts)
            return nil
        } catch {
            return error as? MemoryError
        }
    }

    @Test func `answers in order whatever the service`() async throws {
        try await withEmbedder { embedder, server, _ in
            let texts = ["one", "two", "drei äöü \"quoted\"\n"]
            let expected = try await embedder.embed(texts)
            #expect(expected.map(\.count) == [64, 64, 64])
            #expect(Set(expected).count == 3)
            for mode in ["reversed", "no_index", "base64", "drip"] {
                try await server.control(["mode": mode])
                let answered = try await embedder.embed(texts)
                #expect(answered == expected, "\(mode)")
            }
        }
    }

    @Test func `sends no request for an empty list`() async throws {
        try await withEmbedder { embedder, server, _ in
            try await #expect(embedder.embed([]) == [])
            try await #expect(server.stats().requests == 0)
        }
    }

    @Test func `sends what the protocol wants`() async throws {
        try await withEmbedder {
            $0.model = "openai/text-embedding-3-small"
            $0.apiKey = "sk-secret"
        } _: { embedder, server, _ in
            _ = try await embedder.embed(["a"])
            let stats = try await server.stats()
            #expect(stats.lastTarget == "/v1/embeddings")
            #expect(stats.lastHeaders["authorization"] == "Bearer sk-secret")
            #expect(stats.lastHeaders["content-type"] == "application/json")
            #expect(stats.lastBody("model") == "text-embedding-3-small")
            #expect(stats.lastBody("input") == ["a"])
            // Fewer than the model's own 1536 were configured.
            #expect(stats.lastBody("dimensions") == 64)
            #expect(stats.lastBody("encoding_format") == "base64")
        }
    }

    @Test func `leaves out a format that the service refuses`() async throws {
        try await withEmbedder { embedder, server, _ in
            let expected = try await embedder.embed(["a", "b"])
            for status in [400, 422] {
                try await withEmbedder { embedder, server, _ in
                    try await server.control(["mode": "status", "status": status, "times": 1])
                    try await #expect(embedder.embed(["a", "b"]) == expected)
                    // It is not asked for again.
                    try await #expect(embedder.embed(["b"]) == [expected[1]])
                    let stats = try await server.stats()
                    #expect(stats.requests == 3)
                    #expect(stats.lastBody("encoding_format", as: String.self) == nil)
                }
            }
        }
    }

    @Test func `sends azures key and version`() async throws {
        try await withEmbedder {
            $0.model = "azure/my-deployment"
            $0.apiKey = "secret"
            $0.apiVersion = "2024-06-01"
            $0.baseURL = $0.baseURL!.replacing("/v1", with: "")
        } _: { embedder, server, _ in
            _ = try await embedder.embed(["a"])
            let stats = try await server.stats()
            #expect(stats.lastTarget == "/openai/deployments/my-deployment/embeddings?api-version=2024-06-01")
            #expect(stats.lastHeaders["api-key"] == "secret")
            #expect(stats.lastHeaders["authorization"] == nil)
            // Of an unknown model the configured length is what it has, not a wish.
            #expect(stats.lastBody("dimensions", as: Int.self) == nil)
        }
    }

    @Test func `cuts into batches of which some run at a time`() async throws {
        try await withEmbedder(arguments: ["--delay-ms", "30"]) {
            $0.maximumTextsPerRequest = 2
            $0.maximumConcurrentRequests = 3
        } _: { embedder, server, _ in
            let texts = (0..<21).map { "text \($0)" }
            let vectors = try await embedder.embed(texts)
            let stats = try await server.stats()
            #expect(stats.requests == 11)
            #expect((2...3).contains(stats.mostInFlight))
            for (text, vector) in zip(texts, vectors) {
                try await #expect(embedder.embed([text]) == [vector])
            }
        }
    }

    @Test(arguments: [429, 500, 502, 503, 529, 408]) func `tries again`(status: Int) async throws {
        try await withEmbedder { embedder, server, time in
            try await server.control(["mode": "status", "status": status, "times": 2])
            try await #expect(embedder.embed(["a"]).count == 1)
            #expect(time.sleeps == [.milliseconds(250), .milliseconds(500)])
        }
    }

    @Test(arguments: [("7", 7), ("Sun, 06 Nov 1994 08:49:47 GMT", 10)])
    func `waits as long as the service asks`(header: String, seconds: Int) async throws {
        try await withEmbedder { embedder, server, time in
            try await server.control(
                ["mode": "status", "status": 429, "times": 1, "headers": ["Retry-After": header]])
            try await #expect(embedder.embed(["a"]).count == 1)
            #expect(time.sleeps == [.seconds(seconds)])
        }
    }

    /// Times that no number, no clock and no duration holds.
    @Test(arguments: [
        "-1", "-9223372036854775808", "9223372036854775807", "1e308", "1e999", "nan", "inf", "0x7fffffffffffffff",
        "99999999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT", "Thu, 01 Jan 0000 00:00:00 GMT", "",
    ])
    func `reads every retry after`(header: String) async throws {
        try await withEmbedder { embedder, server, time in
            try await server.control(
                ["mode": "status", "status": 429, "times": 1, "headers": ["Retry-After": header]])
            // Either the pause is passed over, or it is longer than the deadline.
            if let error = await failure(embedder) { #expect(error.code == .embeddingFailed) }
            #expect(time.sleeps.allSatisfy { $0 >= .zero && $0 < .seconds(60) })
        }
    }

    @Test func `does not wait beyond the deadline`() async throws {
        try await withEmbedder { embedder, server, time in
            try await server.control(["mode": "status", "status": 429, "headers": ["Retry-After": "60"]])
            let error = await failure(embedder)
            #expect(error?.code == .embeddingFailed)
            #expect(error?.message.contains("429") == true)
            #expect(time.sleeps.isEmpty)
            try await #expect(server.stats().requests == 1)
        }
    }

    @Test func `gives up after the last attempt`() async throws {
        try await withEmbedder { embedder, server, time in
            try await server.control(["mode": "status", "status": 503])
            #expect(await failure(embedder)?.code == .embeddingFailed)
            try await #expect(server.stats().requests == 4)
            #expect(time.sleeps == [.milliseconds(250), .milliseconds(500), .seconds(1)])
        }
    }

    @Test(arguments: [
        (301, "OPENAI_API_BASE"), (400, "EMBEDDING_MODEL"), (401, "OPENAI_API_KEY"), (402, "OPENAI_API_KEY"),
        (403, "OPENAI_API_KEY"), (404, "EMBEDDING_MODEL"), (413, "texts"), (422, "EMBEDDING_MODEL"),
    ])
    func `does not repeat what was refused`(status: Int, setting: String) async throws {
        try await withEmbedder { embedder, server, time in
            try await server.control(["mode": "status", "status": status, "message": "model not found"])
            let error = await failure(embedder)
            #expect(error?.code == .embeddingRefused)
            #expect(error?.message.contains(setting) == true, "\(error?.message ?? "")")
            #expect(error?.message.contains("\(status)") == true)
            #expect(error?.message.contains("model not found") == true)
            #expect(time.sleeps.isEmpty)
        }
    }

    @Test func `does not repeat a spent quota`() async throws {
        try await withEmbedder { embedder, server, time in
            try await server.control(["mode": "status", "status": 429, "code": "insufficient_quota"])
            #expect(await failure(embedder)?.code == .embeddingFailed)
            #expect(time.sleeps.isEmpty)
        }
    }

    @Test func `shows neither key nor text`() async throws {
        try await withEmbedder {
            $0.apiKey = "my-own-key-7"
        } _: { embedder, server, _ in
            try await server.control(["mode": "echo_key"])
            let refused = await failure(embedder)
            #expect(refused?.message.contains("Incorrect API key provided: ***") == true)
            #expect("\(refused!)".contains("my-own-key") == false)
            try await server.control(["mode": "echo_text"])
            let echoed = await failure(embedder, ["Anna's diagnosis is confidential"])
            #expect(echoed?.message.contains("400") == true)
            #expect("\(echoed!)".contains("diagnosis") == false)
        }
    }

    @Test(arguments: [
        ("wrong_count", "0 vectors for 1 texts"), ("wrong_length", "65 dimensions where 64"),
        ("nan", "not a finite number"), ("zero", "zeros"), ("null", "not a finite number"),
        ("truncated_json", "invalid JSON"), ("not_json", "invalid JSON"),
    ])
    func `refuses an invalid embedding`(mode: String, reason: String) async throws {
        try await withEmbedder { embedder, server, time in
            try await server.control(["mode": mode])
            let error = await failure(embedder)
            #expect(error?.code == .embeddingFailed)
            #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
            #expect(time.sleeps.isEmpty)
        }
    }

    @Test func `refuses indices that repeat`() async throws {
        try await withEmbedder { embedder, server, _ in
            try await server.control(["mode": "same_index"])
            #expect(await failure(embedder, ["a", "b"])?.code == .embeddingFailed)
        }
    }

    @Test(arguments: ["truncated_body", "close"]) func `tries again when the connection breaks`(mode: String)
        async throws
    {
        try await withEmbedder { embedder, server, time in
            try await server.control(["mode": mode, "times": 1])
            try await #expect(embedder.embed(["a"]).count == 1)
            #expect(time.sleeps.count == 1)
        }
    }

    @Test func `times out`() async throws {
        try await withEmbedder {
            $0.attemptTimeout = .milliseconds(60)
            $0.maximumAttempts = 2
        } _: { embedder, server, _ in
            try await server.control(["mode": "hang"])
            #expect(await failure(embedder)?.code == .timedOut)
            try await #expect(server.stats().requests == 2)
        }
    }

    @Test func `tells a refused connection`() async throws {
        let origin = try await FakeEmbeddingsServer.run { $0.origin }
        try await withEmbedder {
            $0.baseURL = origin
        } _: { embedder, _, time in
            let error = await failure(embedder)
            #expect(error?.code == .embeddingFailed)
            #expect(error?.message.contains("no connection") == true)
            #expect(time.sleeps.count == 3)
            #expect(await embedder.unavailability() != nil)
        }
    }

    @Test func `cancelling ends the request`() async throws {
        try await withEmbedder { embedder, server, _ in
            try await server.control(["mode": "hang"])
            let task = Task { try await embedder.embed(["a"]) }
            _ = try await server.stats(once: "requests=1")
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            try await #expect(server.stats(once: "open=0").open == 0)
        }
    }

    @Test func `knows its health from calls and probes seldom`() async throws {
        try await withEmbedder { embedder, server, time in
            #expect(await embedder.unavailability() == nil)
            #expect(await embedder.unavailability() == nil)
            try await #expect(server.stats().requests == 1)
            try await server.control(["mode": "status", "status": 401, "message": "bad key"])
            _ = await failure(embedder)
            #expect(await embedder.unavailability()?.contains("bad key") == true)
            try await #expect(server.stats().requests == 2)
            try await server.control(["mode": "ok"])
            #expect(await embedder.unavailability() != nil)
            time.advance(by: ServiceHealth.failureLifetime)
            #expect(await embedder.unavailability() == nil)
            try await #expect(server.stats().requests == 3)
            // A text that is refused says nothing about the service.
            try await server.control(["mode": "status", "status": 400])
            _ = await failure(embedder)
            #expect(await embedder.unavailability() == nil)
        }
    }
}
