import AgentMemory
import MemoryConformance
import ReferenceBackend
import Testing

/// The oracle itself keeps the contract.
@Suite struct ReferenceConformanceTests {
    struct Harness: ConformanceHarness {
        let backend = "reference"

        func makeDatabase(embedder: any Embedder) async throws -> ScopedDatabase {
            let database = ReferenceMemoryDatabase(embedder: embedder)
            return ScopedDatabase(database: database, reopen: { _ in database }, remove: {})
        }
    }

    @Test(arguments: ConformanceCheck.all)
    func check(_ check: ConformanceCheck) async {
        await Tally.run(check, on: Harness())
    }
}
