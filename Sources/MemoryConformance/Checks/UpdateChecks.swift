import AgentMemory

extension ConformanceCheck {
    /// Rules U1, U2, D1, C1.
    enum UpdateChecks {
        static let checks: [ConformanceCheck] = [
            ConformanceCheck(
                "update/U1-partial", hint: "update writes a whole record, and so loses the fields it was not given",
                run: partial),
            ConformanceCheck(
                "update/U1-unknown-id", hint: "an unknown id is created, or counted as changed", run: unknownId),
            ConformanceCheck(
                "update/U1-clearing", hint: "a field that is set to nothing keeps its value", run: clearing),
            ConformanceCheck(
                "update/U1-same-id-twice",
                hint: "of two changes of one record in a call only one is applied, or the record counts twice",
                run: sameIdTwice),
            ConformanceCheck(
                "update/U1-access-interval", hint: "the access time is written although the interval has not passed",
                run: accessInterval),
            ConformanceCheck(
                "update/U2-embeds-only-new-text", needs: [.steeredEmbeddings],
                hint: "every update asks the embedding service again", run: embedsOnlyNewText),
            ConformanceCheck(
                "update/D1-delete-counts", hint: "delete counts ids that were not there, or the same id twice",
                run: deleteCounts),
            ConformanceCheck(
                "update/C1-every-filter",
                hint: "count knows fewer filters than list, so that it counts what list leaves out", run: everyFilter),
        ]

        @Sendable static func partial(_ scope: CheckScope) async throws {
            let original = try MemoryRecord(
                id: "a", text: "[1] text", sessionID: "s", userID: "u", namespace: "n", topics: ["t"], entities: ["e"],
                metadata: ["k": [1]], pinned: false, accessCount: 3, eventDate: at(5), now: at(1))
            _ = try await scope.database.add([original, try MemoryRecord(id: "b", text: "[1] other")])
            let changes = try RecordChanges(
                userID: .set("u2"), topics: [], pinned: true, eventDate: .set(at(9, 9)), updatedAt: at(10))
            try scope.expect("changed", try await scope.database.update([RecordUpdate(id: "a", changes: changes)]), 1)
            var expected = original
            expected.apply(changes)
            try scope.expect("the record", try await scope.record("a"), expected)
            try await scope.expectMatches("by the new user", try tag(.userID, eq: "u2"), ["a"])
            try scope.expect("by the old user", try await scope.database.count(try tag(.userID, eq: "u")), 0)
            try scope.expect("by the old topic", try await scope.database.count(try tag(.topics, eq: "t")), 0)
            try scope.expect("memory_hash", try await scope.record("a").memoryHash, expected.computedHash())
        }

        @Sendable static func unknownId(_ scope: CheckScope) async throws {
            _ = try await scope.database.add([try MemoryRecord(id: "a", text: "[1] text")])
            let changes = try RecordChanges(text: "[1] new", pinned: true)
            try scope.expect(
                "changed",
                try await scope.database.update(["a", "nope"].map { RecordUpdate(id: $0, changes: changes) }), 1)
            try scope.expect("ids", try await scope.listed(), ["a"])
            try scope.expect("of nothing", try await scope.database.update([]), 0)
            let nothing = try ["a", "nope"].map { RecordUpdate(id: $0, changes: try RecordChanges()) }
            try scope.expect("changes that name no field", try await scope.database.update(nothing), 1)
        }

        @Sendable static func clearing(_ scope: CheckScope) async throws {
            _ = try await scope.database.add([
                try MemoryRecord(
                    id: "a", text: "[1] text", sessionID: "s", userID: "u", namespace: "n", eventDate: at(1)),
                try MemoryRecord(
                    id: "b", text: "[1] text", sessionID: "s", userID: "u", namespace: "n", eventDate: at(1)),
            ])
            let changes = try RecordChanges(
                sessionID: .set(nil), userID: .set(nil), namespace: .set(nil), eventDate: .set(nil))
            _ = try await scope.database.update([RecordUpdate(id: "a", changes: changes)])
            let record = try await scope.record("a")
            try scope.expect("user_id", record.userID, nil)
            try scope.expect("event_date", record.eventDate, nil)
            try await scope.expectMatches("ne matches the absent field", try tag(.userID, ne: "u"), ["a"])
            try await scope.expectMatches(
                "a date matches no absent one", try date(.eventDate, .init(.lte, at(100))), ["b"])
        }

