/// The embedding model, in a service or in the process.
public struct EmbeddingSettings: SettingsRoom {
    public static let title = "Embeddings"

    /// Whether texts are compared token by token.
    public enum LateInteraction: Sendable { case automatic, required, none }

    /// When a local model's weights are read.
    public enum ModelLoad: Sendable { case start, lazy }

    public let localModelPath = Setting<String?>.word(
        "LOCAL_MODEL_PATH",
        "A folder with a sentence-transformers model of the BERT family; alone it chooses that model.")
    public let localModelCache = Setting<String?>.path(
        "LOCAL_MODEL_CACHE", default: "~/.cache/agent-memory/models", from: modelCache,
        "The folder that has `local/<name>` otherwise.")
    public let localThreads = Setting<Int>.int(
        "LOCAL_EMBEDDING_THREADS", in: 1...64, default: Machine.cores(atMost: 8), inWords: "the cores, at most 8",
        "Threads that compute a local model.")
    public let localModelLoad = Setting<ModelLoad>.choice(
        "LOCAL_MODEL_LOAD", ["start": .start, "lazy": .lazy], default: .start,
        "`lazy`: the weights are read with the first text.")
    public let lateInteraction = Setting<LateInteraction>.choice(
        "LATE_INTERACTION", ["auto": .automatic, "on": .required, "off": .none], default: .automatic,
        "Whether the bits of tokens are stored and compared ([late interaction](search.md#late-interaction)). `auto`: with a local model, and with a service if `all-MiniLM-L6-v2` is in `LOCAL_MODEL_CACHE`; `on`: a model that is missing stops the start."
    )
    public let model = Setting<String>.word(
        "EMBEDDING_MODEL", default: "text-embedding-3-small", from: modelOfPath,
        "Any model of a service that speaks OpenAI's `/embeddings`, `local/<name>` ([a sentence model in the server](embeddings.md#a-sentence-model-in-the-process)), or `local/hashing-<dimensions>`."
    )
    public let apiKey = Setting<String?>.secret("OPENAI_API_KEY", "The key of the embedding service.")
    public let baseURL = Setting<String?>.address(
        "OPENAI_API_BASE",
        "The base URL of Ollama, LiteLLM, vLLM, Azure, …; without it `https://api.openai.com/v1`, for `ollama/…` `http://localhost:11434/v1`."
    )
    public let apiKeyHeader = Setting<String?>.token(
        "EMBEDDING_API_KEY_HEADER", "the name of a header", of: isHeaderName,
        "For gateways that need the key in another header.")
    public let apiVersion = Setting<String?>.token(
        "EMBEDDING_API_VERSION", "a version such as 2024-10-21", of: isVersion, "Azure's `api-version`.")
    public let attemptTimeout = Setting<Duration>.seconds(
        "EMBEDDING_TIMEOUT_SECONDS", in: 0.1...600, default: 30, "The deadline of one attempt.")
    public let deadline = Setting<Duration>.seconds(
        "EMBEDDING_DEADLINE_SECONDS", in: 0.1...3600, default: 60, "The deadline of one call with its retries.")
    public let batchSize = Setting<Int>.int("EMBEDDING_BATCH_SIZE", in: 1...2048, default: 256, "Texts in one request.")
    public let cacheEntries = Setting<Int>.int(
        "EMBEDDING_CACHE_ENTRIES", in: 0...10_000_000, default: 10_000,
        "Cached vectors, by text; the least recently used are evicted first.")
    public let cacheBytes = Setting<Int>.int(
        "EMBEDDING_CACHE_BYTES", in: 0...(1 << 40), unit: .bytes, default: 64 << 20,
        "The size of cached vectors and their texts.")

    /// A token as RFC 9110 has it, section 5.6.2.
    @Sendable private static func isHeaderName(_ scalar: Unicode.Scalar) -> Bool {
        isVersion(scalar) || "!#$%&'*+^`|~".unicodeScalars.contains(scalar)
    }

    @Sendable private static func isVersion(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "A"..."Z", "a"..."z", "0"..."9", "-", "_", ".": true
        default: false
        }
    }

    /// The folder of a model, if given, determines the model, under the folder's name.
    @Sendable private static func modelOfPath(_ variables: [String: String]) -> String? {
        variables["LOCAL_MODEL_PATH"]?.split(separator: "/").last.map { "local/\($0)" }
    }

    /// The models' folder below the user's cache; `nil` for a user without a home.
    @Sendable private static func modelCache(_ variables: [String: String]) -> String? {
        func folder(_ name: String) -> String? { variables[name].flatMap { $0.isEmpty ? nil : $0 } }
        let cache = folder("XDG_CACHE_HOME") ?? folder("HOME").map { "\($0)/.cache" }
        return cache.map { "\($0)/agent-memory/models" }
    }
}
