import AgentMemory

/// The server's embeddings, from inside a loaded backend.
struct HostEmbedder: Embedder {
    /// The current call from the server: its clock stops while the server embeds for it.
    @TaskLocal static var call: UInt64 = 0

    let host: Host
    let model: String
    let dimensions: Int

    func embed(_ texts: [String]) async throws -> [[Float]] {
        guard !texts.isEmpty else { return [] }
        return try await host.embed(texts, for: Self.call)
    }

    /// The server monitors its embedder itself.
    func unavailability() async -> String? { nil }
}
