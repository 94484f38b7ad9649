public import AgentMemory

/// Whether the server can work now, part by part.
public struct Readiness: Sendable {
    private let database: any MemoryVectorDatabase
    private let embedder: any Embedder
    private let sessions: any WorkingMemoryStore
    private let jobs: any JobQueue
    private let reranking: Reranking?
    private let tokens: (any TokenStore)?
    private let languageModel: (any LanguageModel)?

    /// - Parameter tokens: `nil` if requests are not authenticated by tokens.
    public init(
        database: any MemoryVectorDatabase, embedder: any Embedder, sessions: any WorkingMemoryStore,
        jobs: any JobQueue, tokens: (any TokenStore)? = nil, reranking: Reranking? = nil,
        languageModel: (any LanguageModel)? = nil
    ) {
        self.database = database
        self.embedder = embedder
        self.sessions = sessions
        self.jobs = jobs
        self.reranking = reranking
        self.tokens = tokens
        self.languageModel = languageModel
    }

    /// The name of the backend, such as `redis`.
    public var backend: String { database.name }

    /// The embedding model in use, such as `local/hashing-1024`.
    public var embeddingModel: String { embedder.model }

    /// The store and its index as the backend reports them, the embedder, the stores of sessions,
    /// jobs and tokens, the reranker if there is one, and the language model or that there is none.
    public func check() async -> [ComponentHealth] {
        async let store = database.health()
        async let unavailability = embedder.unavailability()
        async let sessions = sessions.health()
        async let jobs = jobs.health()
        async let reranker = reranking?.health()
        async let tokens = tokens?.health()
        async let language = languageHealth()
        return await store
            + [
                ComponentHealth(
                    "embedder", reason: unavailability, version: "\(embedder.model), \(embedder.dimensions) dimensions")
            ] + sessions + jobs + (tokens ?? []) + [reranker].compactMap(\.self) + [await language]
    }

    /// Searches work without a language model, so it never makes the server unready.
    private func languageHealth() async -> ComponentHealth {
        guard let languageModel else { return ComponentHealth("language_model", version: "none") }
        return ComponentHealth(
            "language_model", version: languageModel.model, warning: await languageModel.unavailability())
    }

    /// What the language model has used for what the caller may see; nothing without a model.
    public func languageUsage(for caller: Caller) -> [LanguageUsage] {
        languageModel?.usage.filter { caller.scope.namespaces.contains($0.namespace) } ?? []
    }
}
