public import AgentMemory

/// A backend to begin with: it compiles, and every operation says that it is not written yet.
public actor TutorialMemoryDatabase: MemoryVectorDatabase {
    public nonisolated let name = "tutorial"
    /// Everything is promised, so that every check of an operation fails until the operation is
    /// written.
    public nonisolated let capabilities = BackendCapabilities()

    private let embedder: any Embedder

    public init(embedder: any Embedder) {
        self.embedder = embedder
    }

    public func prepare() async throws {}
    public func close() async {}

    public func add(_ records: [MemoryRecord]) async throws -> [String] { throw Self.notWritten }
    public func search(_ query: SearchQuery) async throws -> Page<SearchHit> { throw Self.notWritten }
    public func list(_ query: ListQuery) async throws -> Page<MemoryRecord> { throw Self.notWritten }
    public func count(_ filter: MemoryFilter) async throws -> Int { throw Self.notWritten }
    public func delete(_ ids: [String]) async throws -> Int { throw Self.notWritten }
    public func update(_ updates: [RecordUpdate]) async throws -> Int { throw Self.notWritten }
    public func health() async -> [ComponentHealth] { [ComponentHealth("store", reason: "not written yet")] }

    private static let notWritten = MemoryError(.internalError, "not written yet")
}
