import AgentMemory
import BackendHarnesses
import MemoryConformance
import PostgresBackend
import TestServices
import TestSupport
import Testing

/// The pgvector backend, and the stores of sessions and jobs next to it, follow the contract, on
/// the server of TEST_DATABASE_URL.
@Suite(.tags(.store)) struct PostgresConformanceTests {
    struct Harness: ConformanceHarness {
        let backend = "pgvector"
        /// A server that belongs to the test; otherwise that of TEST_DATABASE_URL.
        var server: OwnServer?

        func makeDatabase(embedder: any Embedder) async throws -> ScopedDatabase {
            // A short deadline where the store is taken away, a long one where a hundred checks
            // share two processors.
            let timeout: Duration = server == nil ? .seconds(30) : .seconds(5)
            let url = try server?.url ?? SharedServer.postgresURL()
            var configuration = PostgresMemoryDatabase.Configuration(databaseURL: url, poolSize: 8, timeout: timeout)
            // So that most searches unite the index with what waits outside of it.
            configuration.unindexedBytes = 32 << 10
            if server == nil { configuration.database.migrationURL = try SharedServer.url(pastPooler: url) }
            return try await PostgresHarness(configuration, faults: server?.faults(deadline: timeout))
                .makeDatabase(embedder: embedder)
        }
    }

    @Test(arguments: ConformanceCheck.all)
    func check(_ check: ConformanceCheck) async {
        await Tally.run(check, on: Harness(), unmet: [.storeFaults, .wire, .opaqueBytes])
    }

    @Test func `undoing everything in reverse leads back to the beginning`() async throws {
        try await UndoHistory().run(on: Harness(), content: StoredContent.postgres)
    }

    @Test func `a process that dies while it unites memories loses nothing`() async throws {
        try await MergeSweep().run(on: Harness())
    }

    @Test func `a process that dies while it derives memories and summaries loses nothing`() async throws {
        try await DerivationSweep().run(on: Harness())
    }

    @Test func `of an end and a cancellation of a task one counts`() async throws {
        try await TaskRaces().run(on: Harness())
    }
}
