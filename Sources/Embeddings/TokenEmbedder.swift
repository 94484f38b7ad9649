import AgentMemory

/// A model's vectors with the tokens of another model, one in this process: for services, which
/// return no tokens.
struct TokenEmbedder: Embedder {
    private let vectors: any Embedder
    private let tokens: any Embedder

    init(vectors: any Embedder, tokens: any Embedder) {
        self.vectors = vectors
        self.tokens = tokens
    }

    var model: String { vectors.model }
    var dimensions: Int { vectors.dimensions }
    var tokenModelTag: UInt32? { tokens.tokenModelTag }

    func embed(_ texts: [String]) async throws -> [[Float]] { try await vectors.embed(texts) }

    func encode(_ texts: [String]) async throws -> [TextEncoding] {
        async let encodings = tokens.encode(texts)
        let vectors = try await vectors.checkedEmbeddings(of: texts)
        return zip(vectors, try await encodings).map { TextEncoding(vector: $0, tokens: $1.tokens) }
    }

    func unavailability() async -> String? {
        if let reason = await vectors.unavailability() { return reason }
        return await tokens.unavailability()
    }
}
