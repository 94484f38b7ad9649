public import AgentMemory
public import BackendLoading
public import MemoryConformance

/// A loaded backend: its factory is called for every check, each time with a scope of its own.
public struct LoadedHarness: ConformanceHarness {
    public let backend: String
    public let dimensions: Int?

    private let setting: String
    private let loader: BackendLoader

    /// - Parameters:
    ///   - setting: a value of the factory setting.
    ///   - name: as a report shows it.
    ///   - dimensions: the length of vectors that the backend is set up for; `nil` if it takes any.
    public init(_ setting: String, name: String, loader: BackendLoader, dimensions: Int? = nil) {
        self.setting = setting
        backend = name
        self.dimensions = dimensions
        self.loader = loader
    }

    /// - Throws: ``BackendFactoryError``; ``MemoryError`` with code `misconfigured` for a backend
    ///   that does not separate scopes: checks would find, and finally remove, other data.
    public func makeDatabase(embedder: any Embedder) async throws -> ScopedDatabase {
        let scope = HarnessScope().name
        let database = try await loader.load(setting, embedder: embedder, scope: scope)
        do {
            try await database.prepare()
            let count = try await database.count(.everything)
            guard count == 0 else {
                throw MemoryError(
                    .misconfigured,
                    """
                    the backend \(backend) does not keep scopes apart: one that is new (\(scope)) holds \(count) memories. It must keep what is \
                    stored under the scope of its settings apart from all else.
                    """)
            }
        } catch {
            await database.close()
            throw error
        }
        return ScopedDatabase(
            database: CheckedDatabase(database),
            remove: {
                do {
                    try await database.drop()
                } catch {
                    await database.close()
                    throw error
                }
                await database.close()
            })
    }
}
