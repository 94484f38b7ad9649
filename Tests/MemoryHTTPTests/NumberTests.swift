import AgentMemory
import HTTPTypes
import MemoryHTTP
import Testing

/// The extremes of every number that a request can carry: each has an answer, and the server lives.
@Suite struct NumberTests {
    static let extremes = [
        "-9223372036854775809", "-9223372036854775808", "-9223372036854775807", "-2147483649", "-1", "0", "1",
        "2147483647", "2147483648", "4294967296", "9007199254740993", "9223372036854775806", "9223372036854775807",
        "9223372036854775808", "18446744073709551616", "-99999999999999999999999", "99999999999999999999999",
    ]
    static let fractions = ["0.5", "-0.0", "1e18", "1e19", "-1e19", "1e308", "-1e308", "5e-324", "1e400", "-1e400"]

    private static func withSession(_ body: @Sendable @escaping (APIFixture) async throws -> Void) async throws {
        try await APIFixture.run { api async throws in
            let messages = (0..<4).map { #"{"role":"user","content":"message \#($0)","created_at":1700000000}"# }
            let session = "{\"messages\":[\(messages.joined(separator: ","))]}"
            #expect(try await api.send(.put, "/v1/working-memory/s", session).status == 200)
            try await api.create(#"{"id":"m","text":"[1] word"}"#)
            try await body(api)
            #expect(try await api.send(.get, "/v1/health").status == 200)
        }
    }

    @Test func `windows and limits of sessions`() async throws {
        try await Self.withSession { api async throws in
            for number in Self.extremes {
                for name in ["context_window_max", "recent_messages_limit"] {
                    let answer = try await api.send(.get, "/v1/working-memory/s?\(name)=\(number)")
                    #expect(answer.status == 200, "\(name)=\(number)")
                    #expect(answer.json["messages"]?.arrayValue?.isEmpty == false, "\(name)=\(number)")
                }
                let both = "/v1/working-memory/s?context_window_max=\(number)&recent_messages_limit=\(number)"
                #expect(try await api.send(.get, both).status == 200)
                let put = try await api.send(.put, "/v1/working-memory/t?context_window_max=\(number)", "{}")
                #expect(put.status == 200)
                for quoted in [number, "\"\(number)\""] {
                    let prompt = try await api.send(
                        .post, "/v1/memory/prompt",
                        #"{"query":"q","session":{"session_id":"s","context_window_max":\#(quoted)}}"#)
                    #expect(prompt.status == 200, "\(quoted)")
                }
            }
            // A negative window is one of nothing: the last message stays.
            let least = try await api.send(.get, "/v1/working-memory/s?context_window_max=-9223372036854775808")
            #expect(least.json["messages"]?.arrayValue?.count == 1)
            #expect(least.json["context_percentage_total_used"] == .null)
        }
    }

    @Test func pages() async throws {
        try await Self.withSession { api async throws in
            for number in Self.extremes {
                let isNegative = number.hasPrefix("-")
                let list = try await api.send(.get, "/v1/working-memory/?offset=\(number)")
                #expect(list.status == (isNegative ? 422 : 200), "\(number)")
                #expect(
                    try await api.send(.get, "/v1/working-memory/?limit=\(number)").status
                        == (number == "1" ? 200 : 422))
                for body in [#"{"offset":\#(number)}"#, #"{"text":"word","offset":\#(number)}"#] {
                    #expect(try await api.search(body).status == (isNegative ? 422 : 200), "\(body)")
                    #expect(
                        try await api.search(body.replacing("offset", with: "limit")).status
                            == (number == "1" ? 200 : 422))
                }
                let page = try await api.send(.post, "/v1/long-term-memory/list", #"{"offset":\#(number),"limit":100}"#)
                #expect(page.status == (isNegative ? 422 : 200))
            }
        }
    }

    @Test func `numbers of searches`() async throws {
        try await Self.withSession { api async throws in
            for name in [
                "hybrid_alpha", "distance_threshold", "recency_semantic_weight", "recency_recency_weight",
                "recency_freshness_weight", "recency_novelty_weight", "recency_half_life_last_access_days",
                "recency_half_life_created_days",
            ] {
                for number in Self.extremes + Self.fractions {
                    for more in ["", #","server_side_recency":true"#] where more.isEmpty || name.hasPrefix("recency") {
                        let answer = try await api.search(#"{"text":"[1] word","\#(name)":\#(number)\#(more)}"#)
                        #expect([200, 422].contains(answer.status), "\(name) \(number): \(answer.text)")
                        if answer.status == 422 {
                            #expect(answer.places == ["body.\(name)"])
                        }
                    }
                }
            }
        }
    }

    @Test func `numbers of records and sessions`() async throws {
        try await Self.withSession { api async throws in
            for number in Self.extremes + Self.fractions {
                for name in [
                    "access_count", "created_at", "last_accessed", "updated_at", "persisted_at", "event_date",
                ] {
                    let record = #"{"id":"x","text":"x","\#(name)":\#(number)}"#
                    let created = try await api.send(.post, "/v1/long-term-memory/", "{\"memories\":[\(record)]}")
                    #expect([200, 422].contains(created.status), "\(name) \(number): \(created.text)")
                    let put = try await api.send(.put, "/v1/working-memory/u", "{\"memories\":[\(record)]}")
                    #expect(put.status == created.status, "\(name) \(number): \(put.text)")
                }
                for name in ["tokens", "ttl_seconds", "last_accessed", "created_at", "updated_at"] {
                    let put = try await api.send(.put, "/v1/working-memory/u", #"{"\#(name)":\#(number)}"#)
                    // A stamp of the client's own, from before the session was written, may be a
                    // conflict.
                    #expect([200, 409, 422].contains(put.status), "\(name) \(number): \(put.text)")
                }
                let message = #"{"messages":[{"role":"user","content":"x","created_at":\#(number)}]}"#
                for path in ["u", "w"] {
                    let appended = try await api.send(.post, "/v1/working-memory/\(path)/messages", message)
                    #expect([200, 422].contains(appended.status), "\(number): \(appended.text)")
                }
                for comparison in ["gt", "lte", "eq", "ne"] {
                    let counted = try await api.send(
                        .post, "/v1/long-term-memory/count", #"{"created_at":{"\#(comparison)":\#(number)}}"#)
                    #expect([200, 422].contains(counted.status))
                }
                let kept = try await api.send(
                    .patch, "/v1/long-term-memory/m", #"{"event_date":\#(number)}"#)
                #expect([200, 422].contains(kept.status))
            }
        }
    }

    @Test func `revisions of conditions`() async throws {
        try await Self.withSession { api async throws in
            for number in Self.extremes where number != "1" {
                let put = try await api.send(.put, "/v1/working-memory/s", "{}", headers: [.ifMatch: "\"\(number)\""])
                #expect(put.status == 412, "\(number)")
            }
        }
    }
}
