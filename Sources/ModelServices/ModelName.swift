/// A model's name as it is configured.
///
/// Names follow LiteLLM's habit: `openai/`, `azure/`, `ollama/`, `hosted_vllm/` and
/// `litellm_proxy/` name the kind of service and are taken off before the name is sent. Any other
/// prefix, as in `BAAI/bge-m3`, belongs to the name.
public struct ModelName: Sendable, Equatable {
    public enum Provider: String, Sendable, CaseIterable {
        case openai, azure, ollama
        case vllm = "hosted_vllm"
        case proxy = "litellm_proxy"
    }

    /// The name with its prefix, as messages show it.
    public let configured: String
    /// `nil` when the name has no such prefix.
    public let provider: Provider?
    /// The name that is sent to the service.
    public let name: String

    public init(_ configured: String) {
        self.configured = configured
        let found = Provider.allCases.first { configured.hasPrefix($0.rawValue + "/") }
        provider = found
        name = found.map { String(configured.dropFirst($0.rawValue.count + 1)) } ?? configured
    }
}
