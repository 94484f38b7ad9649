public import AgentMemory
import Logging
public import MemoryConformance
public import PostgresBackend
import PostgresDriver

/// The pgvector backend in a schema of its own for each check.
public struct PostgresHarness: ConformanceHarness {
    public let backend = "pgvector"
    private let configuration: PostgresMemoryDatabase.Configuration
    private let faults: StoreFaults?
    private let logger = Logger(label: "conformance.pgvector") { _ in SwiftLogNoOpLogHandler() }

    /// - Parameters:
    ///   - configuration: its schema is replaced by the scope's, and the schema is always migrated.
    ///   - faults: for a server that may be killed.
    public init(_ configuration: PostgresMemoryDatabase.Configuration, faults: StoreFaults? = nil) {
        self.configuration = configuration
        self.faults = faults
    }

    public func makeDatabase(embedder: any Embedder) async throws -> ScopedDatabase {
        var configuration = configuration
        configuration.database.schema = HarnessScope().name
        configuration.database.autoMigrate = true
        let settled = configuration
        let first = try await open(settled, embedder)
        let second = try PostgresDatabase(configuration: settled.database, logger: logger)
        let sessions = (
            PostgresWorkingMemoryStore(database: first.database), PostgresWorkingMemoryStore(database: second)
        )
        let jobs = (PostgresJobQueue(database: first.database), PostgresJobQueue(database: second))
        let tokens = (PostgresTokenStore(database: first.database), PostgresTokenStore(database: second))
        let documents = (PostgresDocumentStore(database: first.database), PostgresDocumentStore(database: second))
        try await sessions.1.prepare()
        return ScopedDatabase(
            database: CheckedDatabase(first.memories),
            reopen: { CheckedDatabase(try await open(settled, $0).memories) }, faults: faults,
            sessions: .init(sessions.0, sessions.1), jobs: .init(jobs.0, jobs.1),
            tokens: .init(tokens.0, tokens.1), documents: .init(documents.0, documents.1),
            remove: {
                await first.memories.close()
                for store in [sessions.0, sessions.1] { await store.close() }
                for queue in [jobs.0, jobs.1] { await queue.close() }
                for store in [tokens.0, tokens.1] { await store.close() }
                for store in [documents.0, documents.1] { await store.close() }
                try await remove(settled)
            })
    }

    /// The backend of one server process, and what its stores share.
    private func open(
        _ configuration: PostgresMemoryDatabase.Configuration, _ embedder: any Embedder
    ) async throws -> (memories: PostgresMemoryDatabase, database: PostgresDatabase) {
        let database = try PostgresDatabase(configuration: configuration.database, logger: logger)
        let memories = try PostgresMemoryDatabase(
            database: database, metric: configuration.metric, algorithm: configuration.algorithm,
            history: configuration.history, unindexedBytes: configuration.unindexedBytes,
            codeBytes: configuration.codeBytes, embedder: embedder, logger: logger)
        do {
            try await memories.prepare()
        } catch {
            await memories.close()
            throw error
        }
        return (memories, database)
    }

    private func remove(_ configuration: PostgresMemoryDatabase.Configuration) async throws {
        let pool = try PostgresPool(
            .init(
                connection: .init(
                    connectionString: configuration.database.migrationURL ?? configuration.database.databaseURL),
                maximumConnections: 1))
        defer { pool.close() }
        let deadline = ContinuousClock.now + configuration.database.timeout
        try await pool.withConnection(deadline: deadline) { connection in
            try await connection.script(
                "DROP SCHEMA IF EXISTS \(configuration.database.schema) CASCADE", deadline: deadline)
        }
    }
}
