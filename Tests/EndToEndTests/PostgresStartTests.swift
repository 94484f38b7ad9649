import Foundation
import TestSupport
import Testing

/// Starts on Postgres as the documentation describes them, and those that cannot go well.
@Suite(.tags(.server)) struct PostgresStartTests {
    @Test func `a server that may only read and write runs on what migrate has made`() async throws {
        var environment = try Store.pgvector.environment()
        environment["EMBEDDING_MODEL"] = "local/hashing-64"
        let url = try #require(environment["DATABASE_URL"])
        let schema = try #require(environment["POSTGRES_SCHEMA"])
        let up = try await ServerProcess.command(["migrate", "up"], environment)
        #expect(up.status == 0)
        #expect(up.output.contains("the vector index exists"), "\(up.output)")
        try await Store.administer(
            """
            CREATE ROLE \(schema) LOGIN; GRANT USAGE ON SCHEMA \(schema) TO \(schema);
            GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA \(schema) TO \(schema)
            """, url)
        environment["AUTO_MIGRATE"] = "false"
        environment["DATABASE_URL"] = url.replacing("agent_memory@", with: "\(schema)@")
        try await ServerProcess.run(environment) { server in
            try await server.client.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
            #expect(try await server.client.create([["id": "a", "text": "x"]]).status == 200)
            #expect(try await server.client.search(["text": "x"]).ids == ["a"])
        }
        try await Store.administer("DROP OWNED BY \(schema); DROP ROLE \(schema)", url)
    }

    @Test func `what the server refuses stops the start in words`() async throws {
        var environment = try Store.pgvector.environment()
        let url = try #require(environment["DATABASE_URL"])
        environment["EMBEDDING_MODEL"] = "local/hashing-64"
        environment["PORT"] = "0"
        for (wrong, expected) in [
            (url.replacing("agent_memory@", with: "hunter2:hunter2@"), "refuses this user"),
            (url.replacing("agent_memory@", with: "me:hun@hunter2@"), "%40"), (url + "?sslmod=require", "sslmod"),
        ] {
            environment["DATABASE_URL"] = wrong
            let (status, output) = try await ServerProcess.command(["api"], environment)
            #expect(status == 1, "\(output)")
            #expect(output.contains(expected), "\(output)")
            #expect(!output.contains("hunter2"), "\(output)")
        }
    }
}
