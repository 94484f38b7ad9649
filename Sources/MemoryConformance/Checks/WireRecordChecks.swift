import AgentMemory

extension ConformanceCheck {
    enum WireRecordChecks {
        static let checks: [ConformanceCheck] = [
            ConformanceCheck(
                "wire/R1-bad-input",
                hint: "an id or a text that breaks the rules is stored, or answered without its place", run: badInput),
            ConformanceCheck(
                "wire/R1-ids-in-paths", hint: "an id with a slash, a percent sign or a blank is cut, or decoded twice",
                run: idsInPaths),
            ConformanceCheck(
                "wire/R4-nulls-and-lists", hint: "a member is missing, or a list is null", run: nullsAndLists),
            ConformanceCheck(
                "wire/R5-bad-tags", hint: "a comma in a list, a control character or a long value is stored, or cut",
                run: badTags),
            ConformanceCheck(
                "wire/R5-normalised",
                hint: "values are stored with the white space around them, or an empty one is kept", run: normalised),
            ConformanceCheck(
                "wire/R8-set-by-the-server", hint: "memory_hash is what the client said, or persisted_at stays empty",
                run: setByTheServer),
            ConformanceCheck(
                "wire/U1-edit", hint: "an edit creates the record, loses fields, or does not answer the whole record",
                run: edit),
            ConformanceCheck(
                "wire/D1-delete-counts", hint: "the answer counts ids that were not there, or the same id twice",
                run: deleteCounts),
        ]

        @Sendable static func badInput(_ scope: CheckScope) async throws {
            let wire = try scope.wire
            for (field, value) in [
                ("id", nil), ("id", ""), ("id", " \t"), ("id", 5), ("id", .string(String(repeating: "x", count: 600))),
                ("id", "a\u{7}b"), ("text", nil), ("text", ""), ("text", " \n "), ("text", ["a"]),
                ("text", "nul\u{0}inside"), ("memory_type", "gossip"), ("created_at", "yesterday"),
                ("event_date", "2024-02-30"), ("topics", "not a list"), ("metadata", [1]), ("pinned", "perhaps"),
                ("access_count", -1),
            ] as [(String, JSONValue)] {
                let good = wire.memory("good")
                // An id that must be refused may be outside of the scope: if it were stored, its
                // namespace would identify its scope.
                let bad = value == "a\u{7}b" ? wire.memory("a\u{7}b") : wire.memory("bad", [field: value])
                let shown = value.jsonText.prefix(40)
                let answer = try await wire.create([good, bad])
                try scope.expectRefused("\(field) \(shown)", answer, at: "body.memories.1.\(field)")
                try scope.expect(
                    "records after \(field) \(shown) was refused", try await scope.database.count(.everything), 0)
            }
            var incomplete = wire.memory("bad")
            incomplete["text"] = nil
            try scope.expectRefused(
                "no text", try await wire.create([incomplete]), at: "body.memories.0.text")
            incomplete = wire.memory("bad")
            incomplete["id"] = nil
            try scope.expectRefused("no id", try await wire.create([incomplete]), at: "body.memories.0.id")
            try scope.expectRefused(
                "no memories", try await wire.send("POST", RESTCalls.records + "/", [:]), at: "body.memories")
            try scope.expect("records in the end", try await scope.database.count(.everything), 0)
        }

        @Sendable static func idsInPaths(_ scope: CheckScope) async throws {
            let wire = try scope.wire
            let ids = ["a/b", "a%2Fb", "a b", "a+b", "?q=1", "#x", "é", "..", "search", "a;b", "a&b=c", "\"quoted\""]
            _ = try await scope.database.add(try ids.map { try MemoryRecord(id: $0, text: "[1] \($0)") })
            for id in ids {
                let answer = try await wire.send("GET", wire.path(id))
                try scope.expect("GET of \(id.debugDescription)", answer, status: 200)
                try scope.expect("its text", exactly: answer.body?["text"]?.stringValue ?? "", "[1] \(id)")
            }
        }

        @Sendable static func nullsAndLists(_ scope: CheckScope) async throws {
            let wire = try scope.wire
            try scope.expect(
                "create",
                try await wire.create([
                    wire.memory(
                        "bare",
                        [
                            "session_id": nil, "user_id": nil, "topics": nil, "entities": nil, "metadata": nil,
                            "event_date": nil, "unknown_member": 1,
                        ])
                ]), status: 200)
            let record = try await wire.send("GET", wire.path("bare"))
            try scope.expect("GET", record, status: 200)
            for (name, expected) in [
                ("session_id", nil), ("user_id", nil), ("event_date", nil), ("topics", []), ("entities", []),
                ("extracted_from", []), ("metadata", [:]), ("extraction_strategy_config", [:]), ("pinned", false),
                ("access_count", 0), ("memory_type", "semantic"), ("discrete_memory_extracted", "t"),
                ("extraction_strategy", "discrete"),
            ] as [(String, JSONValue)] {
                try scope.expect(name, record.body?[name], expected)
            }
            for name in ["created_at", "last_accessed", "updated_at"] {
                let date = record.body?[name]?.stringValue ?? "nothing"
                try scope.expect("\(name) ends with Z: \(date)", date.hasSuffix("Z"))
            }
            let hit = try await wire.search(["text": "text"]).memories.first?.objectValue
            for name in ["dist", "score", "score_type"] { try scope.expect("a hit has \(name)", hit?[name] != nil) }
        }

