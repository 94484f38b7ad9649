import Foundation
import PostgresDriver
import TestServices
import Testing

/// A store in the form of a server's settings.
enum Store: String, CaseIterable, CustomTestStringConvertible, Sendable {
    case redis, pgvector

    var testDescription: String { rawValue }

    var service: OwnServer.Service { self == .redis ? .redis : .postgres }

    /// Settings for a scope of its own on the server that all tests share.
    func environment() throws -> [String: String] {
        environment(url: self == .redis ? try SharedServer.redisURL() : try SharedServer.postgresURL())
    }

    /// Runs SQL on a Postgres server.
    static func administer(_ sql: String, _ url: String) async throws {
        let pool = try PostgresPool(.init(connection: .init(connectionString: url), maximumConnections: 1))
        defer { pool.close() }
        let deadline = ContinuousClock.now + .seconds(20)
        try await pool.withConnection(deadline: deadline) { try await $0.script(sql, deadline: deadline) }
    }

    /// Runs `body` with the settings of a Postgres schema that row security limits, which does not
    /// hold for a superuser.
    static func withRowSecurity(_ body: (_ environment: [String: String]) async throws -> Void) async throws {
        var environment = try Store.pgvector.environment()
        let url = try #require(environment["DATABASE_URL"])
        let schema = try #require(environment["POSTGRES_SCHEMA"])
        try await administer(
            """
            SELECT pg_advisory_xact_lock(hashtextextended('agent-memory', 0)); \
            CREATE EXTENSION IF NOT EXISTS vector; \
            CREATE ROLE \(schema) LOGIN; CREATE SCHEMA \(schema) AUTHORIZATION \(schema)
            """, url)
        environment["DATABASE_URL"] = url.replacing("agent_memory@", with: "\(schema)@")
        environment["POSTGRES_ROW_SECURITY"] = "true"
        try await body(environment)
        try await administer("DROP OWNED BY \(schema) CASCADE; DROP ROLE \(schema)", url)
    }

    /// Settings for a scope of its own on the server at `url`.
    func environment(url: String) -> [String: String] {
        let scope = "e2e_\(UUID().uuidString.prefix(8).lowercased())"
        return switch self {
        case .redis:
            [
                "MEMORY_VECTOR_DB_FACTORY": "redis", "REDIS_URL": url, "REDISVL_INDEX_NAME": "\(scope)_records",
                "REDISVL_INDEX_PREFIX": "\(scope)_idx",
                "WORKING_MEMORY_INDEX_NAME": "\(scope)_sessions",
                "WORKING_MEMORY_INDEX_PREFIX": "\(scope)_working_memory:", "REDIS_JOBS_PREFIX": "\(scope)_jobs",
                "REDIS_TOKENS_PREFIX": "\(scope)_tokens",
                "REDIS_DOCUMENTS_PREFIX": "\(scope)_documents",
            ]
        case .pgvector:
            ["MEMORY_VECTOR_DB_FACTORY": "pgvector", "DATABASE_URL": url, "POSTGRES_SCHEMA": scope]
        }
    }
}
