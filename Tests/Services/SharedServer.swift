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

    /// The same database past the pooler that TEST_DATABASE_URL may lead to.
    ///
    /// - Returns: `nil` if `url` does not lead to a pooler.
    public static func url(pastPooler url: String) throws -> String? {
        guard let direct = ProcessInfo.processInfo.environment["TEST_DATABASE_MIGRATION_URL"] else { return nil }
        let pooler = try #require(URLComponents(string: try postgresURL()))
        let server = try #require(URLComponents(string: direct))
        // One of several hosts has no components, and leads to servers of the test's own.
        guard var components = URLComponents(string: url), components.host == pooler.host,
            components.port == pooler.port
        else { return nil }
        components.host = server.host
        components.port = server.port
        return components.string
    }
}
