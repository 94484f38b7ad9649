/// The model that orders the best hits of a search, in the process or in a service.
public struct RerankingSettings: SettingsRoom {
    public static let title = "Reranking"

    public let modelPath = Setting<String?>.word(
        "RERANK_MODEL_PATH",
        "A folder with a model of the BERT family for sequence classification with one label: a cross-encoder that the server computes itself."
    )
    public let threads = Setting<Int>.int(
        "RERANK_THREADS", in: 1...64, default: Machine.cores(atMost: 8), inWords: "the cores, at most 8",
        "Threads that compute such a model.")
    public let baseURL = Setting<String?>.address(
        "RERANK_API_BASE",
        "The base URL of a service with `/rerank`: Cohere, Jina, vLLM, Text Embeddings Inference.")
    public let apiKey = Setting<String?>.secret("RERANK_API_KEY", "The key of that service.")
    public let model = Setting<String?>.word(
        "RERANK_MODEL",
        "The model that the service is asked for; without it the request is that of Text Embeddings Inference.")
    public let deadline = Setting<Duration>.seconds(
        "RERANK_TIMEOUT_SECONDS", in: 0.01...60, default: 1,
        "How long a search waits for the model; then it keeps its order, and says so.")
}
