import AgentMemory
import HTTPTypes
import MemoryAPI
import MemoryHTTP
import Testing

@Suite struct WorkingMemoryRouteTests {
    private static let messages = (1...4).map {
        #"{"id":"m\#($0)","role":"user","content":"message number \#($0)","created_at":"2026-01-01T00:00:0\#($0)Z"}"#
    }
    private static func body(_ messages: [String], _ more: String = "") -> String {
        "{\"messages\":[\(messages.joined(separator: ","))]\(more)}"
    }
    private static func ids(_ answer: APIFixture.Answer) -> [String] {
        (answer.json["messages"]?.arrayValue ?? []).compactMap { $0["id"]?.stringValue }
    }

    @Test func `several sessions of one ID are a conflict that names the choices`() async throws {
        try await APIFixture.run { api async throws in
            for scope in [#","user_id":"c""#, #","user_id":"a","namespace":"n""#, #","user_id":"b","namespace":"n""#] {
                #expect(try await api.send(.put, "/v1/working-memory/s", Self.body([], scope)).status == 200)
            }
            let open = try await api.send(.get, "/v1/working-memory/s?namespace=n")
            #expect(open.status == 409)
            #expect(open.detail?.contains("user_id=a") == true)
            #expect(open.detail?.contains("user_id=b") == true)
            #expect(try await api.send(.get, "/v1/working-memory/s?user_id=b").json["user_id"] == "b")
            #expect(try await api.send(.get, "/v1/working-memory/s?namespace=").json["user_id"] == "c")
            #expect(try await api.send(.get, "/v1/working-memory/s?user_id=d").status == 404)
            #expect(try await api.send(.delete, "/v1/working-memory/s").status == 409)
            #expect(try await api.send(.delete, "/v1/working-memory/s?user_id=a").status == 200)
            let list = try await api.send(.get, "/v1/working-memory")
            #expect(list.json["sessions"] == ["s"])
            #expect(list.json["total"] == 1)
        }
    }

    @Test func `the session that has only what is named comes first`() async throws {
        try await APIFixture.run { api async throws in
            for scope in ["", #","user_id":"a""#, #","user_id":"a","namespace":"n""#, #","namespace":"n""#] {
                #expect(try await api.send(.put, "/v1/working-memory/s", Self.body([], scope)).status == 200)
            }
            func found(_ query: String) async throws -> [JSONValue?] {
                let session = try await api.send(.get, "/v1/working-memory/s\(query)").json
                return [session["user_id"], session["namespace"]]
            }
            #expect(try await found("") == [.null, .null])
            #expect(try await found("?user_id=a") == ["a", .null])
            #expect(try await found("?namespace=n") == [.null, "n"])
            #expect(try await found("?user_id=a&namespace=n") == ["a", "n"])
            // An append goes where the GET looks.
            let append = try await api.send(.post, "/v1/working-memory/s/messages", Self.body([Self.messages[0]]))
            #expect(append.json["user_id"] == .null)
            // Each DELETE takes the one that is meant; without such a one, several that match are a
            // conflict.
            for (query, status) in [("", 200), ("", 409), ("?namespace=n", 200), ("", 409), ("?user_id=a", 200)] {
                let deleted = try await api.send(.delete, "/v1/working-memory/s\(query)")
                #expect(deleted.status == status, "\(query)")
            }
            #expect(try await found("") == ["a", "n"])
        }
    }

