import Foundation
import Logging
import PostgresDriver
import RedisDriver
import TestServices
import TestSupport

/// What stores keep of memories, under everything that the backends show.
enum StoredContent {
    /// The hashes of the records on the server of TEST_REDIS_URL, with all of their fields.
    @Sendable static func redis(_ prefix: String) async throws -> [String] {
        let client = try RedisClient(
            configuration: RedisClient.Configuration(endpoint: RedisEndpoint(url: SharedServer.redisURL())),
            logger: Logger(label: "test"))
        return try await withClosing {
            var content: [String] = []
            var cursor = "0"
            repeat {
                let scan = RedisCommand("SCAN", cursor, "MATCH", "*\(prefix)*", "COUNT", "1000", "TYPE", "hash")
                let answer = try await client.send(scan).array ?? []
                cursor = answer.first?.string ?? "0"
                let keys = answer.last?.array?.compactMap(\.string) ?? []
                let hashes = try await client.pipeline(keys.map { RedisCommand("HGETALL", $0) }, isRead: true)
                for (key, hash) in zip(keys, hashes) {
                    let parts = try (hash.get().array ?? []).map { part in
                        if case .bytes(let bytes) = part { Data(bytes).base64EncodedString() } else { "\(part)" }
                    }
                    // A hash has its fields in any order.
                    let fields = stride(from: 0, to: parts.count - 1, by: 2).map { "\(parts[$0]) \(parts[$0 + 1])" }
                    content.append("\(key) \(fields.sorted())")
                }
            } while cursor != "0"
            // SCAN may return a key twice.
            return Set(content).sorted()
        } close: {
            await client.close()
        }
    }

    /// The rows of the records on the server of TEST_DATABASE_URL, and those of the tables that
    /// belong to them by their numbers, which are new for a record that was removed and came back.
    @Sendable static func postgres(_ prefix: String) async throws -> [String] {
        let url = try SharedServer.postgresURL()
        let pool = try PostgresPool(
            .init(
                connection: .init(connectionString: try SharedServer.url(pastPooler: url) ?? url),
                maximumConnections: 1))
        defer { pool.close() }
        let deadline = ContinuousClock.now + .seconds(120)
        func rows(_ statement: PostgresStatement) async throws -> [PostgresRow] {
            Array(try await pool.query(statement, retry: .repeatable, deadline: deadline).rows)
        }
        let schemas = try await rows(
            PostgresStatement(
                "SELECT schemaname FROM pg_tables WHERE tablename = 'memories' AND schemaname LIKE 'conformance%'"))
        for schema in try schemas.map({ "\"\(try $0.text(0))\"" }) {
            let ours = PostgresStatement(
                "SELECT id FROM \(schema).memories WHERE id LIKE $1 LIMIT 1", [.text(prefix + "%")])
            // Other schemas go at any time.
            guard let found = try? await rows(ours), !found.isEmpty else { continue }
            var content = try await rows(
                PostgresStatement("SELECT (to_jsonb(m) - 'number')::text FROM \(schema).memories m ORDER BY id")
            ).map { try $0.text(0) }
            let tables = try await rows(
                PostgresStatement(
                    """
                    SELECT DISTINCT conrelid::regclass::text FROM pg_constraint \
                    WHERE contype = 'f' AND confrelid = '\(schema).memories'::regclass ORDER BY 1
                    """)
            ).map { try $0.text(0) }
            for table in tables {
                content += try await rows(
                    PostgresStatement(
                        """
                        SELECT m.id || ' ' || jsonb_strip_nulls(to_jsonb(t) - 'number')::text FROM \(table) t \
                        JOIN \(schema).memories m USING (number) ORDER BY m.id
                        """)
                ).map { row in
                    // A vector waits in a column of its own until the index takes it.
                    try "\(table) \(row.text(0).replacingOccurrences(of: #""unindexed""#, with: #""embedding""#))"
                }
            }
            return content
        }
        return []
    }
}
