import AgentMemory
import Foundation
import Logging
import PostgresDriver
import TestServices
import TestSupport

@testable import PostgresBackend

/// Schemas of their own in the server that all tests share.
enum TestStore {
    static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// A unique schema name; the schema is dropped at the end.
    static func withSchema<Value>(_ body: (String) async throws -> sending Value) async throws -> sending Value {
        let schema = "test_" + UUID().uuidString.lowercased().replacingOccurrences(of: "-", with: "_")
        let pool = try PostgresPool(.init(connection: .init(connectionString: try directURL())))
        defer { pool.close() }
        func drop() async throws {
            try await pool.withConnection(deadline: .soon) { connection in
                try await connection.script("DROP SCHEMA IF EXISTS \(schema) CASCADE", deadline: .soon)
            }
        }
        return try await withClosing {
            try await body(schema)
        } close: {
            try await drop()
        }
    }

    /// The server of all tests, without a pooler.
    static func directURL(database: String? = nil) throws -> String {
        let url = try SharedServer.postgresURL(database: database)
        return try SharedServer.url(pastPooler: url) ?? url
    }

    /// The settings of a store at `url`, by default on the server of all tests.
    static func configuration(
        schema: String, url: String? = nil, autoMigrate: Bool = true
    ) throws -> PostgresMemoryDatabase.Configuration {
        let url = try url ?? SharedServer.postgresURL()
        var configuration = PostgresMemoryDatabase.Configuration(
            databaseURL: url, schema: schema, autoMigrate: autoMigrate)
        configuration.database.migrationURL = try SharedServer.url(pastPooler: url)
        return configuration
    }

    /// Runs SQL as the administrator.
    static func administer(_ sql: String, database: String? = nil) async throws {
        let pool = try PostgresPool(
            .init(
                connection: .init(connectionString: try directURL(database: database)),
                maximumConnections: 1))
        defer { pool.close() }
        try await pool.withConnection(deadline: .soon) { try await $0.script(sql, deadline: .soon) }
    }

    /// The name of a schema, not made yet, and a user of its own, who may nothing yet, in a
    /// database with the extension.
    ///
    /// - Parameter options: such as `CONNECTION LIMIT 1`.
    static func withRole(
        _ options: String = "", _ body: (_ schema: String, _ role: String, _ url: String) async throws -> Void
    ) async throws {
        try await withSchema { schema in
            let role = schema.replacing("test_", with: "role_")
            // Two that make it at once would disturb each other.
            try await administer(
                """
                SELECT pg_advisory_xact_lock(hashtextextended('agent-memory', 0)); \
                CREATE EXTENSION IF NOT EXISTS vector; CREATE ROLE \(role) LOGIN \(options)
                """)
            try await withClosing {
                try await body(schema, role, try SharedServer.postgresURL(user: role))
            } close: {
                try await administer("DROP OWNED BY \(role); DROP ROLE \(role)")
            }
        }
    }

    static func database(
        schema: String, dimensions: Int = 64, metric: DistanceMetric = .cosine,
        algorithm: PostgresMemoryDatabase.Configuration.Algorithm = .hnsw, url: String? = nil, autoMigrate: Bool = true,
        timeout: Duration = .seconds(60), model: String = "test"
    ) throws -> PostgresMemoryDatabase {
        var configuration = try configuration(schema: schema, url: url, autoMigrate: autoMigrate)
        configuration.database.poolSize = 4
        configuration.database.timeout = timeout
        configuration.metric = metric
        configuration.algorithm = algorithm
        return try PostgresMemoryDatabase(
            configuration: configuration, embedder: TestEmbedder(model: model, dimensions: dimensions), logger: logger)
    }

    /// A prepared database in a schema of its own.
    static func withDatabase<Value>(
        dimensions: Int = 64, metric: DistanceMetric = .cosine,
        algorithm: PostgresMemoryDatabase.Configuration.Algorithm = .hnsw,
        _ body: (PostgresMemoryDatabase) async throws -> sending Value
    ) async throws -> sending Value {
        try await withSchema { schema in
            let database = try database(schema: schema, dimensions: dimensions, metric: metric, algorithm: algorithm)
            try await database.prepare()
            let value = try await body(database)
            await database.close()
            return value
        }
    }
}

extension PostgresMemoryDatabase {
    /// The names of the indexes over the vectors of this one's model.
    func vectorIndexes() async throws -> [String] {
        let listing = VectorIndex(space: space, logger: TestStore.logger).listing
        return try await ask(listing.sql, listing.parameters).rows.map { try $0.text(0) }
    }

    /// The answer to a statement of the test's own.
    func ask(_ sql: String, _ parameters: [PostgresValue] = []) async throws -> PostgresResult {
        try await pool.query(PostgresStatement(sql, parameters), retry: .repeatable, deadline: .soon)
    }
}
