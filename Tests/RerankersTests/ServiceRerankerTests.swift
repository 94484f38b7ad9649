import AgentMemory
import FakeEmbeddings
import HTTPClient
import Logging
import ModelServices
import Testing

@testable import Rerankers

@Suite struct ServiceRerankerTests {
    /// A reranker against a server of its own.
    private func withReranker(
        arguments: [String] = [], _ change: (inout RerankerConfiguration) -> Void = { _ in },
        _ body: (ServiceReranker, FakeEmbeddingsServer) async throws -> Void
    ) async throws {
        try await FakeEmbeddingsServer.run(arguments) { server in
            var configuration = RerankerConfiguration()
            configuration.baseURL = server.baseURL
            configuration.model = "test-model"
            configuration.deadline = .seconds(20)
            change(&configuration)
            let client = HTTPClient()
            let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
            let reranker = try ServiceReranker(configuration, client: client, logger: logger)
            let result: Result<Void, any Error>
            do {
                result = .success(try await body(reranker, server))
            } catch {
                result = .failure(error)
            }
            await client.shutdown()
            try result.get()
        }
    }

    private func failure(_ reranker: ServiceReranker) async -> MemoryError? {
        await #expect(throws: MemoryError.self) { try await reranker.scores(of: ["secret text"], for: "q") }
    }

    /// The answer is in the order of the scores.
    private static let texts = ["red wine", "green tea in a cup", "tea", "a cup of green tea"]

    @Test func `scores come in the order of the texts in both spellings`() async throws {
        for model in ["test-model", nil] {
            try await withReranker({ $0.model = model }) { reranker, server in
                #expect(try await reranker.scores(of: Self.texts, for: "green tea") == [0, 1, 0.5, 1])
                let last = try await server.stats()
                #expect(last.lastTarget == "/v1/rerank")
                #expect(last.lastBody("query") == "green tea")
                #expect(last.lastBody("model") == model)
                #expect(last.lastBody(model == nil ? "texts" : "documents") == Self.texts)
                #expect(try await reranker.scores(of: [], for: "green tea") == [])
                #expect(await reranker.unavailability() == nil)
            }
        }
    }

    @Test func `many texts go in several requests`() async throws {
        try await withReranker { reranker, server in
            let texts = (0..<70).map { $0 % 3 == 0 ? "tea \($0)" : "wine \($0)" }
            #expect(try await reranker.scores(of: texts, for: "tea") == texts.indices.map { $0 % 3 == 0 ? 1 : 0 })
            let stats = try await server.stats()
            #expect(stats.requests == 3)
            #expect(stats.texts == 70)
        }
    }

    @Test func `long texts are cut between scalars`() async throws {
        #expect(ServiceReranker.cut("short") == "short")
        for part in ["é", "字", "𠮷", "a\u{301}"] {
            let cut = ServiceReranker.cut(String(repeating: part, count: 20_000))
            #expect((ServiceReranker.bytesPerText - 3...ServiceReranker.bytesPerText).contains(cut.utf8.count))
            #expect(cut.hasPrefix(String(repeating: part, count: 1000)))
        }
    }

    @Test(arguments: ["not_json", "wrong_count", "same_index", "null", "truncated_json"])
    func `an unusable answer is an error`(_ mode: String) async throws {
        try await withReranker { reranker, server in
            try await server.control(["mode": mode])
            await #expect(throws: MemoryError.self) { try await reranker.scores(of: Self.texts, for: "tea") }
            #expect(await reranker.unavailability()?.contains("test-model") == true)
        }
    }

    @Test func `errors keep keys and texts to themselves`() async throws {
        try await withReranker(arguments: ["--api-key", "right"], { $0.apiKey = "wrong-key-of-mine" }) {
            reranker, server in
            let refused = await failure(reranker)
            #expect(refused?.code == .internalError)
            #expect(refused?.message.contains("check apiKey") == true)
            #expect(refused?.message.contains("wrong-key") == false)
            try await server.control(["mode": "echo_text"])
            #expect(await failure(reranker)?.message.contains("secret text") == false)
        }
    }

    @Test func `a service that hangs is left at the deadline`() async throws {
        try await withReranker({ $0.deadline = .milliseconds(100) }) { reranker, server in
            try await server.control(["mode": "hang"])
            #expect(await failure(reranker)?.code == .timedOut)
        }
    }

    @Test func `a failure that may pass is tried again`() async throws {
        try await withReranker { reranker, server in
            try await server.control(["mode": "status", "status": 503, "times": 1])
            #expect(try await reranker.scores(of: ["tea"], for: "tea") == [1])
            #expect(try await server.stats().requests == 2)
        }
    }

    @Test func `nothing configured makes no reranker`() async throws {
        let client = HTTPClient()
        #expect(try RerankerFactory.make(RerankerConfiguration(), client: client) == nil)
        var configuration = RerankerConfiguration()
        configuration.modelPath = "/does/not/exist"
        #expect(throws: MemoryError.self) { try RerankerFactory.make(configuration, client: client) }
        configuration.modelPath = nil
        configuration.baseURL = "not a url"
        #expect(throws: MemoryError.self) { try RerankerFactory.make(configuration, client: client) }
        await client.shutdown()
    }
}
