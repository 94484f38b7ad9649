public import AgentMemory

/// Whether the server can do its work now, part by part.
public struct Readiness: Sendable {
    private let database: any MemoryVectorDatabase
    private let embedder: any Embedder

    public init(database: any MemoryVectorDatabase, embedder: any Embedder) {
        self.database = database
        self.embedder = embedder
    }

    /// The name of the backend, such as `redis`.
    public var backend: String { database.name }

    /// The embedding model that answers, such as `local/hashing-1024`.
    public var embeddingModel: String { embedder.model }

    /// The store and its index as the backend reports them, and the embedder.
    public func check() async -> [ComponentHealth] {
        async let store = database.health()
        async let unavailability = embedder.unavailability()
        return await store
            + [
                ComponentHealth(
                    "embedder", reason: unavailability, version: "\(embedder.model), \(embedder.dimensions) dimensions")
            ]
    }
}
