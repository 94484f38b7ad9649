import ModelServices

extension ModelName {
    /// The default length of the model's vectors; `nil` for an unknown model. An organisation
    /// before the name and a tag after it (`bge-m3:latest`) make no difference.
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
