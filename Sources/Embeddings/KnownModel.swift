/// How a model's name is read, and the dimensions of those that need no setting.
///
/// Names follow LiteLLM's habit: `openai/`, `azure/`, `ollama/`, `hosted_vllm/` and `litellm_proxy/` name the kind of
/// service and are taken off before the name is sent. Any other prefix, as in `BAAI/bge-m3`, belongs to the name.
struct KnownModel: Sendable, Equatable {
    enum Provider: String, Sendable, CaseIterable {
        case openai, azure, ollama
        case vllm = "hosted_vllm"
        case proxy = "litellm_proxy"
    }

    /// `nil` when the name has no such prefix.
    let provider: Provider?
    /// The name that the service knows.
    let name: String

    init(_ model: String) {
        for provider in Provider.allCases where model.hasPrefix(provider.rawValue + "/") {
            self.provider = provider
            name = String(model.dropFirst(provider.rawValue.count + 1))
            return
        }
        provider = nil
        name = model
    }

    /// The length of the model's vectors if nothing else is asked for; `nil` for a model that is not known. An
    /// organisation before the name and a tag after it (`bge-m3:latest`) make no difference.
    var defaultDimensions: Int? {
        let last = name.lowercased().split(separator: "/").last ?? ""
        return Self.dimensions[String(last.prefix { $0 != ":" })]
    }

    private static let dimensions = [
        "text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536,
        "nomic-embed-text": 768, "mxbai-embed-large": 1024, "all-minilm": 384, "bge-m3": 1024,
        "all-minilm-l6-v2": 384, "all-mpnet-base-v2": 768, "embeddinggemma": 768,
        "bge-small-en-v1.5": 384, "bge-base-en-v1.5": 768, "bge-large-en-v1.5": 1024,
    ]
}
