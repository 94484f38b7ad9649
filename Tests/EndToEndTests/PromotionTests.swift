import AgentMemory
import Foundation
import Testing

/// What a client was told is kept survives the server.
@Suite struct PromotionTests {
    @Test(arguments: Store.allCases)
    func aServerThatIsKilledRightAfterAPutPromotesWhenItIsBack(_ store: Store) async throws {
        var environment = try store.environment()
        // A worker that died keeps others from its jobs no longer than this.
        environment["JOB_LEASE_SECONDS"] = "1"
        environment["JOB_POLL_SECONDS"] = "0.1"
        let ids = (0..<20).map { "kept-\($0)" }
        let memories = ids.map { id -> JSONValue in
            ["id": .string(id), "text": .string("text of \(id)"), "memory_type": "semantic"]
        }
        try await ServerProcess.runAndKill(environment) { server in
            try await server.client.wait(for: { try await $0.ready() }, until: { $0.status == 200 })
            let answer = try await server.client.send(
                .put, "/v1/working-memory/s", ["user_id": "u", "memories": .array(memories)])
            #expect(answer.status == 200, "\(answer.detail)")
        }
        try await ServerProcess.run(environment) { server in
            let api = server.client
            try await api.wait(
                for: { try await $0.send(.post, "/v1/long-term-memory/count", ["session_id": ["eq": "s"]]) },
                until: { $0.json["count"] == 20 })
            #expect(try await api.send(.get, "/v1/long-term-memory/kept-7").json["user_id"] == "u")
            try await api.wait(
                for: { try await $0.send(.get, "/v1/working-memory/s?user_id=u") },
                until: { answer in
                    (answer.json["memories"]?.arrayValue ?? []).allSatisfy { $0["persisted_at"]?.stringValue != nil }
                })
        }
        let jobs = try await ServerProcess.command(["jobs", "list"], environment)
        #expect(jobs.status == 0, "\(jobs.output)")
        #expect(jobs.output.contains("dead 0"), "\(jobs.output)")
    }
}
