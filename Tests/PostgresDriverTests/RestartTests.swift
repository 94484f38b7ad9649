import PostgresDriver
import TestServices
import TestSupport
import Testing

@Suite(.tags(.store)) struct RestartTests {
    @Test func `the pool works again after the server was killed and restarted`() async throws {
        let one = PostgresStatement("SELECT 1::bigint")
        try await OwnServer.run(.postgres) { server in
            try await TestServer.withPool(url: server.url) { pool in
                #expect(try await pool.query(one, retry: .repeatable, deadline: .soon).count == 1)
                try await server.crash()
                let error = await #expect(throws: PostgresError.self) {
                    try await pool.query(one, retry: .repeatable, deadline: .soon)
                }
                #expect(error?.code == .connectionFailed)
                try await server.restart()
                #expect(try await pool.query(one, retry: .onlyIfNotExecuted, deadline: .soon).count == 1)
            }
        }
    }
}
