import AgentMemory

extension ConformanceCheck {
    /// Rules about requests: spellings, wrong input, statuses. Responses are judged by their status
    /// and by the place that a 422 names, not by their texts.
    static let wireChecks: [ConformanceCheck] =
        WireFilterChecks.checks + WireRecordChecks.checks + WirePageChecks.checks

    enum WirePageChecks {
        static let checks: [ConformanceCheck] = [
            ConformanceCheck(
                "wire/S1-no-text", hint: "a search without a text must be a list: newest first, dist 0, no score",
                run: noText),
            ConformanceCheck(
                "wire/S2-values-out-of-range", hint: "a parameter is cut to its range, ignored, or answered 500",
                run: valuesOutOfRange),
            ConformanceCheck(
                "wire/S3-threshold-outside-semantic", needs: [.distanceThreshold],
                hint: "distance_threshold is ignored in keyword or hybrid mode; it must be refused with 400",
                run: thresholdOutsideSemantic),
            ConformanceCheck(
                "wire/P3-next-offset", hint: "next_offset is always null, or points past the end", run: nextOffset),
            ConformanceCheck(
                "wire/P4-limits", level: .paging,
                hint: "limits outside of 1 to 100 must be refused, and any offset must have an answer", run: limits),
            ConformanceCheck(
                "wire/P5-recency-boost", level: .paging,
                hint: "recency_boost brings other records onto a page; it only re-orders what the page has",
                run: recencyBoost),
            ConformanceCheck(
                "wire/E1-answers", hint: "a mistake of the client is answered 500, or with a body that is not JSON",
                run: answers),
        ]

        @Sendable static func noText(_ scope: CheckScope) async throws {
            let wire = try scope.wire
            _ = try await scope.database.add(
                try (0..<5).map { try MemoryRecord(id: "n\($0)", text: "[1] x", createdAt: at(Int64($0 % 3))) })
            let expected = ["n2", "n1", "n4", "n0", "n3"].map { wire.scope + $0 }
            for body: JSONObject in [[:], ["text": nil], ["text": ""], ["text": " \n"]] {
                let what = JSONValue.object(body).jsonText
                let answer = try await wire.search(body)
                try scope.expect(what, answer, status: 200)
                try scope.expect("order of \(what)", answer.ids, expected)
                for memory in answer.memories {
                    try scope.expect("dist with \(what)", memory["dist"]?.doubleValue, 0)
                    try scope.expect("score with \(what)", memory["score"], .null)
                    try scope.expect("score_type with \(what)", memory["score_type"], .null)
                }
            }
        }

        @Sendable static func valuesOutOfRange(_ scope: CheckScope) async throws {
            let wire = try scope.wire
            for (name, value) in [
                ("search_mode", "fuzzy"), ("search_mode", 1), ("hybrid_alpha", 1.5), ("hybrid_alpha", -0.1),
                ("hybrid_alpha", "high"), ("text_scorer", "NONE"), ("distance_threshold", -1),
                ("distance_threshold", "near"), ("recency_boost", "perhaps"), ("server_side_recency", 7),
            ] as [(String, JSONValue)] {
                var body: JSONObject = ["text": "word"]
                if name == "hybrid_alpha" { body["search_mode"] = "hybrid" }
                if name == "text_scorer" { body["search_mode"] = "keyword" }
                body[name] = value
                try scope.expectRefused("\(name) \(value.jsonText)", try await wire.search(body), at: "body.\(name)")
            }
        }

        @Sendable static func thresholdOutsideSemantic(_ scope: CheckScope) async throws {
            let wire = try scope.wire
            for mode in ["keyword", "hybrid"] {
                let answer = try await wire.search([
                    "text": "word", "search_mode": .string(mode), "distance_threshold": 0.5,
                ])
                try scope.expect("a threshold in \(mode) mode", answer, status: 400)
            }
            let semantic = try await wire.search(["text": "word", "distance_threshold": 0.5])
            try scope.expect("a threshold in semantic mode", semantic, status: 200)
        }

        @Sendable static func nextOffset(_ scope: CheckScope) async throws {
            let wire = try scope.wire
            _ = try await scope.database.add(try (0..<25).map { try MemoryRecord(id: "p\($0)", text: "[1] x") })
            for (limit, offset, next) in [(10, 0, 10), (10, 10, 20), (10, 20, nil), (25, 0, nil), (24, 0, 24)]
                as [(Int, Int, Int?)]
            {
                for text: JSONValue in [nil, "x"] {
                    let answer = try await wire.search(["text": text, "limit": .int(limit), "offset": .int(offset)])
                    let what = "limit \(limit), offset \(offset), text \(text.jsonText)"
                    try scope.expect(what, answer, status: 200)
                    try scope.expect("total at \(what)", answer.total, 25)
                    try scope.expect(
                        "next_offset at \(what)", answer.body?["next_offset"], next.map { .int($0) } ?? .null)
                }
            }
        }

