import AgentMemory

extension ConformanceCheck {
    /// Rules R1 to R8: records are returned as they were stored.
    enum RecordChecks {
        static let checks: [ConformanceCheck] = [
            ConformanceCheck(
                "record/R1-hostile-ids",
                hint:
                    "ids are used as part of a query or trimmed, folded or cut; compare them as bytes and pass them as parameters",
                run: hostileIds),
            ConformanceCheck(
                "record/R2-replaces-whole",
                hint: "add merges into the old record: fields that the new one lacks must go", run: replacesWhole),
            ConformanceCheck(
                "record/R2-last-of-a-call-wins", hint: "the same id twice in one call: the last one counts",
                run: lastOfACallWins),
            ConformanceCheck(
                "record/R3-ids-in-order", hint: "add answers one id per input record, in the order given",
                run: idsInOrder),
            ConformanceCheck(
                "record/R4-round-trip", hint: "a field is lost, rounded, or null and empty are mixed up on the way",
                run: roundTrip),
            ConformanceCheck(
                "record/R4-texts", hint: "texts must come back byte for byte: do not normalise, trim or escape them",
                run: texts),
            ConformanceCheck(
                "record/R4-dates",
                hint: "dates are kept to the microsecond; doubles of milliseconds or float32 round them", run: dates),
            ConformanceCheck(
                "record/R5-hostile-values", hint: "a value is read as syntax, cut, or split where it should not be",
                run: hostileValues),
            ConformanceCheck(
                "record/R5-commas", hint: "a comma in user_id, session_id or namespace is an ordinary character",
                run: commas),
            ConformanceCheck(
                "record/R6-read-your-writes", hint: "a write is answered before every kind of read can see it",
                run: readYourWrites),
            ConformanceCheck(
                "record/R7-embedding-fails", needs: [.steeredEmbeddings],
                hint: "records are written before their vectors are there, or a broken vector is stored",
                run: embeddingFails),
            ConformanceCheck(
                "record/R8-hash-of-stored",
                hint: "the memory hash is lost, or computed from other bytes than the contract's", run: hashOfStored),
        ]

        @Sendable static func hostileIds(_ scope: CheckScope) async throws {
            let ids = HostileStrings.tags + [" lead", "trail ", "a,b", "\u{A0}nbsp"]
            try scope.expect(
                "ids answered",
                try await scope.database.add(try ids.map { try MemoryRecord(id: $0, text: "[1] \($0)") }), ids)
            try scope.expect("count", try await scope.database.count(.everything), ids.count)
            for id in ids {
                let record = try await scope.record(id)
                try scope.expect("id", exactly: record.id, id)
                try scope.expect("text of \(id.debugDescription)", exactly: record.text, "[1] \(id)")
            }
            try scope.expect("deleted", try await scope.database.delete([ids[1], "trail "]), 2)
            try scope.expect("count after", try await scope.database.count(.everything), ids.count - 2)
        }

        @Sendable static func replacesWhole(_ scope: CheckScope) async throws {
            let old = try MemoryRecord(
                id: "a", text: "[1] old words", sessionID: "s", userID: "u", namespace: "n", topics: ["t"],
                entities: ["e"],
                metadata: ["k": 1], pinned: true, accessCount: 7, eventDate: at(5))
            let new = try MemoryRecord(id: "a", text: "[0, 1] new", now: at(9))
            _ = try await scope.database.add([old])
            _ = try await scope.database.add([new])
            try scope.expect("the record", try await scope.record("a"), new)
            try scope.expect("count", try await scope.database.count(.everything), 1)
            try scope.expect("by its old user", try await scope.database.count(try tag(.userID, eq: "u")), 0)
            let nearest = try await scope.search("[0, 1] new")
            try scope.expect("distance to the new vector", nearest.items.first?.distance ?? 9, near: 0)
            guard scope.hasKeywordSearch else { return }
            try scope.expect("by its old words", try await scope.search("old", .keyword(.bm25std)).total, 0)
        }

        @Sendable static func lastOfACallWins(_ scope: CheckScope) async throws {
            let records = try ["first", "second", "last"].map { try MemoryRecord(id: "a", text: "[1] \($0)") }
            let other = try MemoryRecord(id: "b", text: "[1] other")
            try scope.expect(
                "ids", try await scope.database.add([records[0], other, records[1], records[2]]), ["a", "b", "a", "a"])
            try scope.expect("text", exactly: try await scope.record("a").text, "[1] last")
            try scope.expect("count", try await scope.database.count(.everything), 2)
        }

