public import AgentMemory
public import MemoryConformance
import ReferenceBackend

/// The in-memory backend: the oracle of the kit.
public struct ReferenceHarness: ConformanceHarness {
    public let backend = "reference"

    public init() {}

    public func makeDatabase(embedder: any Embedder) async throws -> ScopedDatabase {
        let database = CheckedDatabase(ReferenceMemoryDatabase(embedder: embedder))
        let jobs = ReferenceJobQueue()
        let sessions = ReferenceWorkingMemoryStore(jobs: jobs)
        let tokens = ReferenceTokenStore()
        let documents = ReferenceDocumentStore()
        return ScopedDatabase(
            database: database,
            reopen: { other in
                guard other.dimensions == embedder.dimensions else {
                    throw MemoryError(
                        .misconfigured,
                        "the database has vectors of length \(embedder.dimensions), the model makes vectors of length \(other.dimensions)"
                    )
                }
                return database
            }, sessions: .init(sessions, sessions), jobs: .init(jobs, jobs), tokens: .init(tokens, tokens),
            documents: .init(documents, documents),
            remove: {})
    }
}