        @Sendable static func limits(_ scope: CheckScope) async throws {
            let wire = try scope.wire
            _ = try await scope.database.add(try (0..<3).map { try MemoryRecord(id: "p\($0)", text: "[1] x") })
            for limit in [0, 101, -1, 10_000] {
                try scope.expectRefused(
                    "limit \(limit)", try await wire.search(["limit": .int(limit)]), at: "body.limit")
            }
            try scope.expectRefused("offset -1", try await wire.search(["offset": -1]), at: "body.offset")
            try scope.expectRefused("limit 2.5", try await wire.search(["limit": 2.5]), at: "body.limit")
            for text: JSONValue in [nil, "x"] {
                for limit in [1, 100] {
                    let answer = try await wire.search(["text": text, "limit": .int(limit)])
                    try scope.expect("limit \(limit), text \(text.jsonText)", answer, status: 200)
                    try scope.expect("results at limit \(limit)", answer.ids.count, min(limit, 3))
                }
                for offset in [3, 10_000, 1_000_000, 1_000_000_000_000] {
                    let answer = try await wire.search(["text": text, "offset": .int(offset)])
                    let what = "offset \(offset), text \(text.jsonText)"
                    try scope.expect(what, answer, status: 200)
                    try scope.expect("results at \(what)", answer.ids, [])
                    try scope.expect("total at \(what)", answer.total, 3)
                    try scope.expect("next_offset at \(what)", answer.body?["next_offset"], .null)
                }
            }
        }

        @Sendable static func recencyBoost(_ scope: CheckScope) async throws {
            let wire = try scope.wire
            _ = try await scope.database.add(
                try (0..<40).map {
                    try MemoryRecord(
                        id: "b\($0)", text: "[1, 0.\($0)] number \($0)", createdAt: at(Int64($0) * 86_400),
                        lastAccessed: at(Int64(40 - $0) * 86_400))
                })
            for offset in stride(from: 0, to: 40, by: 10) {
                let page: JSONObject = ["text": "number 7", "limit": 10, "offset": .int(offset)]
                let plain = try await wire.search(page)
                try scope.expect("a page without recency_boost", plain.ids.count, 10)
                // null counts as true.
                for boost: JSONValue in [true, nil] {
                    var boosted = page
                    boosted["recency_boost"] = boost
                    let answer = try await wire.search(boosted)
                    let what = "recency_boost \(boost.jsonText) at offset \(offset)"
                    try scope.expect(what, answer, status: 200)
                    try scope.expect("ids with \(what)", answer.ids.sorted(), plain.ids.sorted())
                    try scope.expect("total with \(what)", answer.total, 40)
                }
            }
        }

        @Sendable static func answers(_ scope: CheckScope) async throws {
            let wire = try scope.wire
            let health = try await wire.send("GET", "/v1/health")
            try scope.expect("/v1/health", health, status: 200)
            try scope.expect("now is milliseconds since 1970", health.body?["now"]?.intValue ?? 0 > 1_600_000_000_000)
            for (method, path, status) in [
                ("GET", "/v1/no-such-route", 404), ("GET", wire.path("absent"), 404),
                ("DELETE", "/v1/health", 405), ("PUT", RESTCalls.records + "/search", 405),
            ] {
                let answer = try await wire.send(method, path)
                try scope.expect("\(method) \(path)", answer, status: status)
                try scope.expect(
                    "\(method) \(path) tells why", answer.body?["detail"]?.stringValue?.isEmpty == false)
            }
            for (text, what) in [("{\"text\": ", "half an object"), ("", "nothing"), ("{]", "no JSON at all")] {
                let answer = try await wire.send("POST", RESTCalls.records + "/search", bytes: Array(text.utf8))
                try scope.expectRefused("a body with \(what)", answer, at: "body")
            }
            for body: JSONValue in [[1, 2], "text", 5] {
                let answer = try await wire.send("POST", RESTCalls.records + "/search", body)
                try scope.expectRefused("the body \(body.jsonText)", answer, at: "body")
            }
        }
    }
}