        @Sendable static func idsInOrder(_ scope: CheckScope) async throws {
            let ids = (0..<50).map { "id-\(($0 * 37) % 50)" }
            let records = try ids.map { try MemoryRecord(id: $0, text: "[1] text") }
            try scope.expect("ids", try await scope.database.add(records), ids)
            try scope.expect("of nothing", try await scope.database.add([]), [])
            guard scope.scoped.embedsAsGiven else { return }
            try scope.expect("embedded texts", scope.embedder.embeddedTexts.count, 50)
        }

        @Sendable static func roundTrip(_ scope: CheckScope) async throws {
            let full = try MemoryRecord(
                id: "full", text: "[1] Full é e\u{301} 🙂\n\"quoted\"", sessionID: "s", userID: "u|1", namespace: "n,1",
                memoryType: .episodic,
                topics: ["b", "a", "b c"], entities: ["E", "e"], extractedFrom: ["m1", "m2"],
                discreteMemoryExtracted: false,
                extractionStrategy: "custom", extractionStrategyConfig: ["prompt": "x", "n": [1, 2.5]],
                metadata: [
                    "a": nil, "b": true, "c": ["d": [1, "2", 3.25]], "big": 12_345_678_901_234_567, "é": "e\u{301}",
                ],
                pinned: true, accessCount: 42, createdAt: at(1, 123_456), lastAccessed: at(2, 1),
                updatedAt: at(3, 999_999),
                persistedAt: at(4, 500_000), eventDate: at(-99_999_999, 7))
            let bare = try MemoryRecord(id: "bare", text: "[1] b", now: at(1))
            _ = try await scope.database.add([full, bare])
            try scope.expect("full record", try await scope.record("full"), full)
            try scope.expect("bare record", try await scope.record("bare"), bare)
            let hit = try await scope.search("[1] x", .semantic(distanceThreshold: nil), try tag(.id, eq: "full"))
            try scope.expect("full record by search", hit.items.map(\.record), [full])
        }

        @Sendable static func texts(_ scope: CheckScope) async throws {
            let texts = HostileStrings.texts + [String(repeating: "lorem ipsum 🙂 ", count: 70_000)]
            _ = try await scope.database.add(
                try texts.enumerated().map { try MemoryRecord(id: "t\($0)", text: $1) })
            for (index, text) in texts.enumerated() {
                let got = try await scope.record("t\(index)").text
                if text.utf8.count < 1000 {
                    try scope.expect("text \(index)", exactly: got, text)
                } else {
                    try scope.expect(
                        "the text of \(text.utf8.count) bytes came back changed", ExactString(got) == ExactString(text))
                }
            }
        }

        @Sendable static func dates(_ scope: CheckScope) async throws {
            let dates = [
                at(0, 1), at(0, 999_999), at(0), Timestamp(parsing: "1969-12-31T23:59:59.999999Z"),
                Timestamp(parsing: "1700-01-01T00:00:00.000001Z"),
                Timestamp(parsing: "2241-12-31T23:59:59.999999Z"), Timestamp(parsing: "1970-01-01"),
            ].compactMap(\.self)
            _ = try await scope.database.add(
                try dates.enumerated().map {
                    try MemoryRecord(
                        id: "d\($0)", text: "[1] d", createdAt: $1, lastAccessed: $1, updatedAt: $1, eventDate: $1)
                })
            for (index, date) in dates.enumerated() {
                let record = try await scope.record("d\(index)")
                try scope.expect("created_at", record.createdAt, date)
                try scope.expect("last_accessed", record.lastAccessed, date)
                try scope.expect("updated_at", record.updatedAt, date)
                try scope.expect("event_date", record.eventDate, date)
            }
            // For years in which a double of seconds does not reach the microsecond, a millisecond
            // is enough.
            let far = [Timestamp(parsing: "0001-01-01T00:00:00Z"), Timestamp(parsing: "9999-12-31T23:59:59.123Z")]
                .compactMap(\.self)
            _ = try await scope.database.add(
                try far.enumerated().map { try MemoryRecord(id: "f\($0)", text: "[1] f", createdAt: $1, eventDate: $1) }
            )
            for (index, date) in far.enumerated() {
                let record = try await scope.record("f\(index)")
                try scope.expect(
                    "created_at of \(date)", record.createdAt.secondsSinceEpoch, near: date.secondsSinceEpoch,
                    within: 0.001)
            }
        }

