import AgentMemory
public import Metering
import ModelServices

/// The configuration of an embedder. Reading it from an environment is up to the executable.
public struct EmbedderConfiguration: Sendable {
    /// A model's name as ``EmbedderFactory`` reads it. Default: `text-embedding-3-small`.
    public var model = "text-embedding-3-small"
    /// The length of the vectors; needed for a model that is not known. Default: the model's own.
    public var dimensions: Int?
    /// Whether `dimensions` is sent to the service. Default: only when `dimensions` is given and
    /// differs from a known model's default; services refuse the parameter for models that cannot
    /// shorten their vectors.
    public var sendsDimensions: Bool?
    /// Default: OpenAI's; for `ollama/…` a local Ollama.
    public var baseURL: String?
    /// Needed for api.openai.com only. Default: none.
    public var apiKey: String?
    /// The header that carries the key alone, for gateways that need another than the usual ones.
    /// Default: none.
    public var apiKeyHeader: String?
    /// Azure's `api-version`, unless the base URL has it. Default: none.
    public var apiVersion: String?
    /// For one attempt. Default: 30 s.
    public var attemptTimeout: Duration = .seconds(30)
    /// For one call with all its batches and attempts. Default: 60 s.
    public var deadline: Duration = .seconds(60)
    /// Attempts for one batch. Default: 4.
    public var maximumAttempts = 4
    /// Default: 256.
    public var maximumTextsPerRequest = 256
    /// Bytes of UTF-8 text; a longer text goes alone. A token has at least one byte, so the default
    /// stays below OpenAI's limit of 300,000 tokens in one request. Default: 262,144.
    public var maximumBytesPerRequest = 256 << 10
    /// Concurrent requests of one call. Default: 4.
    public var maximumConcurrentRequests = 4
    /// Vectors kept; 0 for none. Default: 10,000.
    public var cacheEntries = 10_000
    /// Bytes that kept vectors and their keys may take; 0 for none. Default: 64 MiB.
    public var cacheBytes = 64 << 20

    /// A folder with a sentence-transformers model of the BERT family, for `local/<name>`. Default:
    /// none.
    public var localModelPath: String?
    /// The folder that has `local/<name>`, as a subfolder of that name. Default: none.
    public var localModelCache: String?
    /// Threads that compute a local model. Default: 2.
    public var localThreads = 2
    /// Whether a local model's weights are read at once, and not with the first text. Default: yes.
    public var loadsLocalModelAtStart = true

    /// Where the tokens of late interaction come from.
    public enum LateInteraction: Sendable, Equatable {
        /// From a local model; for a service's from ``tokenModel`` if its folder is there.
        case automatic
        /// As `automatic`, and a model that is not there is an error.
        case required
        case none
    }

    /// Default: automatic.
    public var lateInteraction = LateInteraction.automatic
    /// The local model that makes the tokens for models that give none, unless ``localModelPath``
    /// names a folder.
    public static let tokenModel = "all-MiniLM-L6-v2"

    /// Counts the calls of the model: what the cache does not have. Default: none.
    public var meter: CallMeter?

    /// How messages name the fields. Default: by their names here.
    public var names = EmbedderFieldNames()

    public init() {}
}

/// How messages name the fields of an ``EmbedderConfiguration``, so that readers know what to set.
public struct EmbedderFieldNames: Sendable {
    public var model = "model"
    public var dimensions = "dimensions"
    public var apiKey = "apiKey"
    public var baseURL = "baseURL"
    public var localModelPath = "localModelPath"
    public var localModelCache = "localModelCache"
    public var localThreads = "localThreads"
    public var lateInteraction = "lateInteraction"

    public init() {}
}

extension EmbedderConfiguration {
    var service: ServiceConfiguration {
        var service = ServiceConfiguration()
        service.baseURL = baseURL
        service.apiKey = apiKey
        service.apiKeyHeader = apiKeyHeader
        service.apiVersion = apiVersion
        service.attemptTimeout = attemptTimeout
        service.deadline = deadline
        service.maximumAttempts = maximumAttempts
        return service
    }

    var purpose: ServicePurpose {
        ServicePurpose(
            noun: "embedding", path: "/embeddings", failed: .embeddingFailed, refused: .embeddingRefused,
            adviceOnContent: "the texts were refused, or \(names.model) or \(names.dimensions) is wrong",
            alternative: "\(names.model)=\(HashingEmbedder.modelPrefix)1024",
            names: ServiceFieldNames(model: names.model, apiKey: names.apiKey, baseURL: names.baseURL))
    }
}