        @Sendable static func badTags(_ scope: CheckScope) async throws {
            let wire = try scope.wire
            let long = JSONValue.string(String(repeating: "x", count: 513))
            for (field, value) in [
                ("topics", ["fine", "a,b"]), ("entities", ["a,b"]), ("extracted_from", ["a,b"]), ("topics", [long]),
                ("user_id", long), ("session_id", long), ("user_id", "a\u{1}b"), ("topics", ["line\nbreak"]),
                ("user_id", 5), ("topics", [5]),
            ] as [(String, JSONValue)] {
                let answer = try await wire.create([wire.memory("bad", [field: value])])
                try scope.expectRefused(
                    "\(field) \(value.jsonText.prefix(40))", answer, at: "body.memories.0.\(field)")
            }
            try scope.expect("records in the end", try await scope.database.count(.everything), 0)
        }

        @Sendable static func normalised(_ scope: CheckScope) async throws {
            let wire = try scope.wire
            let created = try await wire.create([
                wire.memory(
                    "a",
                    [
                        "user_id": "  ann ", "session_id": "", "topics": ["\u{A0}t\u{2003}", "", "u"],
                        "entities": ["  "],
                    ])
            ])
            try scope.expect("create", created, status: 200)
            let record = try await wire.send("GET", wire.path("a"))
            try scope.expect("user_id", record.body?["user_id"], "ann")
            try scope.expect("session_id", record.body?["session_id"], .null)
            try scope.expect("topics", record.body?["topics"], ["t", "u"])
            try scope.expect("entities", record.body?["entities"], [])
            let found = try await wire.search(["user_id": ["eq": " ann  "]])
            try scope.expect("found by the same value", found.ids, [wire.scope + "a"])
        }

        @Sendable static func setByTheServer(_ scope: CheckScope) async throws {
            let wire = try scope.wire
            let created = try await wire.create([
                wire.memory(
                    "a",
                    [
                        "text": "Grüße \"🙂\"", "user_id": "u", "memory_hash": "of the client",
                        "persisted_at": "2001-01-01T00:00:00Z",
                    ])
            ])
            try scope.expect("create", created, status: 200)
            let record = try await wire.send("GET", wire.path("a"))
            let hash = MemoryHash.compute(
                text: "Grüße \"🙂\"", userID: "u", sessionID: nil, namespace: wire.scope, memoryType: .semantic)
            try scope.expect("memory_hash", record.body?["memory_hash"], .string(hash))
            let persisted = record.body?["persisted_at"]?.stringValue.flatMap { Timestamp(parsing: $0) }
            try scope.expect("persisted_at is set", persisted != nil)
            try scope.expect("persisted_at is not what the client said", persisted?.iso8601 != "2001-01-01T00:00:00Z")
        }

        @Sendable static func edit(_ scope: CheckScope) async throws {
            let wire = try scope.wire
            let absent = try await wire.send("PATCH", wire.path("absent"), ["text": "[1] new"])
            try scope.expect("an edit of an unknown id", absent, status: 404)
            try scope.expect("records", try await scope.database.count(.everything), 0)
            _ = try await scope.database.add([
                try MemoryRecord(id: "a", text: "[1] text", userID: "u", topics: ["t"], metadata: ["k": 1])
            ])
            try scope.expect("nothing to change", try await wire.send("PATCH", wire.path("a"), [:]), status: 400)
            try scope.expect(
                "null is not given", try await wire.send("PATCH", wire.path("a"), ["text": nil]), status: 400)
            for (field, value) in [
                ("text", ""), ("text", 5), ("memory_type", "gossip"), ("topics", "t"), ("topics", ["a,b"]),
            ]
                as [(String, JSONValue)]
            {
                let answer = try await wire.send("PATCH", wire.path("a"), ["pinned": true, field: value])
                try scope.expectRefused("\(field) \(value.jsonText)", answer, at: "body.\(field)")
            }
            let edited = try await wire.send(
                "PATCH", wire.path("a"), ["topics": [], "user_id": nil, "session_id": "s"])
            try scope.expect("the edit", edited, status: 200)
            for (name, expected) in [
                ("id", .string(wire.scope + "a")), ("text", "[1] text"), ("user_id", "u"), ("session_id", "s"),
                ("topics", []), ("metadata", ["k": 1]), ("pinned", false),
            ] as [(String, JSONValue)] {
                try scope.expect("\(name) in the answer", edited.body?[name], expected)
            }
            let stored = try await wire.send("GET", wire.path("a"))
            try scope.expect("the answer is the record as it is stored", stored.body, edited.body)
        }

        @Sendable static func deleteCounts(_ scope: CheckScope) async throws {
            let wire = try scope.wire
            _ = try await scope.database.add(try (0..<3).map { try MemoryRecord(id: "d\($0)", text: "[1] x") })
            let ids = ["d0", "d1", "d0", "absent"].map { wire.path($0).dropFirst(RESTCalls.records.count + 1) }
            let path = "\(RESTCalls.records)?\(ids.map { "memory_ids=\($0)" }.joined(separator: "&"))"
            let answer = try await wire.send("DELETE", path)
            try scope.expect("the delete", answer, status: 200)
            try scope.expect("its answer", answer.body?["status"], "ok, deleted 2 memories")
            let again = try await wire.send("DELETE", path)
            try scope.expect("the second answer", again.body?["status"], "ok, deleted 0 memories")
            try scope.expect("left", try await scope.listed(), ["d2"])
        }
    }
}