    @Test func `writers that read the same state are merged or refused`() async throws {
        try await APIFixture.run { api async throws in
            let path = "/v1/working-memory/s"
            let first = try await api.send(.put, path, Self.body([Self.messages[0]]))
            let stamp = try #require(first.json["last_accessed"]?.stringValue)
            func put(_ messages: [String], _ more: String = "") async throws -> APIFixture.Answer {
                try await api.send(.put, path, Self.body(messages, ",\"last_accessed\":\"\(stamp)\"" + more))
            }
            #expect(Self.ids(try await put([Self.messages[0], Self.messages[1]])) == ["m1", "m2"])
            // The second writer read the same state, and only added.
            #expect(Self.ids(try await put([Self.messages[0], Self.messages[2]])) == ["m1", "m2", "m3"])
            // Sent again: nothing is added twice.
            #expect(Self.ids(try await put([Self.messages[0], Self.messages[1]])) == ["m1", "m2", "m3"])
            // Changed something else too: refused.
            let refused = try await put([Self.messages[0]], #","context":"mine""#)
            #expect(refused.status == 409)
            #expect(refused.detail?.contains("has changed since") == true)
            let now = try await api.send(.get, path)
            #expect(Self.ids(now) == ["m1", "m2", "m3"])
            #expect(now.headers[.eTag] == "\"3\"")
            #expect(now.headers[.cacheControl] == "no-store")
            // Without a stamp, PUT replaces.
            #expect(Self.ids(try await api.send(.put, path, Self.body([]))).isEmpty)
        }
    }

    @Test func `a client that makes a session that is there blanks nothing`() async throws {
        try await APIFixture.run { api async throws in
            let path = "/v1/working-memory/s"
            #expect(try await api.send(.put, path, Self.body([Self.messages[0]])).status == 200)
            // Its clock says that it found no session before this one was written.
            let early = #","last_accessed":"2026-01-01T00:00:00Z""#
            #expect(Self.ids(try await api.send(.put, path, Self.body([], early))) == ["m1"])
            #expect(try await api.send(.put, path, Self.body([Self.messages[1]], early)).status == 409)
            let late = #","last_accessed":"2026-02-01T00:00:00Z""#
            #expect(Self.ids(try await api.send(.put, path, Self.body([Self.messages[1]], late))) == ["m2"])
        }
    }

    @Test func `conditions of the headers`() async throws {
        try await APIFixture.run { api async throws in
            let path = "/v1/working-memory/s"
            #expect(try await api.send(.put, path, "{}", headers: [.ifMatch: "*"]).status == 412)
            #expect(try await api.send(.put, path, "{}", headers: [.ifNoneMatch: "*"]).headers[.eTag] == "\"1\"")
            #expect(try await api.send(.put, path, "{}", headers: [.ifNoneMatch: "*"]).status == 412)
            #expect(try await api.send(.put, path, "{}", headers: [.ifMatch: "\"1\""]).headers[.eTag] == "\"2\"")
            #expect(try await api.send(.put, path, "{}", headers: [.ifMatch: "\"1\""]).status == 412)
            #expect(try await api.send(.delete, path, headers: [.ifMatch: "\"1\""]).status == 412)
            #expect(try await api.send(.put, path, "{}", headers: [.ifMatch: "x", .ifNoneMatch: "*"]).status == 400)
            #expect(try await api.send(.delete, path, headers: [.ifMatch: "\"2\""]).status == 200)
            #expect(try await api.send(.get, path).status == 404)
        }
    }

    @Test func `appending without reading`() async throws {
        try await APIFixture.run { api async throws in
            let path = "/v1/working-memory/s/messages?user_id=u"
            let first = try await api.send(.post, path, Self.body([Self.messages[0]]))
            #expect(first.status == 200)
            #expect(first.json["message_count"] == 1)
            #expect(first.json["messages"] == nil)
            #expect(first.headers[.init("X-Deprecation-Warning")!] == nil)
            let second = try await api.send(.post, path + "&namespace=", Self.body([#"{"role":"user","content":"x"}"#]))
            #expect(second.json["message_count"] == 2)
            #expect(second.headers[.init("X-Deprecation-Warning")!] != nil)
            #expect(try await api.send(.get, "/v1/working-memory/s").json["user_id"] == "u")
            #expect(try await api.send(.post, path, "{}").places == ["body.messages"])
            #expect(try await api.send(.post, path, Self.body([])).status == 422)
            #expect(try await api.send(.post, path, Self.body([#"{"role":"user","content":" "}"#])).status == 400)
        }
    }

    @Test func `an append that is sent again is answered as the first`() async throws {
        try await APIFixture.run { api async throws in
            let path = "/v1/working-memory/s/messages"
            let first = try await api.send(.post, path, Self.body([Self.messages[0], Self.messages[1]]))
            let again = try await api.send(.post, path, Self.body([Self.messages[0], Self.messages[1]]))
            #expect(again.text == first.text)
            #expect(again.headers[.eTag] == first.headers[.eTag])
            let more = try await api.send(.post, path, Self.body([Self.messages[1], Self.messages[2]]))
            #expect(more.json["message_count"] == 3)
            let other = #"{"id":"m1","role":"user","content":"something else"}"#
            let refused = try await api.send(.post, path, Self.body([Self.messages[3], other]))
            #expect(refused.status == 409)
            #expect(refused.detail?.contains("same id") == true)
            #expect(Self.ids(try await api.send(.get, "/v1/working-memory/s")) == ["m1", "m2", "m3"])
            // A PUT may say one id twice, as ever.
            let doubled = try await api.send(
                .put, "/v1/working-memory/s", Self.body([Self.messages[0], Self.messages[0]]))
            #expect(Self.ids(doubled) == ["m1", "m1"])
        }
    }

    @Test func `time to live of nothing deletes`() async throws {
        try await APIFixture.run { api async throws in
            let path = "/v1/working-memory/s"
            #expect(try await api.send(.put, path, "{}").status == 200)
            #expect(try await api.send(.put, path, #"{"ttl_seconds":0,"context":"c"}"#).json["context"] == "c")
            #expect(try await api.send(.get, path).status == 404)
        }
    }

    @Test func `messages without a date can be refused`() async throws {
        let rules = MessageRules(maximumFutureSeconds: 10, requiresDates: true)
        try await APIFixture.run(configuration: .init(messageRules: rules)) { api async throws in
            let path = "/v1/working-memory/s"
            let undated = try await api.send(.put, path, Self.body([#"{"role":"user","content":"x"}"#]))
            #expect(undated.status == 422)
            #expect(undated.places == ["body.messages.0"])
            func dated(_ date: String) -> String {
                Self.body([#"{"role":"user","content":"x","created_at":"\#(date)"}"#])
            }
            #expect(try await api.send(.put, path, dated("2026-01-02T03:04:15Z")).status == 200)
            #expect(try await api.send(.put, path, dated("2026-01-02T03:04:16Z")).status == 422)
        }
    }

    @Test func `prompts hold summary messages memories and query`() async throws {
        try await APIFixture.run { api async throws in
            try await api.create(
                #"{"id":"mine","text":"likes espresso","user_id":"u"},{"id":"here","text":"espresso today","user_id":"u","session_id":"s"},{"id":"other","text":"espresso","user_id":"v"}"#
            )
            let session = Self.body(
                [Self.messages[0], #"{"id":"t","role":"tool","content":"result"}"#],
                #","user_id":"u","context":"so far""#)
            #expect(try await api.send(.put, "/v1/working-memory/s", session).status == 200)
            let path = "/v1/memory/prompt/"
            let answer = try await api.send(
                .post, path, #"{"query":"espresso","session":{"session_id":"s"},"long_term_search":true}"#)
            let messages = (answer.json["messages"]?.arrayValue ?? []).map {
                "\($0["role"]?.stringValue ?? "?"): \($0["content"]?["text"]?.stringValue ?? "?")"
            }
            #expect(
                messages == [
                    "system: ## A summary of the conversation so far:\nso far", "user: message number 1",
                    "assistant: result",
                    "system: ## Long term memories related to the user's query\n - likes espresso (ID: mine)",
                    "user: espresso",
                ])
            #expect((answer.json["long_term_memories"]?.arrayValue ?? []).map { $0["id"] } == ["mine"])
            let wished = try await api.send(
                .post, path,
                #"{"query":"espresso","long_term_search":{"text":"ignored","user_id":{"eq":"v"}},"session":{"session_id":"s"}}"#
            )
            #expect((wished.json["long_term_memories"]?.arrayValue ?? []).map { $0["id"] } == ["other"])
            let nothing = try await api.send(
                .post, path, #"{"query":"espresso","long_term_search":{"user_id":{"eq":"nobody"}}}"#)
            #expect(nothing.json["long_term_memories"] == .null)
            #expect(nothing.text.contains("\\n No relevant long-term memories found."))
            #expect(try await api.send(.post, path, #"{"query":"q","session":{"session_id":"none"}}"#).status == 200)
            let neither = try await api.send(.post, path, #"{"query":"q","long_term_search":false}"#)
            #expect(neither.status == 400)
            #expect(neither.detail == "Either session or long_term_search must be provided")
            let bad = try await api.send(.post, path, #"{"query":"q","long_term_search":{"limit":0}}"#)
            #expect(bad.places == ["body.long_term_search.SearchRequest.limit"])
            let misspelt = try await api.send(.post, path, #"{"query":"q","long_term_search":{"user":{"eq":"u"}}}"#)
            #expect(misspelt.status == 422)
            #expect(
                try await api.send(.post, path, #"{"query":"q","session":{}}"#).places == ["body.session.session_id"])
        }
    }
}
