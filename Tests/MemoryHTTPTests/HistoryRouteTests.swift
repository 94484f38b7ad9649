import AgentMemory
import HTTPTypes
import MemoryConformance
import Testing

/// GET …/history, POST …/restore and GET /v1/events.
@Suite struct HistoryRouteTests {
    private func kinds(_ answer: APIFixture.Answer) -> [String] {
        (answer.json["events"]?.arrayValue ?? []).compactMap { $0["kind"]?.stringValue }
    }

    @Test func `a deleted memory is restored as it was`() async throws {
        try await APIFixture.run { api async throws in
            try await api.create(#"{"id": "a/b", "text": "[1] one", "topics": ["t"], "metadata": {"k": 1.0}}"#)
            let before = try await api.send(.get, "/v1/long-term-memory/a/b")
            _ = try await api.send(.patch, "/v1/long-term-memory/a/b", #"{"text": "[2] two", "namespace": "n"}"#)
            _ = try await api.send(.delete, "/v1/long-term-memory?memory_ids=a/b")
            #expect(try await api.send(.get, "/v1/long-term-memory/a/b").status == 404)

            let history = try await api.send(.get, "/v1/long-term-memory/a/b/history?limit=2")
            #expect(kinds(history) == ["deleted", "changed"])
            #expect(history.json["total"]?.intValue == 3)
            #expect(history.json["next_offset"]?.intValue == 2)
            let restored = try await api.send(.post, "/v1/long-term-memory/a/b/restore", #"{"to": 1}"#)
            #expect(restored.status == 200)
            #expect(restored.json["memory"] == before.json)
            #expect(try await api.send(.get, "/v1/long-term-memory/a/b").text == before.text)

            let gone = try await api.send(.post, "/v1/long-term-memory/a/b/restore", #"{"to": 0}"#)
            #expect(gone.json == ["status": "deleted", "memory": nil])
            let feed = try await api.send(.get, "/v1/events?after=1")
            #expect(kinds(feed) == ["changed", "deleted", "restored", "restored"])
            #expect(feed.json["next_after"]?.intValue == 5)
            #expect(try await api.send(.get, "/v1/events?after=5").json == ["events": [], "next_after": 5])
        }
    }

    @Test func `what cannot be meant is refused by name`() async throws {
        try await APIFixture.run { api async throws in
            try await api.create(#"{"id": "a", "text": "[1] one"}"#)
            let path = "/v1/long-term-memory/a"
            #expect(try await api.send(.get, "/v1/long-term-memory/b/history").status == 404)
            #expect(try await api.send(.post, "/v1/long-term-memory/b/restore", #"{"to": 0}"#).status == 404)
            #expect(try await api.send(.post, "\(path)/restore", #"{"to": 9}"#).status == 404)
            #expect(try await api.send(.post, "\(path)/restore", "{}").places == ["body.to"])
            #expect(try await api.send(.post, "\(path)/restore", #"{"to": 1, "at": 2}"#).places == ["body.at"])
            #expect(try await api.send(.get, "\(path)/history?limit=0").places == ["query.limit"])
            #expect(try await api.send(.get, "/v1/events?since=1").places == ["query.since"])
            #expect(try await api.send(.post, path, "{}").status == 405)
        }
    }

    @Test func `a memory that was united names the one that took its place`() async throws {
        try await APIFixture.run { api async throws in
            for id in ["a", "b"] {
                let memory = "{\"id\": \"\(id)\", \"text\": \"[1] one\"}"
                _ = try await api.send(
                    .post, "/v1/long-term-memory/", "{\"memories\": [\(memory)], \"deduplicate\": false}")
            }
            #expect(try await api.send(.post, "/v1/long-term-memory/compact").json["merged"] == 1)
            let left = try await api.send(.post, "/v1/long-term-memory/list", "{}").ids
            #expect(left.count == 1)
            let gone = left == ["a"] ? "b" : "a"
            let answer = try await api.send(.get, "/v1/long-term-memory/\(gone)")
            #expect(answer.status == 404)
            #expect(
                answer.json == ["detail": .string("Memory with ID \(gone) not found"), "successor": .string(left[0])])
            let history = try await api.send(.get, "/v1/long-term-memory/\(gone)/history?limit=1")
            #expect(history.json["events"]?.arrayValue?.first?["successor"] == .string(left[0]))
            // A new memory under the old id has nothing to do with it.
            try await api.create("{\"id\": \"\(gone)\", \"text\": \"[2] two\"}")
            _ = try await api.send(.delete, "/v1/long-term-memory?memory_ids=\(gone)")
            #expect(
                try await api.send(.get, "/v1/long-term-memory/\(gone)").json
                    == ["detail": .string("Memory with ID \(gone) not found")])
        }
    }
}
