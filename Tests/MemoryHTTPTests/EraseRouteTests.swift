import AgentMemory
import HTTPTypes
import Testing

/// POST /v1/erase, the routes under /v1/tasks, and large compactions.
@Suite struct EraseRouteTests {
    @Test(arguments: [
        ("{}", "body"), (#"{"user_id": {"eq": ""}}"#, "body.user_id.eq"),
        (#"{"user_id": {"eq": "  "}}"#, "body.user_id.eq"), (#"{"user_id": {"any": ["a"]}}"#, "body.user_id.any"),
        (#"{"user_id": {"eq": "a", "ne": "b"}}"#, "body.user_id.ne"), (#"{"user_id": {}}"#, "body.user_id.eq"),
        (#"{"user_id": "a"}"#, "body.user_id"), (#"{"user_id": null}"#, "body.user_id"),
        (#"{"user_id": {"eq": null}}"#, "body.user_id.eq"), (#"{"user_id": {"eq": 1}}"#, "body.user_id.eq"),
        (#"{"topics": {"eq": "a"}}"#, "body.topics"), (#"{"user_id": {"eq": "a"}, "usr": 1}"#, "body.usr"),
        ("[]", "body"),
    ])
    func `what does not name a scope is refused`(_ body: String, _ place: String) async throws {
        try await APIFixture.run { api in
            try await api.create(#"{"id": "a", "text": "x", "user_id": "a"}"#)
            let answer = try await api.send(.post, "/v1/erase", body)
            #expect(answer.status == 422 && answer.places.contains(place), "\(answer.text)")
            #expect(try await api.send(.get, "/v1/long-term-memory/a").status == 200)
        }
    }

    @Test func `an erasure is a task that does not name who was erased`() async throws {
        try await APIFixture.run { api in
            try await api.create(
                #"{"id": "a", "text": "x", "user_id": "ada"}, {"id": "b", "text": "y", "user_id": "bob"}"#)
            #expect(try await api.send(.get, "/v1/tasks").json == [])
            let done = try await api.send(.post, "/v1/erase", #"{"user_id": {"eq": "ada"}}"#)
            #expect(done.status == 200 && done.json["status"] == "success" && done.json["type"] == "erasure")
            #expect(
                done.json["erased"]
                    == ["memories": 1, "events": 1, "sessions": 0, "jobs": 0, "documents": 0, "tasks": 0])
            #expect(done.json["scope"]?.stringValue?.count == 64 && !done.text.contains("ada"))
            let id = done.json["id"]?.stringValue ?? ""
            #expect(try await api.send(.get, "/v1/tasks/\(id)").json == done.json)
            let list = try await api.send(.get, "/v1/tasks?limit=1")
            #expect(list.json == [done.json] && list.headers[HTTPField.Name("X-Total-Count")!] == "1")
            #expect(try await api.send(.post, "/v1/tasks/\(id)/cancel").status == 409)
            #expect(try await api.send(.post, "/v1/tasks/nope/cancel").status == 404)
            #expect(try await api.send(.post, "/v1/tasks/\(id)").status == 405)
            #expect(try await api.send(.get, "/v1/erase").status == 405)
            #expect(try await api.send(.get, "/v1/long-term-memory/b").status == 200)
        }
    }

    @Test func `a large compaction is a task that can be cancelled`() async throws {
        try await APIFixture.run { api in
            for number in 0..<6 {
                let record = #"{"id": "m\#(number)", "text": "same", "user_id": "ada", "namespace": "n"}"#
                let body = "{\"memories\": [\(record)], \"deduplicate\": false}"
                #expect(try await api.send(.post, "/v1/long-term-memory/", body).status == 200)
            }
            let path = "/v1/long-term-memory/compact?user_id=ada"
            let started = try await api.send(.post, path)
            #expect(started.status == 202 && started.json["status"] == "pending", "\(started.text)")
            #expect(started.json["type"] == "compaction" && started.json["result"]?.isNull == true)
            let id = started.json["id"]?.stringValue ?? ""
            let cancelled = try await api.send(.post, "/v1/tasks/\(id)/cancel")
            #expect(cancelled.json["status"] == "failed" && cancelled.json["error_message"] == "cancelled")
            #expect(try await api.runCompactions() == 1)
            #expect(try await api.send(.get, "/v1/tasks/\(id)").json == cancelled.json)
            #expect(try await api.send(.get, "/v1/long-term-memory/m0").status == 200)
            let again = try await api.send(.post, path).json["id"]?.stringValue ?? ""
            #expect(try await api.runCompactions() == 1)
            let done = try await api.send(.get, "/v1/tasks/\(again)")
            #expect(done.json["status"] == "success", "\(done.text)")
            #expect(done.json["result"]?["merged"] == 5 && done.json["result"]?["remaining"] == 1)
            let operation = done.json["result"]?["operation"]?.stringValue ?? ""
            let undone = try await api.send(.post, "/v1/operations/\(operation)/undo")
            #expect(undone.json["undone"] == 5, "\(undone.text)")
        }
    }
}
