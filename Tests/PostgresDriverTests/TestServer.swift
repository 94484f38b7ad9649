import Foundation
import PostgresDriver
import TestServices
import TestSupport

/// The server that all tests share.
enum TestServer {
    /// The URL of a user of its own, who may hold so many connections at the same time.
    static func withUser<Value>(
        connections limit: Int, _ body: (String) async throws -> sending Value
    ) async throws -> sending Value {
        let name = "test_" + UUID().uuidString.lowercased().replacingOccurrences(of: "-", with: "_")
        return try await withPool(connections: 1) { pool in
            func run(_ sql: String) async throws {
                try await pool.withConnection(deadline: .soon) { try await $0.script(sql, deadline: .soon) }
            }
            try await run("CREATE ROLE \(name) LOGIN CONNECTION LIMIT \(limit)")
            do {
                let value = try await body(try SharedServer.postgresURL(user: name))
                try await run("DROP ROLE \(name)")
                return value
            } catch {
                try? await run("DROP ROLE \(name)")
                throw error
            }
        }
    }

    static func withPool<Value>(
        url: String? = nil, connections: Int = 4, setup: [PostgresStatement] = [], preparedStatements: Int = 256,
        idleLimit: Duration = .seconds(20),
        _ body: (PostgresPool) async throws -> sending Value
    ) async throws -> sending Value {
        let connection = PostgresConfiguration(
            connectionString: try url ?? SharedServer.postgresURL(), setup: setup,
            preparedStatementLimit: preparedStatements)
        let pool = try PostgresPool(
            .init(connection: connection, maximumConnections: connections, idleLimit: idleLimit))
        defer { pool.close() }
        return try await body(pool)
    }
}
