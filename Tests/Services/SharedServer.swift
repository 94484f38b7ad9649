import Foundation
import Testing

/// The servers that all tests of a run share, each test in names of its own.
public enum SharedServer {
    /// A Redis with search.
    public static func redisURL() throws -> String {
        try #require(
            ProcessInfo.processInfo.environment["TEST_REDIS_URL"],
            "TEST_REDIS_URL must name a Redis with search: run make test")
    }

    /// A Postgres with pgvector.
    ///
    /// - Parameters:
    ///   - user: another one than its administrator.
    ///   - database: another one than its first.
    ///   - port: another one, for what listens before the server.
    public static func postgresURL(user: String? = nil, database: String? = nil, port: Int? = nil) throws -> String {
        let url = try #require(
            ProcessInfo.processInfo.environment["TEST_DATABASE_URL"],
            "TEST_DATABASE_URL must name a PostgreSQL with pgvector: run make test")
        if user == nil, database == nil, port == nil { return url }
        var components = try #require(URLComponents(string: url))
        if let user { components.user = user }
        if let database { components.path = "/" + database }
        if let port { components.port = port }
        return try #require(components.string)
    }
}
