import AgentMemory
import Foundation
import HTTPClient
import Metering
@testable import ModelServices
import Testing

@testable import Embeddings

@Suite("Embedder factory")
struct EmbedderFactoryTests {
    private func make(_ change: (inout EmbedderConfiguration) -> Void) throws(MemoryError) -> any Embedder {
        var configuration = EmbedderConfiguration()
        configuration.names = .settings
        configuration.apiKey = "key"
        change(&configuration)
        return try EmbedderFactory.make(configuration, client: HTTPClient())
    }

    private func failure(_ change: (inout EmbedderConfiguration) -> Void) -> MemoryError? {
        do {
            _ = try make(change)
            return nil
        } catch {
            return error
        }
    }

    private func endpoint(_ change: (inout EmbedderConfiguration) -> Void) throws -> ServiceEndpoint {
        var configuration = EmbedderConfiguration()
        configuration.names = .settings
        configuration.apiKey = "key"
        change(&configuration)
        return try ServiceEndpoint(
            configuration.service, model: ModelName(configuration.model), purpose: configuration.purpose)
    }

    @Test(arguments: [
        ("text-embedding-3-small", 1536), ("openai/text-embedding-3-large", 3072), ("text-embedding-ada-002", 1536),
        ("ollama/nomic-embed-text", 768), ("ollama/all-minilm:33m", 384), ("BAAI/bge-m3", 1024),
        ("mxbai-embed-large:latest", 1024), ("local/hashing-128", 128),
    ])
    func `knows dimensions`(model: String, dimensions: Int) throws {
        let embedder = try make { $0.model = model }
        #expect(embedder.dimensions == dimensions)
        #expect(embedder.model == model)
    }

    @Test func `a meter counts what the cache does not have`() async throws {
        for model in ["local/hashing-64", "text-embedding-3-small"] {
            let meter = CallMeter()
            let embedder = try make {
                $0.model = model
                $0.meter = meter
                // Nothing listens there.
                $0.baseURL = "http://127.0.0.1:1/v1"
                $0.maximumAttempts = 1
            }
            for _ in 0..<2 { _ = try? await embedder.embed(["a"]) }
            #expect(meter.counts.durations.count == 2 && meter.counts.inWork == 0)
            #expect(meter.counts.failures == (model.hasPrefix("local") ? 0 : 2))
            if let cache = embedder as? CachingEmbedder {
                #expect(cache.statistics.misses == 2 && cache.statistics.hits == 0)
            }
        }
    }

    @Test func `names the setting at fault`() {
        func expect(_ part: String, _ change: (inout EmbedderConfiguration) -> Void) {
            let error = failure(change)
            #expect(error?.code == .misconfigured)
            #expect(error?.message.contains(part) == true, "\(error?.message ?? "no error")")
        }
        expect("REDISVL_VECTOR_DIMENSIONS") { $0.model = "my-own-model" }
        expect("REDISVL_VECTOR_DIMENSIONS") { $0.dimensions = 0 }
        expect("OPENAI_API_KEY") { $0.apiKey = nil }
        expect("OPENAI_API_KEY") { $0.apiKey = "" }
        expect("LOCAL_MODEL_CACHE") { $0.model = "local/bert" }
        expect("Scripts/fetch-model") {
            $0.model = "local/bert"
            $0.localModelCache = "/nowhere"
        }
        expect("no model folder /nowhere/at-all") {
            $0.model = "local/bert"
            $0.localModelPath = "/nowhere/at-all"
        }
        for name in ["local/", "local/..", "local/a/b", "local/.hidden"] {
            expect("local/<name>") {
                $0.model = name
                $0.localModelCache = "/"
            }
        }
        expect("local/hashing-<dimensions>") { $0.model = "local/hashing-" }
        expect("4096") { $0.model = "local/hashing-5000" }
        expect("REDISVL_VECTOR_DIMENSIONS is 1536") {
            $0.model = "local/hashing-128"
            $0.dimensions = 1536
        }
        expect("EMBEDDING_MODEL") { $0.model = "" }
        expect("base URL") { $0.baseURL = "not a url" }
        expect("OPENAI_API_BASE") { $0.model = "azure/text-embedding-3-small" }
        expect("API key") { $0.apiKey = "two words" }
    }

