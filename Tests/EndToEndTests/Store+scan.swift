import Foundation
import Logging
import PostgresDriver
import RedisDriver
import TestSupport
import Testing

/// A look at every byte of a store.
extension Store {
    /// The keys, or the tables, in which one of the texts is.
    func places(of texts: [String], _ environment: [String: String]) async throws -> [String] {
        switch self {
        case .redis: try await placesInRedis(of: texts, environment)
        case .pgvector: try await placesInPostgres(of: texts, environment)
        }
    }

    /// In the names of keys, and in their values as DUMP writes them: as they are in the memory of
    /// the server, also what a stream has deleted and not yet freed.
    private func placesInRedis(of texts: [String], _ environment: [String: String]) async throws -> [String] {
        let client = try RedisClient(
            configuration: RedisClient.Configuration(endpoint: RedisEndpoint(url: environment["REDIS_URL"] ?? "")),
            logger: Logger(label: "test"))
        return try await withClosing {
            _ = try await client.send(RedisCommand("CONFIG", "SET", "rdbcompression", "no")).get()
            let wanted = texts.map { Data($0.utf8) }
            var found: [String] = []
            var cursor = "0"
            repeat {
                let answer = try await client.send(RedisCommand("SCAN", cursor, "COUNT", "1000")).array ?? []
                cursor = answer.first?.string ?? "0"
                let keys = answer.last?.array?.compactMap(\.string) ?? []
                let values = try await client.pipeline(keys.map { RedisCommand("DUMP", $0) }, isRead: true)
                for (key, value) in zip(keys, values) {
                    guard case .bytes(let dump) = value else { continue }
                    let bytes = Data(key.utf8) + Data(dump)
                    if wanted.contains(where: { bytes.range(of: $0) != nil }) { found.append(key) }
                }
            } while cursor != "0"
            return found.sorted()
        } close: {
            await client.close()
        }
    }

    /// In all rows of all tables of the schema.
    private func placesInPostgres(of texts: [String], _ environment: [String: String]) async throws -> [String] {
        let pool = try PostgresPool(
            .init(connection: .init(connectionString: environment["DATABASE_URL"] ?? ""), maximumConnections: 1))
        defer { pool.close() }
        let deadline = ContinuousClock.now + .seconds(30)
        let schema = environment["POSTGRES_SCHEMA"] ?? ""
        let tables = try await pool.query(
            PostgresStatement("SELECT tablename FROM pg_tables WHERE schemaname = $1 ORDER BY 1", [.text(schema)]),
            retry: .repeatable, deadline: deadline
        ).rows.map { try $0.text(0) }
        #expect(tables.count > 10)
        var found: [String] = []
        for table in tables {
            let count = try await pool.query(
                PostgresStatement(
                    """
                    SELECT count(*) FROM "\(schema)"."\(table)" t, unnest($1) AS wanted \
                    WHERE position(wanted IN t::text) > 0
                    """, [.textArray(texts)]), retry: .repeatable, deadline: deadline
            ).singleRow().int(0)
            if count > 0 { found.append(table) }
        }
        return found
    }
}
