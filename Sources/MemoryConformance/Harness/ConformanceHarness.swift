public import AgentMemory

/// Makes the databases that checks run on; whoever writes a backend provides one of these.
public protocol ConformanceHarness: Sendable {
    /// The backend's name as a report shows it.
    var backend: String { get }

    /// An empty database in a scope of its own (an index prefix, a schema), prepared and ready for calls. It must not touch anything
    /// outside of that scope.
    ///
    /// - Parameter embedder: what the database must embed with.
    func makeDatabase(embedder: any Embedder) async throws -> ScopedDatabase
}

/// A database that exists for one check.
public struct ScopedDatabase: Sendable {
    public let database: any MemoryVectorDatabase
    /// Opens the same scope once more, over connections of its own, as another server process would.
    public let reopen: @Sendable () async throws -> any MemoryVectorDatabase
    /// Closes what was opened and removes everything that the scope holds.
    public let remove: @Sendable () async throws -> Void

    public init(
        database: any MemoryVectorDatabase, reopen: @escaping @Sendable () async throws -> any MemoryVectorDatabase,
        remove: @escaping @Sendable () async throws -> Void
    ) {
        self.database = database
        self.reopen = reopen
        self.remove = remove
    }
}
