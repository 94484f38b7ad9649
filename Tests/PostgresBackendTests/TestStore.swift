import AgentMemory
import Foundation
import Logging
import PostgresDriver
import Testing

@testable import PostgresBackend

/// Schemas of their own in the server that all tests share.
enum TestStore {
    static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    static func url() throws -> String {
        try #require(
            ProcessInfo.processInfo.environment["TEST_DATABASE_URL"],
            "TEST_DATABASE_URL must name a PostgreSQL with pgvector")
    }

    /// The same server for another user or database.
    static func url(user: String? = nil, database: String? = nil) throws -> String {
        var components = try #require(URLComponents(string: try url()))
        if let user { components.user = user }
        if let database { components.path = "/" + database }
        return try #require(components.string)
    }

    /// A unique schema name; the schema is dropped at the end.
    static func withSchema<Value>(_ body: (String) async throws -> sending Value) async throws -> sending Value {
        let schema = "test_" + UUID().uuidString.lowercased().replacingOccurrences(of: "-", with: "_")
        let pool = try PostgresPool(.init(connection: .init(connectionString: try url())))
        defer { pool.close() }
        func drop() async throws {
            try await pool.withConnection(deadline: .soon) { connection in
                try await connection.script("DROP SCHEMA IF EXISTS \(schema) CASCADE", deadline: .soon)
            }
        }
        do {
            let value = try await body(schema)
            try await drop()
            return value
        } catch {
            try await drop()
            throw error
        }
    }

    /// Runs SQL as the administrator.
    static func administer(_ sql: String, database: String? = nil) async throws {
        let pool = try PostgresPool(
            .init(connection: .init(connectionString: try url(database: database)), maximumConnections: 1))
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
            let outcome: Result<Void, any Error>
            do {
                outcome = .success(try await body(schema, role, try url(user: role)))
            } catch {
                outcome = .failure(error)
            }
            try await administer("DROP OWNED BY \(role); DROP ROLE \(role)")
            try outcome.get()
        }
    }

    static func database(
        schema: String, dimensions: Int = 64, metric: DistanceMetric = .cosine,
        algorithm: PostgresMemoryDatabase.Configuration.Algorithm = .hnsw, url: String? = nil, autoMigrate: Bool = true,
        timeout: Duration = .seconds(60), model: String = "test/hashing"
    ) throws -> PostgresMemoryDatabase {
        try PostgresMemoryDatabase(
            configuration: .init(
                databaseURL: try url ?? Self.url(), schema: schema, poolSize: 4, timeout: timeout, metric: metric,
                algorithm: algorithm, autoMigrate: autoMigrate),
            embedder: HashingEmbedder(model: model, dimensions: dimensions), logger: logger)
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

extension ContinuousClock.Instant {
    /// For what is quick, on a machine that runs many other tests meanwhile.
    static var soon: ContinuousClock.Instant { .now + .seconds(60) }
}

/// Vectors from the words of a text: the same words and the same model, the same vector.
struct HashingEmbedder: Embedder {
    var model = "test/hashing"
    let dimensions: Int

    func embed(_ texts: [String]) async throws -> [[Float]] {
        texts.map { text in
            var vector = [Float](repeating: 0, count: dimensions)
            for word in TextAnalyzer().words(in: text) + ["bias"] {
                var state = (model + word).utf8.reduce(UInt64(1_469_598_103_934_665_603)) {
                    ($0 ^ UInt64($1)) &* 1_099_511_628_211
                }
                for index in vector.indices {
                    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    vector[index] += Float(Int32(truncatingIfNeeded: state >> 32)) / Float(Int32.max)
                }
            }
            return vector
        }
    }

    func unavailability() async -> String? { nil }
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

/// Reproducible numbers.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
