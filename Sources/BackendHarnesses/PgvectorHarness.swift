public import AgentMemory
import Logging
public import MemoryConformance
public import PgvectorBackend
import PostgresDriver

/// The pgvector backend in a schema of its own for each check.
public struct PgvectorHarness: ConformanceHarness {
    public let backend = "pgvector"
    private let configuration: PgvectorMemoryDatabase.Configuration
    private let faults: StoreFaults?
    private let logger = Logger(label: "conformance.pgvector") { _ in SwiftLogNoOpLogHandler() }

    /// - Parameters:
    ///   - configuration: its schema is replaced by the scope's, and AUTO_MIGRATE by yes.
    ///   - faults: for a server that may be killed.
    public init(_ configuration: PgvectorMemoryDatabase.Configuration, faults: StoreFaults? = nil) {
        self.configuration = configuration
        self.faults = faults
    }

    public func makeDatabase(embedder: any Embedder) async throws -> ScopedDatabase {
        var configuration = configuration
        configuration.database.schema = HarnessScope().name
        configuration.database.autoMigrate = true
        let settled = configuration
        let database = try await open(settled, embedder)
        return ScopedDatabase(
            database: database, reopen: { try await open(settled, $0) }, faults: faults,
            remove: {
                await database.close()
                try await remove(settled)
            })
    }

    private func open(
        _ configuration: PgvectorMemoryDatabase.Configuration, _ embedder: any Embedder
    ) async throws -> any MemoryVectorDatabase {
        let database = try PgvectorMemoryDatabase(configuration: configuration, embedder: embedder, logger: logger)
        do {
            try await database.prepare()
        } catch {
            await database.close()
            throw error
        }
        return database
    }

    private func remove(_ configuration: PgvectorMemoryDatabase.Configuration) async throws {
        let pool = try PostgresPool(
            .init(connection: .init(connectionString: configuration.database.databaseURL), maximumConnections: 1))
        defer { pool.close() }
        let deadline = ContinuousClock.now + configuration.database.timeout
        try await pool.withConnection(deadline: deadline) { connection in
            try await connection.script(
                "DROP SCHEMA IF EXISTS \(configuration.database.schema) CASCADE", deadline: deadline)
        }
    }
}