        @Sendable static func hostileValues(_ scope: CheckScope) async throws {
            let values = HostileStrings.tags
            _ = try await scope.database.add(
                try values.enumerated().map { index, value in
                    try MemoryRecord(
                        id: "v\(index)", text: "[1] v", sessionID: value, userID: value, namespace: value,
                        topics: [value, "shared"],
                        entities: ["shared", value], extractedFrom: [value])
                })
            for (index, value) in values.enumerated() {
                let record = try await scope.record("v\(index)")
                try scope.expect("user_id", exactly: record.userID ?? "", value)
                try scope.expect("session_id", exactly: record.sessionID ?? "", value)
                try scope.expect("namespace", exactly: record.namespace ?? "", value)
                try scope.expect("topics", exactly: record.topics.first ?? "", value)
                try scope.expect("entities", exactly: record.entities.last ?? "", value)
                try scope.expect("extracted_from", exactly: record.extractedFrom.first ?? "", value)
            }
        }

        @Sendable static func commas(_ scope: CheckScope) async throws {
            _ = try await scope.database.add([
                try MemoryRecord(id: "both", text: "[1] x", sessionID: "s,t", userID: "a,b", namespace: "n,m"),
                try MemoryRecord(id: "one", text: "[1] x", sessionID: "s", userID: "a", namespace: "n"),
            ])
            try await scope.expectMatches("user_id a,b", try tag(.userID, eq: "a,b"), ["both"])
            try await scope.expectMatches("user_id a", try tag(.userID, eq: "a"), ["one"])
            try await scope.expectMatches("session_id s,t", try tag(.sessionID, eq: "s,t"), ["both"])
            try await scope.expectMatches("namespace n,m", try tag(.namespace, eq: "n,m"), ["both"])
        }

        @Sendable static func readYourWrites(_ scope: CheckScope) async throws {
            for index in 0..<10 {
                let (id, old, new) = ("r\(index)", "old\(index)", "new\(index)")
                _ = try await scope.database.add([try MemoryRecord(id: id, text: "[1] \(old)", userID: old)])
                try await scope.expectSeen("after add", in: scope.database, user: old, word: old, [id])
                let changes = try RecordChanges(text: "[1] \(new)", userID: .set(new))
                _ = try await scope.database.update([RecordUpdate(id: id, changes: changes)])
                try await scope.expectSeen("after update", in: scope.database, user: new, word: new, [id])
                try await scope.expectSeen("what it was", in: scope.database, user: old, word: old, [])
                _ = try await scope.database.delete([id])
                try await scope.expectSeen("after delete", in: scope.database, user: new, word: new, [])
            }
            try scope.expectNoLateWrites()
        }

        @Sendable static func embeddingFails(_ scope: CheckScope) async throws {
            _ = try await scope.database.add([
                try MemoryRecord(id: "kept", text: "[1] kept"), try MemoryRecord(id: "other", text: "[1] other"),
            ])
            let records = try ["kept", "new"].map { try MemoryRecord(id: $0, text: "[1] changed \($0)") }
            for fault in [SteeredEmbedder.Fault.down, .wrongLength, .zero, .notFinite] {
                scope.embedder.fail(fault)
                try await scope.expectError("add with \(fault)", .embeddingFailed) {
                    _ = try await scope.database.add(records)
                }
                try await scope.expectError("search with \(fault)", .embeddingFailed) {
                    _ = try await scope.search("query \(fault)")
                }
                try await scope.expectError("update with \(fault)", .embeddingFailed) {
                    _ = try await scope.database.update([
                        RecordUpdate(id: "kept", changes: try RecordChanges(text: "[1] other", topics: ["t"]))
                    ])
                }
                try await scope.expectError("update of two records with \(fault)", .embeddingFailed) {
                    _ = try await scope.database.update([
                        RecordUpdate(id: "kept", changes: try RecordChanges(topics: ["t"])),
                        RecordUpdate(id: "other", changes: try RecordChanges(text: "[1] changed")),
                    ])
                }
            }
            scope.embedder.fail(nil)
            try scope.expect("ids", try await scope.listed().sorted(), ["kept", "other"])
            let kept = try await scope.record("kept")
            try scope.expect("text", exactly: kept.text, "[1] kept")
            try scope.expect("topics", kept.topics, [])
        }

        @Sendable static func hashOfStored(_ scope: CheckScope) async throws {
            let record = try MemoryRecord(id: "h", text: "[1] Grüße \"🙂\"", userID: "u", namespace: "n")
            _ = try await scope.database.add([record, try MemoryRecord(id: "i", text: "[1] x")])
            try scope.expect("memory_hash", try await scope.record("h").memoryHash, record.computedHash())
            try await scope.expectMatches("by its hash", try tag(.memoryHash, eq: record.computedHash()), ["h"])
        }
    }
}