        @Sendable static func sameIdTwice(_ scope: CheckScope) async throws {
            _ = try await scope.database.add(
                try ["a", "b"].map { try MemoryRecord(id: $0, text: "[1] \($0)", topics: ["t"]) })
            let changes = [
                ("a", try RecordChanges(text: "[1] first", userID: .set("u"))),
                ("b", try RecordChanges(pinned: true)), ("a", try RecordChanges(text: "[0, 1] second")),
            ]
            try scope.expect(
                "changed",
                try await scope.database.update(changes.map { RecordUpdate(id: $0.0, changes: $0.1) }), 2)
            let record = try await scope.record("a")
            try scope.expect("text", exactly: record.text, "[0, 1] second")
            try scope.expect("user_id", record.userID, "u")
            try scope.expect("topics", record.topics, ["t"])
            try scope.expect("memory_hash", record.memoryHash, record.computedHash())
            guard scope.scoped.embedsAsGiven else { return }
            try scope.expect(
                "nearest to the last text", try await scope.search("[0, 1] q").items.first?.record.id, "a")
        }

        @Sendable static func accessInterval(_ scope: CheckScope) async throws {
            _ = try await scope.database.add([
                try MemoryRecord(id: "due", text: "[1] a", lastAccessed: at(0)),
                try MemoryRecord(id: "early", text: "[1] b", lastAccessed: at(200)),
            ])
            let changes = try RecordChanges(access: .init(at: at(1000), minimumIntervalSeconds: 900))
            let updates = ["due", "early", "nope"].map { RecordUpdate(id: $0, changes: changes) }
            try scope.expect("changed", try await scope.database.update(updates), 1)
            try scope.expect("again", try await scope.database.update(updates), 0)
            let withText = try RecordChanges(
                text: "[1] changed", access: .init(at: at(1000), minimumIntervalSeconds: 900))
            scope.embedder.fail(.down)
            try scope.expect(
                "with a text, for which nothing needs to be embedded",
                try await scope.database.update([RecordUpdate(id: "early", changes: withText)]), 0)
            scope.embedder.fail(nil)
            try scope.expect("text of the other", exactly: try await scope.record("early").text, "[1] b")
            let due = try await scope.record("due")
            try scope.expect("last_accessed", due.lastAccessed, at(1000))
            try scope.expect("access_count", due.accessCount, 1)
            try scope.expect("last_accessed of the other", try await scope.record("early").lastAccessed, at(200))
            try await scope.expectMatches(
                "the date filter sees it", try date(.lastAccessed, .init(.gte, at(1000))), ["due"])
        }

        @Sendable static func embedsOnlyNewText(_ scope: CheckScope) async throws {
            _ = try await scope.database.add([try MemoryRecord(id: "a", text: "[1] text")])
            let before = scope.embedder.embeddedTexts.count
            _ = try await scope.database.update([
                RecordUpdate(
                    id: "a",
                    changes: try RecordChanges(
                        text: "[1] text", topics: ["t"], access: .init(at: at(1), minimumIntervalSeconds: 0)))
            ])
            try scope.expect("texts embedded without a change of text", scope.embedder.embeddedTexts.count, before)
            _ = try await scope.database.update([
                RecordUpdate(id: "a", changes: try RecordChanges(text: "[0, 1] fresh words"))
            ])
            try scope.expect("texts embedded for the new text", scope.embedder.embeddedTexts.count, before + 1)
            try scope.expect(
                "distance to the new vector", try await scope.search("[0, 1]").items.first?.distance ?? 9, near: 0)
            guard scope.hasKeywordSearch else { return }
            try scope.expect("found by its new word", try await scope.search("fresh", .keyword(.bm25std)).total, 1)
            try scope.expect("found by its old word", try await scope.search("text", .keyword(.bm25std)).total, 0)
        }

        @Sendable static func deleteCounts(_ scope: CheckScope) async throws {
            _ = try await scope.database.add(try (0..<5).map { try MemoryRecord(id: "d\($0)", text: "[1] d") })
            try scope.expect("deleted", try await scope.database.delete(["d0", "d1", "d0", "nope"]), 2)
            try scope.expect("deleted again", try await scope.database.delete(["d0", "d1"]), 0)
            try scope.expect("of nothing", try await scope.database.delete([]), 0)
            try scope.expect("left", try await scope.listed().sorted(), ["d2", "d3", "d4"])
        }

        @Sendable static func everyFilter(_ scope: CheckScope) async throws {
            let records = try AssortedRecords.records()
            _ = try await scope.database.add(records)
            for (name, filter) in try AssortedRecords.filters() {
                try await scope.expectMatches(name, filter, records.filter(filter.matches).map(\.id))
            }
        }
    }
}
