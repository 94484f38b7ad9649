import AgentMemory
import HTTPTypes
import MemoryHTTP
import Testing

/// What was given and cannot be used is refused, with a place that names it, and nothing happens.
@Suite struct RefusedInputTests {
    private static let session = #"{"user_id":"victim","messages":[{"role":"user","content":"secret"}]}"#

    private static func withSession(_ body: @Sendable @escaping (APIFixture) async throws -> Void) async throws {
        try await APIFixture.run { api async throws in
            #expect(try await api.send(.put, "/v1/working-memory/s", session).status == 200)
            try await body(api)
            #expect(try await api.send(.get, "/v1/working-memory/s?user_id=victim").text.contains("secret"))
        }
    }

    @Test(arguments: [
        ("user_id=Jos%E9", "query.user_id"), ("user_id=%", "query.user_id"), ("user_id=%zz", "query.user_id"),
        ("user_id=%ED%A0%80", "query.user_id"), ("user_id=a#b", "query.user_id"),
        ("user_id=Jos\u{FFFD}", "query.user_id"), ("user%E9=a", "query"), ("userid=a", "query.userid"),
        ("User_id=a", "query.User_id"), ("=a", "query."), ("user_id=a&user_id=victim", "query.user_id"),
    ])
    func `parameters that cannot be used`(_ query: String, _ place: String) async throws {
        try await Self.withSession { api async throws in
            for (method, path, body) in [
                (HTTPRequest.Method.get, "/v1/working-memory/", nil), (.get, "/v1/working-memory/s", nil),
                (.delete, "/v1/working-memory/s", nil), (.put, "/v1/working-memory/s", "{}"),
                (.post, "/v1/working-memory/s/messages", Self.session), (.delete, "/v1/long-term-memory", nil),
                (.get, "/v1/long-term-memory/x", nil), (.patch, "/v1/long-term-memory/x", #"{"text":"x"}"#),
                (.post, "/v1/long-term-memory/", #"{"memories":[]}"#), (.post, "/v1/long-term-memory/search", "{}"),
                (.post, "/v1/long-term-memory/list", "{}"), (.post, "/v1/long-term-memory/count", "{}"),
                (.post, "/v1/memory/prompt", #"{"query":"q","session":{"session_id":"s"}}"#),
            ] as [(HTTPRequest.Method, String, String?)] {
                let answer = try await api.send(method, "\(path)?\(query)", body)
                #expect(answer.status == 422, "\(method) \(path)")
                // Where two values contradict each other, a route that knows the name not at all
                // names it twice.
                #expect(Set(answer.places) == [place], "\(method) \(path): \(answer.text)")
            }
        }
    }

    @Test func `what the references clients send is taken`() async throws {
        try await Self.withSession { api async throws in
            // The same value twice says nothing else than once.
            let twice = "/v1/working-memory/s?user_id=victim&user_id=victim"
            #expect(try await api.send(.get, twice).status == 200)
            #expect(try await api.send(.get, "/v1/working-memory/s?&user_id=victim&").status == 200)
            #expect(try await api.send(.put, "/v1/working-memory/t?background=true", "{}").status == 200)
            try await api.create(#"{"id":"m","text":"x"}"#)
            #expect(try await api.send(.get, "/v1/long-term-memory/m?namespace=n").status == 200)
            for optimize in ["true", "False", "0"] {
                let answer = try await api.send(
                    .post, "/v1/long-term-memory/search?optimize_query=\(optimize)", "{}")
                #expect(answer.status == 200, "\(optimize)")
            }
            #expect(
                try await api.send(.delete, "/v1/long-term-memory?memory_ids=m&memory_ids=n&namespace=n").json["status"]
                    == "ok, deleted 1 memories")
        }
    }

    @Test func `parameters of another route are unknown`() async throws {
        try await Self.withSession { api async throws in
            for (method, path, place) in [
                (HTTPRequest.Method.delete, "/v1/working-memory/s?recent_messages_limit=1", "recent_messages_limit"),
                (.get, "/v1/working-memory/?model_name=gpt-4o", "model_name"),
                (.delete, "/v1/long-term-memory?ids=m", "ids"), (.get, "/v1/long-term-memory/m?user_id=u", "user_id"),
            ] {
                #expect(try await api.send(method, path).places == ["query.\(place)"], "\(path)")
            }
            for path in ["/v1/long-term-memory/search", "/v1/memory/prompt"] {
                let body = path.hasSuffix("prompt") ? #"{"query":"q","long_term_search":true}"# : "{}"
                let answer = try await api.send(.post, "\(path)?optimize_query=maybe", body)
                #expect(answer.places == ["query.optimize_query"])
            }
        }
    }

    @Test(arguments: ["", "%20", "%E2%80%83", "+"])
    func `an empty user is not everybody`(_ blank: String) async throws {
        try await Self.withSession { api async throws in
            for name in ["user_id", "namespace"] {
                let list = try await api.send(.get, "/v1/working-memory/?\(name)=\(blank)")
                #expect(list.places == ["query.\(name)"])
                // Of one session an empty value says that it has none.
                let one = try await api.send(.get, "/v1/working-memory/s?user_id=\(blank)")
                #expect(one.status == 404)
            }
        }
    }

    @Test(arguments: ["", " ", "\u{2003}"])
    func `a prompt for an empty user is refused`(_ blank: String) async throws {
        try await APIFixture.run { api async throws in
            try await api.create(#"{"id":"m","text":"the code word","user_id":"alice"}"#)
            for (body, place) in [
                (#""session":{"session_id":"o","user_id":"\#(blank)"}"#, "body.session.user_id"),
                (#""session":{"session_id":"o","namespace":"\#(blank)"}"#, "body.session.namespace"),
                (#""session":{"session_id":"o","userId":"alice"}"#, "body.session.userId"),
                (#""user_id":"alice""#, "body.user_id"),
            ] {
                let answer = try await api.send(
                    .post, "/v1/memory/prompt", #"{"query":"code word","long_term_search":true,\#(body)}"#)
                #expect(answer.places == [place])
            }
            let wished = try await api.send(
                .post, "/v1/memory/prompt",
                #"{"query":"code word","long_term_search":{"user_id":{"eq":"\#(blank)"}}}"#)
            #expect(wished.places == ["body.long_term_search.SearchRequest.user_id.eq"])
        }
    }

    @Test func `conditions that a route does not look at`() async throws {
        try await Self.withSession { api async throws in
            let conditions: [HTTPField.Name] = [.ifMatch, .ifNoneMatch, .ifUnmodifiedSince]
            for (method, path, body) in [
                (HTTPRequest.Method.get, "/v1/working-memory/s", nil),
                (.post, "/v1/working-memory/s/messages", Self.session), (.delete, "/v1/long-term-memory", nil),
                (.patch, "/v1/long-term-memory/x", #"{"text":"x"}"#),
                (.post, "/v1/long-term-memory/", #"{"memories":[]}"#),
            ] as [(HTTPRequest.Method, String, String?)] {
                for name in conditions {
                    let answer = try await api.send(method, path, body, headers: [name: "\"9\""])
                    #expect(answer.places == ["header.\(name.rawName)"], "\(method) \(path) \(name)")
                }
            }
            let late = try await api.send(.delete, "/v1/working-memory/s", headers: [.ifUnmodifiedSince: "today"])
            #expect(late.places == ["header.If-Unmodified-Since"])
        }
    }

    @Test func `bodies where none is taken`() async throws {
        try await Self.withSession { api async throws in
            let filter = #"{"user_id":"nobody"}"#
            for (method, path) in [
                (HTTPRequest.Method.get, "/v1/working-memory/"), (.delete, "/v1/working-memory/s"),
            ] {
                for headers: HTTPFields in [[.contentLength: "20"], [.transferEncoding: "chunked"]] {
                    let answer = try await api.send(method, path, filter, headers: headers)
                    #expect(answer.places == ["body"], "\(method) \(path)")
                }
            }
            #expect(try await api.send(.get, "/v1/working-memory/", headers: [.contentLength: "0"]).status == 200)
        }
    }

    @Test func `an append names its session in the query alone`() async throws {
        try await Self.withSession { api async throws in
            #expect(
                try await api.send(.post, "/v1/working-memory/s/messages", Self.session).places == ["body.user_id"])
        }
    }

    @Test(arguments: [
        #"{"user_id":{"eq":"a"},"user_id":null}"#, #"{"user_id":{"eq":"a","eq":"b"}}"#,
        #"{"limit":1,"\u006cimit":2}"#,
    ])
    func `a name that is there twice`(_ body: String) async throws {
        try await APIFixture.run { api async throws in
            let answer = try await api.search(body)
            #expect(answer.status == 422)
            #expect(answer.types == ["json_invalid"])
            #expect(answer.text.contains("twice"))
            #expect(try await api.search(#"{"limit":1,"limit":1}"#).status == 200)
        }
    }

    @Test func `encodings of bodies`() async throws {
        try await APIFixture.run { api async throws in
            let json = #"{"text":"ü"}"#
            let path = "/v1/long-term-memory/search"
            func send(_ bytes: [UInt8], _ headers: HTTPFields = [:]) async throws -> APIFixture.Answer {
                try await api.send(.post, path, bytes: bytes, headers: headers)
            }
            #expect(try await send([0xEF, 0xBB, 0xBF] + json.utf8).status == 200)
            let misplaced = try await send([0xEF, 0xBB, 0xBF] + "{x".utf8)
            #expect(misplaced.places == ["body.4"])
            let little = json.utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }
            let big = json.utf16.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xFF)] }
            for bytes in [[0xFF, 0xFE] + little, [0xFE, 0xFF] + big, little, big] {
                let answer = try await send(bytes)
                #expect(answer.status == 415)
                #expect(answer.detail?.contains("UTF-8") == true)
            }
            for (type, status) in [
                ("application/json; charset=iso-8859-1", 415), ("application/json; charset=\"UTF-8\"", 200),
                ("application/json;charset=utf8", 200), ("application/json; charset=utf-16", 415),
            ] {
                #expect(try await send(Array(json.utf8), [.contentType: type]).status == status, "\(type)")
            }
            for (coding, status) in [("gzip", 415), ("identity", 200)] {
                #expect(try await send(Array(json.utf8), [.contentEncoding: coding]).status == status)
            }
            #expect(try await send([0x22, 0xE9, 0x22]).status == 400)
        }
    }
}
