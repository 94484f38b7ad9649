import Foundation
import PostgresDriver
import TestServices
import TestSupport
import Testing

@Suite(.tags(.store)) struct FailoverTests {
    private static let port = PostgresStatement("SELECT inet_server_port()::bigint")

    private func run(_ sql: String, at url: String) async throws {
        try await TestServer.withPool(url: url, connections: 1) { pool in
            for line in sql.split(separator: ";") {
                try await pool.withConnection(deadline: .soon) { try await $0.script(String(line), deadline: .soon) }
            }
        }
    }

    @Test func `a server that takes no writes any more is left for the one that does`() async throws {
        let second = try SharedServer.postgresURL()
        let table = "failover_" + UUID().uuidString.lowercased().replacingOccurrences(of: "-", with: "_")
        try await OwnServer.run(.postgres) { first in
            for url in [first.url, second] { try await run("CREATE TABLE \(table) (a int8)", at: url) }
            let ports = try [first.url, second].map { try #require(URLComponents(string: $0)?.port) }
            let url = "postgresql://agent_memory@127.0.0.1:\(ports[0]),127.0.0.1:\(ports[1])/agent_memory"
            try await TestServer.withPool(url: url, connections: 4) { pool in
                /// Where four connections at the same time lead.
                func leads() async throws -> Set<Int> {
                    try await withThrowingTaskGroup(of: Int.self) { group in
                        for _ in 0..<4 {
                            group.addTask {
                                try await pool.withConnection(deadline: .soon) { connection in
                                    try await connection.query(
                                        PostgresStatement("SELECT pg_sleep(0.02)"), deadline: .soon)
                                    return try await connection.query(Self.port, deadline: .soon).singleRow().int(0)
                                }
                            }
                        }
                        return try await group.reduce(into: []) { $0.insert($1) }
                    }
                }
                func write() async throws -> Int {
                    try await pool.pipeline(
                        [PostgresStatement("INSERT INTO \(table) VALUES (1)"), Self.port], retry: .onlyIfNotExecuted,
                        deadline: .soon)[1].singleRow().int(0)
                }
                #expect(try await write() == ports[0])
                #expect(try await leads() == [ports[0]])
                try await run(
                    "ALTER SYSTEM SET default_transaction_read_only = on; SELECT pg_reload_conf()", at: first.url)
                // The signal needs a moment; no write fails meanwhile or afterwards.
                try await eventually("the end of the first server's role") { try await write() == ports[1] }
                #expect(try await leads() == [ports[1]])
            }
        }
        try await run("DROP TABLE \(table)", at: second)
    }

    @Test func `a standby is said to take no writes`() async throws {
        try await TestServer.withUser(connections: 4) { url in
            let name = try #require(URLComponents(string: url)?.user)
            try await run("ALTER ROLE \(name) SET default_transaction_read_only = on", at: SharedServer.postgresURL())
            try await TestServer.withPool(url: url) { pool in
                let write = PostgresStatement("CREATE TABLE never (a int4)")
                let error = await #expect(throws: PostgresError.self) {
                    try await pool.query(write, retry: .onlyIfNotExecuted, deadline: .soon)
                }
                #expect(error?.isReadOnlyServer == true)
                #expect(error?.provablyNotExecuted == true)
                // Reading goes on.
                let read = try await pool.query(Self.port, retry: .repeatable, deadline: .soon)
                #expect(read.count == 1)
            }
        }
    }
}
