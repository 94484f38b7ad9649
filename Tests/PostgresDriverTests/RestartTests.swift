import PostgresDriver
import Testing

@Suite struct RestartTests {
    @Test func thePoolWorksAgainAfterTheServerWasKilledAndRestarted() async throws {
        let server = try ThrowAwayServer()
        defer { server.remove() }
        let url = try server.start()
        let one = PostgresStatement("SELECT 1::bigint")
        try await TestServer.withPool(url: url) { pool in
            #expect(try await pool.query(one, retry: .repeatable, deadline: .soon).count == 1)
            try server.kill()
            let error = await #expect(throws: PostgresError.self) {
                try await pool.query(one, retry: .repeatable, deadline: .soon)
            }
            #expect(error?.code == .connectionFailed)
            #expect(try server.start() == url)
            #expect(try await pool.query(one, retry: .onlyIfNotExecuted, deadline: .soon).count == 1)
        }
    }
}
