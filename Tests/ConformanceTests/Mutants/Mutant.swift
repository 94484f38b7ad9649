import AgentMemory
import MemoryConformance
import Testing

/// A way in which a backend is wrong, and the checks that must notice it.
struct Mutant: Sendable, CustomTestStringConvertible {
    let name: String
    /// The check that was written against this.
    let caughtBy: String
    /// The check of random histories that finds it too; `nil` where they do not look there.
    let histories: Histories?
    let alter: @Sendable (inout AlteredDatabase) -> Void

    enum Histories: String {
        case filters = "differential/F3-filters"
        case updates = "differential/U1-updates"
        case searches = "differential/S4-searches"
    }

    init(
        _ name: String, caughtBy: String, histories: Histories? = nil,
        _ alter: @escaping @Sendable (inout AlteredDatabase) -> Void
    ) {
        self.name = name
        self.caughtBy = caughtBy
        self.histories = histories
        self.alter = alter
    }

    var testDescription: String { name }

    static let all = filterMutants + writingMutants + pageMutants + searchMutants

    struct Harness: ConformanceHarness {
        let backend: String
        let alter: @Sendable (inout AlteredDatabase) -> Void

        func makeDatabase(embedder: any Embedder) async throws -> ScopedDatabase {
            var database = AlteredDatabase(embedder: embedder)
            alter(&database)
            let altered = database
            return ScopedDatabase(
                database: altered,
                reopen: { other in
                    guard other.dimensions == embedder.dimensions else {
                        throw MemoryError(
                            .misconfigured,
                            "the store holds vectors of length \(embedder.dimensions), the model makes \(other.dimensions)"
                        )
                    }
                    return altered.elsewhere ?? altered
                }, remove: {})
        }
    }

    var harness: Harness { Harness(backend: name, alter: alter) }
}