    @Test func `makes local models behind the cache`() async throws {
        let models = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("SentenceModelTests/Fixtures").path
        let embedder = try make {
            $0.apiKey = nil
            $0.model = "local/tiny-mean-bf16"
            $0.localModelCache = models
        }
        #expect(embedder.model == "local/tiny-mean-bf16")
        #expect(embedder.dimensions == 24)
        let cache = try #require(embedder as? CachingEmbedder)
        let once = try await embedder.embed(["my dog is ill"])
        #expect(try await embedder.embed(["my dog is ill"]) == once)
        #expect(cache.statistics.hits == 1)
        let named = try make {
            $0.model = "local/of-mine"
            $0.localModelPath = "\(models)/tiny-cls-f16"
            $0.cacheEntries = 0
        }
        #expect(named.model == "local/of-mine")
        #expect(
            failure {
                $0.model = "local/tiny-mean-bf16"
                $0.localModelCache = models
                $0.dimensions = 384
            }?.message.contains("REDISVL_VECTOR_DIMENSIONS is 384") == true)
    }

    @Test func `needs no key elsewhere`() throws {
        let embedder = try make {
            $0.apiKey = nil
            $0.model = "ollama/bge-m3"
        }
        #expect(embedder is CachingEmbedder)
        let bare = try make { $0.cacheEntries = 0 }
        #expect(bare is OpenAICompatibleEmbedder)
    }

    @Test func `finds endpoints`() throws {
        func expect(
            _ base: String?, _ url: String, _ header: String, model: String = "m", version: String? = nil
        ) throws {
            let endpoint = try endpoint {
                $0.baseURL = base
                $0.model = model
                $0.apiVersion = version
            }
            #expect(endpoint.url.text == url)
            #expect(endpoint.authentication?.name == header)
        }
        let bearer = "Authorization"
        try expect(nil, "https://api.openai.com/v1/embeddings", bearer)
        try expect(nil, "http://localhost:11434/v1/embeddings", bearer, model: "ollama/m")
        try expect("http://vllm:8000/v1/", "http://vllm:8000/v1/embeddings", bearer)
        try expect("http://proxy/v1/embeddings?a=b", "http://proxy/v1/embeddings?a=b", bearer)
        let azure = "https://me.openai.azure.com"
        try expect(azure, "\(azure)/openai/v1/embeddings", "api-key")
        try expect(azure, "\(azure)/openai/deployments/m/embeddings?api-version=1", "api-key", version: "1")
        try expect(
            "\(azure)/openai/deployments/d?api-version=2", "\(azure)/openai/deployments/d/embeddings?api-version=2",
            "api-key", version: "1")
        let custom = try endpoint { $0.apiKeyHeader = "X-Gateway-Key" }
        #expect(custom.authentication?.name == "X-Gateway-Key")
        #expect(custom.authentication?.value == "key")
        #expect(custom.isOpenAIOrAzure)
        #expect(try endpoint { $0.baseURL = "http://vllm:8000/v1" }.isOpenAIOrAzure == false)
    }
}

extension EmbedderFieldNames {
    /// As the server fills them in.
    static var settings: EmbedderFieldNames {
        var names = EmbedderFieldNames()
        names.model = "EMBEDDING_MODEL"
        names.dimensions = "REDISVL_VECTOR_DIMENSIONS"
        names.apiKey = "OPENAI_API_KEY"
        names.baseURL = "OPENAI_API_BASE"
        names.localModelPath = "LOCAL_MODEL_PATH"
        names.localModelCache = "LOCAL_MODEL_CACHE"
        return names
    }
}
