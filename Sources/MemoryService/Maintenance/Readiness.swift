public import AgentMemory

/// Whether the server can work now, part by part.
public struct Readiness: Sendable {
    private let database: any MemoryVectorDatabase
    private let embedder: any Embedder
    private let sessions: any WorkingMemoryStore
    private let jobs: any JobQueue
    private let reranking: Reranking?
    private let tokens: (any TokenStore)?
    private let languageModels: [any LanguageModel]
    private let documents: (any DocumentStore)?
    private let usage: UsageLedger?

    /// - Parameters:
    ///   - tokens: `nil` if requests are not authenticated by tokens.
    ///   - languageModels: those that services are asked for; one may be among them twice.
    ///   - documents: `nil` if nothing is derived from memories and sessions.
    ///   - usage: `nil` without a language model.
    public init(
        database: any MemoryVectorDatabase, embedder: any Embedder, sessions: any WorkingMemoryStore,
        jobs: any JobQueue, tokens: (any TokenStore)? = nil, reranking: Reranking? = nil,
        languageModels: [any LanguageModel] = [], documents: (any DocumentStore)? = nil,
        usage: UsageLedger? = nil
    ) {
        self.database = database
        self.embedder = embedder
        self.sessions = sessions
        self.jobs = jobs
        self.reranking = reranking
        self.tokens = tokens
        self.languageModels = languageModels
        self.documents = documents
        self.usage = usage
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
        async let documents = documents?.health()
        return await store
            + [
                ComponentHealth(
                    "embedder", reason: unavailability, version: "\(embedder.model), \(embedder.dimensions) dimensions")
            ] + sessions + jobs + (tokens ?? []) + (documents ?? []) + [reranker].compactMap(\.self) + [await language]
    }

    /// The server works without a language model, so that never makes it unready.
    private func languageHealth() async -> ComponentHealth {
        let models = distinctModels
        guard !models.isEmpty else { return ComponentHealth("language_model", version: "none") }
        var warnings: [String] = []
        for model in models { if let warning = await model.unavailability() { warnings.append(warning) } }
        return ComponentHealth(
            "language_model", version: models.map(\.model).joined(separator: ", "),
            // What all share, such as a budget that is used up, is said once.
            warning: warnings.isEmpty ? nil : warnings.exactlyDistinct().joined(separator: "; "))
    }

    /// What language models have used for what the caller may see, of all servers on the store;
    /// nothing without a model.
    public func languageUsage(for caller: Caller) async throws -> [LanguageUsage] {
        try await usage?.usage(for: caller) ?? []
    }

    /// One model may do several tasks.
    private var distinctModels: [any LanguageModel] {
        var names: Set<ExactString> = []
        return languageModels.filter { names.insert(ExactString($0.model)).inserted }
    }
}
