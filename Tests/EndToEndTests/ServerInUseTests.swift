import AgentMemory
import Foundation
import TestSupport
import Testing

/// `agent-memory conformance --url` against a server in use.
@Suite(.tags(.server)) struct ServerInUseTests {
    /// Records that a scope's names could be mistaken for are among them.
    private static let records: [JSONValue] = [
        ["id": "a", "text": "the user likes tea", "user_id": "u", "topics": ["a", "b"]],
        ["id": "kit-", "text": "a memory of its own", "namespace": "kit-"],
        ["id": "m0", "text": "common words", "namespace": "kit-abcdefg~", "user_id": "even"],
        ["id": "d0", "text": "common words", "session_id": "s"],
    ]

    @Test(arguments: Store.allCases)
    func `its records are neither seen nor changed`(_ store: Store) async throws {
        try await ServerProcess.run(try store.environment()) { server in
            let api = server.client
            #expect(try await api.create(Self.records).status == 200)
            let before = try await api.list([:])
            #expect(before.total == 4)
            let (status, output) = try await ServerProcess.command([
                "conformance", "--url", server.url, "--only", "wire/", "--only", "filter/F2", "--only", "filter/F4",
                "--only", "page/P", "--only", "update/D1", "--skip", "page/P5",
            ])
            #expect(status == 0, "\(output)")
            #expect(try await api.list([:]).json == before.json)
        }
    }

    @Test func `an interrupted run leaves nothing behind`() async throws {
        try await ServerProcess.run(["MEMORY_VECTOR_DB_FACTORY": "reference"]) { server in
            let process = try await RunningProcess.start(
                ServerProcess.binary, ["conformance", "--url", server.url, "--only", "page/"])
            // The second check has begun when the first has been told of.
            for await _ in process.outputChanges where process.output.contains("[1/") { break }
            process.signal(SIGINT)
            #expect(await process.exitStatus() == 130, "\(process.output)")
            #expect(try await server.client.count() == 0)
        }
    }

    @Test(arguments: [
        ("http://127.0.0.1:1", "no connection to 127.0.0.1:1"), ("ftp://host", "neither http nor https"),
        ("nonsense url", "malformed"),
    ])
    func `a server that is not there fails the run with its reason`(_ url: String, _ reason: String) async throws {
        let (status, output) = try await ServerProcess.command(["conformance", "--url", url])
        #expect(status != 0)
        #expect(output.contains(reason), "\(output)")
    }
}
