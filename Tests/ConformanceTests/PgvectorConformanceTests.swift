import AgentMemory
import Foundation
import Logging
import MemoryConformance
import PgvectorBackend
import PostgresDriver
import TestServices
import Testing

/// The pgvector backend keeps the contract, on the server of TEST_DATABASE_URL.
@Suite struct PgvectorConformanceTests {
    struct Harness: ConformanceHarness {
        let backend = "pgvector"
        /// A server that belongs to the test; otherwise that of TEST_DATABASE_URL.
        var server: OwnServer?

        func makeDatabase(embedder: any Embedder) async throws -> ScopedDatabase {
            let schema = "conformance_\(UUID().uuidString.prefix(8).lowercased())"
            let url = try server?.url ?? Self.url
            // A short deadline where the store is taken away, a long one where a hundred checks share two processors.
            let timeout: Duration = server == nil ? .seconds(30) : .seconds(5)
            let configuration = PgvectorMemoryDatabase.Configuration(
                databaseURL: url, schema: schema, poolSize: 8, timeout: timeout)
            let logger = Logger(label: "pgvector")
            let database = try PgvectorMemoryDatabase(configuration: configuration, embedder: embedder, logger: logger)
            try await database.prepare()
            return ScopedDatabase(
                database: database,
                reopen: { embedder in
                    let other = try PgvectorMemoryDatabase(
                        configuration: configuration, embedder: embedder, logger: logger)
                    try await other.prepare()
                    return other
                },
                faults: server?.faults(deadline: timeout),
                remove: {
                    await database.close()
                    let pool = try PostgresPool(.init(connection: .init(connectionString: url), maximumConnections: 1))
                    let deadline = ContinuousClock.now + .seconds(30)
                    try await pool.withConnection(deadline: deadline) { connection in
                        try await connection.script("DROP SCHEMA IF EXISTS \(schema) CASCADE", deadline: deadline)
                    }
                    pool.close()
                })
        }

        static var url: String {
            get throws {
                try #require(
                    ProcessInfo.processInfo.environment["TEST_DATABASE_URL"],
                    "TEST_DATABASE_URL is not set: run make test")
            }
        }
    }

    @Test(arguments: ConformanceCheck.all)
    func check(_ check: ConformanceCheck) async {
        await Tally.run(check, on: Harness(), unmet: [.storeFaults, .wire])
    }
}
