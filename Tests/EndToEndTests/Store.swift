import Foundation
import TestServices
import Testing

/// A store as a server is told of it.
enum Store: String, CaseIterable, CustomTestStringConvertible, Sendable {
    case redis, pgvector

    var testDescription: String { rawValue }

    var service: OwnServer.Service { self == .redis ? .redis : .postgres }

    /// Settings for a scope of its own on the server that all tests share.
    func environment() throws -> [String: String] {
        let name = self == .redis ? "TEST_REDIS_URL" : "TEST_DATABASE_URL"
        let url = try #require(ProcessInfo.processInfo.environment[name], "\(name) is not set: run make test")
        return environment(url: url)
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
            ]
        case .pgvector:
            ["MEMORY_VECTOR_DB_FACTORY": "pgvector", "DATABASE_URL": url, "POSTGRES_SCHEMA": scope]
        }
    }
}
