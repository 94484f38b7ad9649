public import AgentMemory
public import MemoryConformance
import ReferenceBackend

/// The in-memory backend: the oracle of the kit.
public struct ReferenceHarness: ConformanceHarness {
    public let backend = "reference"

    public init() {}

    public func makeDatabase(embedder: any Embedder) async throws -> ScopedDatabase {
        let database = ReferenceMemoryDatabase(embedder: embedder)
        return ScopedDatabase(database: database, reopen: { _ in database }, remove: {})
    }
}
