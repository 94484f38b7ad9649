import AgentMemory
import HTTPTypes
import MemoryHTTP
import Testing

/// Ids in the path: the reference's Python client sends them as they are.
@Suite struct PathTests {
    @Test(arguments: [
        ("a/b", "a/b"), ("a/b/", "a/b"), ("a%2Fb", "a/b"), ("a%2F", "a/"), ("a//b", "a//b"), ("/a", "/a"),
        ("../../x", "../../x"), ("search/x", "search/x"), ("a/messages", "a/messages"), ("a%252Fb", "a%2Fb"),
        ("\u{FC}/x", "\u{FC}/x"), ("a:b@c;d,e&f=g", "a:b@c;d,e&f=g"), ("a+b", "a+b"),
    ])
    func `the REST of the path is the ID`(_ path: String, _ id: String) async throws {
        try await APIFixture.run { api async throws in
            let session = "/v1/working-memory/\(path)"
            #expect(try await api.send(.put, session, "{}").json["session_id"] == .string(id))
            #expect(try await api.send(.get, session).json["session_id"] == .string(id))
            #expect(try await api.send(.head, session).status == 200)
            let message = #"{"messages":[{"role":"user","content":"x"}]}"#
            if !path.hasSuffix("/") {
                let appended = try await api.send(.post, "\(session)/messages", message)
                #expect(appended.json["message_count"] == 1)
            }
            #expect(try await api.send(.delete, session).status == 200)
            #expect(try await api.send(.get, session).status == 404)

            let record = "/v1/long-term-memory/\(path)"
            try await api.create("{\"id\":\(JSONValue.string(id).jsonText),\"text\":\"x\"}")
            #expect(try await api.send(.get, record).json["id"] == .string(id))
            #expect(try await api.send(.patch, record, #"{"text":"y"}"#).json["text"] == "y")
        }
    }

    @Test(arguments: ["%FF", "%", "a%2", "a%zzb", "\u{FFFD}", "a#b", "a/%C3"])
    func `what is not an ID`(_ path: String) async throws {
        try await APIFixture.run { api async throws in
            for (method, route, place) in [
                (HTTPRequest.Method.get, "long-term-memory", "memory_id"),
                (.patch, "long-term-memory", "memory_id"), (.get, "working-memory", "session_id"),
                (.delete, "working-memory", "session_id"), (.put, "working-memory", "session_id"),
            ] {
                let body = method == .put || method == .patch ? #"{"text":"x"}"# : nil
                let answer = try await api.send(method, "/v1/\(route)/\(path)", body)
                #expect(answer.status == 422, "\(method) \(route)")
                #expect(answer.places == ["path.\(place)"], "\(answer.text)")
            }
        }
    }

    @Test func `a replacement character that is meant is one`() async throws {
        try await APIFixture.run { api async throws in
            #expect(
                try await api.send(.put, "/v1/working-memory/%EF%BF%BD", "{}").json["session_id"] == "\u{FFFD}")
        }
    }

    @Test func `places of keys that break the rules`() async throws {
        try await APIFixture.run { api async throws in
            #expect(try await api.send(.get, "/v1/working-memory/%00").places == ["path.session_id"])
            #expect(try await api.send(.get, "/v1/working-memory/s?user_id=%00").places == ["query.user_id"])
            #expect(try await api.send(.delete, "/v1/working-memory/s?namespace=%01").places == ["query.namespace"])
            #expect(
                try await api.send(.post, "/v1/working-memory//messages", #"{"messages":[]}"#).status == 422)
        }
    }
}
