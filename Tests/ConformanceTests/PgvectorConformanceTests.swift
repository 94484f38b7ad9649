import AgentMemory
import Foundation
import Logging
import MemoryConformance
import PgvectorBackend
import PostgresDriver
import Testing

/// The pgvector backend keeps the contract, on the server of TEST_DATABASE_URL.
@Suite struct PgvectorConformanceTests {
    struct Harness: ConformanceHarness {
        let backend = "pgvector"

        func makeDatabase(embedder: any Embedder) async throws -> ScopedDatabase {
            let schema = "conformance_\(UUID().uuidString.prefix(8).lowercased())"
            let url = try Self.url
            let configuration = PgvectorMemoryDatabase.Configuration(
                databaseURL: url, schema: schema, poolSize: 8, timeout: .seconds(30))
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
                remove: {
                    await database.close()
                    let pool = try PostgresPool(.init(connection: .init(connectionString: url), maximumConnections: 1))
                    let deadline = ContinuousClock.now + .seconds(30)
                    try await pool.withConnection(deadline: deadline) { connection in
                        try await connection.script("DROP SCHEMA \(schema) CASCADE", deadline: deadline)
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
        await Tally.run(check, on: Harness())
    }
}
