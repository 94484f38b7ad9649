import Foundation
import PostgresDriver
import Testing

/// The server that all tests share.
enum TestServer {
    static func url() throws -> String {
        try #require(
            ProcessInfo.processInfo.environment["TEST_DATABASE_URL"],
            "TEST_DATABASE_URL must name a PostgreSQL with pgvector")
    }

    static func withPool<Value>(
        url: String? = nil, connections: Int = 4, setup: [PostgresStatement] = [], preparedStatements: Int = 256,
        _ body: (PostgresPool) async throws -> sending Value
    ) async throws -> sending Value {
        let connection = PostgresConfiguration(
            connectionString: try url ?? Self.url(), setup: setup, preparedStatementLimit: preparedStatements)
        let pool = try PostgresPool(.init(connection: connection, maximumConnections: connections))
        defer { pool.close() }
        return try await body(pool)
    }
}

extension ContinuousClock.Instant {
    static var soon: ContinuousClock.Instant { .now + .seconds(20) }
}
