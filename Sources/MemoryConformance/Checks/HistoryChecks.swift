import AgentMemory

/// Rules H1 to H3, H5 and H6: each write makes events, for who may see them, without gaps for who
/// follows them, operations can be taken back, and erasing leaves nothing of them.
extension ConformanceCheck {
    enum HistoryChecks {
        static let checks: [ConformanceCheck] = [
            ConformanceCheck(
                "history/H1-events",
                hint: "a write makes no event or several, or the event does not say what was there before",
                run: events),
            ConformanceCheck(
                "history/H1-no-event", hint: "a write without an effect, or an access, makes an event", run: noEvent),
            ConformanceCheck(
                "history/H1-expired", needs: [.expiry],
                hint: "what has expired goes without an event, or comes back without a field", run: expired),
            ConformanceCheck(
                "history/H2-scope", hint: "an event shows what a record was in another scope", run: visibility),
            ConformanceCheck(
                "history/H3-feed",
                hint: "numbers are given before the commit, and a reader passes one that comes later", run: feed),
            ConformanceCheck(
                "history/H5-condition", hint: "a rewrite overwrites a change that came after its state was read",
                run: conditions),
            ConformanceCheck(
                "history/H5-undo",
                hint: "the events of an operation do not lead back to the state before it", run: undo),
            ConformanceCheck(
                "history/H6-erase", hint: "something of an erased user is left, or something else went with it",
                run: erasure),
            ConformanceCheck(
                "history/H6-session", hint: "the events of a record that was in an erased session are left",
                run: erasureOfSession),
        ]

        private static func history(_ scope: CheckScope) throws -> (any RecordHistory, CheckedAtomicWrites) {
            (try CheckedDatabase(scope.scoped.database).history(), try scope.atomicWrites)
        }

        private static func all(_ history: any RecordHistory, of id: String) async throws -> [MemoryEvent] {
            try await history.events(of: id, within: .everything, page: PageRequest(limit: 100)).items
        }

        @Sendable static func events(_ scope: CheckScope) async throws {
            let (history, writes) = try history(scope)
            let first = try MemoryRecord(
                id: "a", text: "[1] \u{1F600} \"one\"", userID: "u", topics: ["t", "\u{E9}"],
                metadata: ["z": [1.0, nil], "a": "b"])
            let second = try MemoryRecord(id: "a", text: "[2] two", userID: "u", namespace: "n", pinned: true)
            let origin = WriteOrigin(operation: "op", caller: "ada")
            try await WriteOrigin.$current.withValue(origin) {
                _ = try await writes.add([first, try MemoryRecord(id: "b", text: "[1] b")], within: .everything)
                _ = try await writes.add([second], within: .everything)
                let changes = try RecordChanges(text: "[3] three", eventDate: .set(second.createdAt))
                _ = try await writes.update([RecordUpdate(id: "a", changes: changes)], within: .everything)
                _ = try await writes.delete(["a", "unknown"], within: .everything)
                _ = try await writes.addDistinct([first])
            }
            let found = try await all(history, of: "a")
            try scope.expect(
                "kinds, newest first", found.map(\.kind.rawValue), ["added", "deleted", "changed", "replaced", "added"])
            try scope.expect(
                "the events of another id", try await all(history, of: "b").map(\.kind.rawValue), ["added"])
            try scope.expect("callers", Set(found.map { "\($0.operation) \($0.caller ?? "-")" }), ["op ada"])
            try scope.expect("numbers", found.map(\.sequence), found.map(\.sequence).sorted(by: >))
            guard found.count == 5 else { return }
            // Each event leads to the state before it.
            var state = found[1].undone(from: nil)
            state = found[2].undone(from: state)
            try scope.expect(
                "before the change", state.map(JSONValue.object)?.jsonText, JSONValue.object(second.jsonObject).jsonText
            )
            state = found[3].undone(from: state)
            try scope.expect(
                "before the replacement", state.map(JSONValue.object)?.jsonText,
                JSONValue.object(first.jsonObject).jsonText)
            try scope.expect("before it was added", found[4].before == nil, true)
            let changed = Set(found[2].before?.members.map(\.name) ?? [])
            try scope.expect("changed fields", changed, ["text", "event_date", "memory_hash"])
            let page = try await history.events(of: "a", within: .everything, page: PageRequest(limit: 2, offset: 1))
            try scope.expect("a page", page.items, Array(found[1...2]))
            try scope.expect("its total", page.total, 5)
            try scope.expect("where the next begins", page.nextOffset, 3)
        }

        @Sendable static func expired(_ scope: CheckScope) async throws {
            let (history, writes) = try history(scope)
            let past = Timestamp.now().advanced(bySeconds: -60)
            let record = try MemoryRecord(id: "a", text: "[1] one", userID: "u", metadata: ["k": 1], expiresAt: past)
            _ = try await writes.add([record], within: .everything)
            try scope.expect("what is left", try await scope.database.count(.everything), 0)
            let found = try await all(history, of: "a")
            try scope.expect("kinds", found.map(\.kind.rawValue), ["deleted", "added"])
            try scope.expect("why", found.first?.reason, "expired")
            try scope.expect(
                "what it was", found.first?.before.map(JSONValue.object)?.jsonText,
                JSONValue.object(record.jsonObject).jsonText)
            let staying = try MemoryRecord(id: "b", text: "[1] two")
            _ = try await writes.add([staying], within: .everything)
            let future = Timestamp.now().advanced(bySeconds: 86_400)
            let changes = try RecordChanges(expiresAt: .set(future))
            _ = try await writes.update([RecordUpdate(id: "b", changes: changes)], within: .everything)
            var changed = staying
            changed.apply(changes)
            let change = try await all(history, of: "b").first
            try scope.expect("the kind of a new date", change?.kind, .changed)
            try scope.expect(
                "without the date", change?.undone(from: changed.jsonObject).map(JSONValue.object)?.jsonText,
                JSONValue.object(staying.jsonObject).jsonText)
        }

        /// - Returns: how many records and events were removed.
        private static func erase(
            _ erased: ErasureScope, _ scope: CheckScope
        ) async throws -> (memories: Int, events: Int) {
            let database = CheckedDatabase(scope.scoped.database).database
            guard let erasable = database as? any ErasableDatabase else {
                throw MemoryError(.unsupported, "the backend \(database.name) cannot erase")
            }
            var (memories, events, position) = (0, 0, String?.none)
            repeat {
                let step = try await erasable.erase(erased, from: position)
                (memories, events, position) = (memories + step.memories, events + step.events, step.next)
            } while position != nil
            return (memories, events)
        }

        @Sendable static func erasure(_ scope: CheckScope) async throws {
            let (history, writes) = try history(scope)
            func record(_ id: String, user: String?) throws -> MemoryRecord {
                try MemoryRecord(id: id, text: "[1] \(id)", userID: user, namespace: "n")
            }
            _ = try await writes.add(
                [
                    record("a", user: "u"), record("b", user: "v"), record("c", user: "u"),
                    record("d", user: "u\u{301}"),
                ],
                within: .everything)
            let moved = try RecordChanges(userID: .set("v"))
            _ = try await writes.update([RecordUpdate(id: "c", changes: moved)], within: .everything)
            _ = try await writes.add([record("gone", user: "u")], within: .everything)
            _ = try await writes.delete(["gone"], within: .everything)
            let others = try await all(history, of: "b") + all(history, of: "d")
            let last = try await history.events(after: 0, limit: 100, within: .everything).last?.sequence ?? 0
            let removed = try await erase(try ErasureScope(namespace: "n", userID: "u"), scope)
            try scope.expect("records removed", removed.memories, 1)
            // Added, for a and c; c moved; gone was added and deleted.
            try scope.expect("events removed", removed.events, 5)
            let left = try await scope.database.list(ListQuery(page: PageRequest())).items.map(\.id)
            try scope.expect("records left", Set(left), ["b", "c", "d"])
            try scope.expect(
                "events left", try await history.events(after: 0, limit: 100, within: .everything), others)
            for id in ["a", "c", "gone"] { try scope.expect("events of \(id)", try await all(history, of: id), []) }
            let outcomes = try await writes.promote([record("gone", user: "v")], handedInAt: .earliest)
            try scope.expect("an id whose note went", outcomes, [.stored])
            let next = try await history.events(after: 0, limit: 100, within: .everything).last?.sequence ?? 0
            try scope.expect("whether its number is a new one", next > last, true)
            let again = try await erase(try ErasureScope(userID: "u"), scope)
            try scope.expect("what a second time finds", again.memories + again.events, 0)
        }

        @Sendable static func erasureOfSession(_ scope: CheckScope) async throws {
            let (history, writes) = try history(scope)
            func record(_ id: String, session: String?, user: String = "u") throws -> MemoryRecord {
                try MemoryRecord(id: id, text: "[1] \(id)", sessionID: session, userID: user)
            }
            _ = try await writes.add(
                [
                    record("a", session: "s"), record("b", session: "t"), record("left", session: "s"),
                    record("other", session: "s", user: "v"),
                ], within: .everything)
            let changes = try RecordChanges(sessionID: .set(nil))
            _ = try await writes.update([RecordUpdate(id: "left", changes: changes)], within: .everything)
            let removed = try await erase(try ErasureScope(userID: "u", sessionID: "s"), scope)
            try scope.expect("records removed", removed.memories, 1)
            try scope.expect("events removed", removed.events, 3)
            let left = try await scope.database.list(ListQuery(page: PageRequest())).items.map(\.id)
            try scope.expect("records left", Set(left), ["b", "left", "other"])
            try scope.expect(
                "whose events are left",
                try await history.events(after: 0, limit: 100, within: .everything).map(\.id), ["b", "other"])
            guard let erasable = CheckedDatabase(scope.scoped.database).database as? any ErasableDatabase else {
                return
            }
            try await WriteOrigin.$current.withValue(WriteOrigin(operation: "op", caller: "ada")) {
                try await erasable.noteErasure("hash")
            }
            let noted = try await history.events(after: 0, limit: 100, within: .everything).last
            try scope.expect("the kind", noted?.kind, .erased)
            try scope.expect("what it tells", [noted?.id, noted?.userID, noted?.namespace], ["hash", nil, nil])
            try scope.expect(
                "its operation",
                try await history.events(ofOperation: "op", after: 0, limit: 10, within: .everything).count, 1)
        }

        @Sendable static func noEvent(_ scope: CheckScope) async throws {
            let (history, writes) = try history(scope)
            let record = try MemoryRecord(id: "a", text: "[1] one", namespace: "n")
            _ = try await writes.add([record], within: .everything)
            _ = try await writes.add([record], within: .everything)
            let access = RecordChanges.Access(
                at: record.lastAccessed.advanced(bySeconds: 10_000), minimumIntervalSeconds: 1)
            let accessed = try await writes.update(
                [RecordUpdate(id: "a", changes: try RecordChanges(access: access))], within: .everything)
            try scope.expect("accesses written", accessed, 1)
            let other = AccessScope(namespaces: PermittedValues(exactly: ["m"]))
            try await scope.expectError("a record of others", .conflict) {
                _ = try await writes.add(
                    [MemoryRecord(id: "0", text: "[1] new"), MemoryRecord(id: "a", text: "[2] x", namespace: "m")],
                    within: other)
            }
            _ = try await writes.delete(["a", "0"], within: other)
            try scope.expect("events", try await all(history, of: "a").map(\.kind.rawValue), ["added"])
            try scope.expect("events of what was refused", try await all(history, of: "0").count, 0)
        }

        @Sendable static func visibility(_ scope: CheckScope) async throws {
            let (history, writes) = try history(scope)
            _ = try await writes.add([MemoryRecord(id: "a", text: "[1] secret", namespace: "n")], within: .everything)
            let move = try RecordChanges(text: "[2] open", namespace: .set("m"))
            _ = try await writes.update([RecordUpdate(id: "a", changes: move)], within: .everything)
            _ = try await writes.delete(["a"], within: .everything)
            for (namespaces, kinds) in [
                (["n"], ["added"]), (["m"], ["deleted"]), (["n", "m"], ["deleted", "changed", "added"]), (["o"], []),
            ] {
                let access = AccessScope(namespaces: PermittedValues(exactly: namespaces))
                let page = try await history.events(of: "a", within: access, page: PageRequest(limit: 10))
                try scope.expect("events within \(namespaces)", page.items.map(\.kind.rawValue), kinds)
                try scope.expect("their number", page.total, kinds.count)
                let feed = try await history.events(after: 0, limit: 10, within: access)
                try scope.expect("of the feed", feed.map(\.kind.rawValue), kinds.reversed())
            }
            let users = AccessScope(users: PermittedValues(exactly: ["u"]))
            try scope.expect(
                "within a user", try await history.events(after: 0, limit: 10, within: users).count, 0)
        }

        @Sendable static func feed(_ scope: CheckScope) async throws {
            let (history, writes) = try history(scope)
            let writers = 6
            let rounds = 20
            async let followed = follow(history, until: writers * rounds * 2)
            try await withThrowingTaskGroup { group in
                for writer in 0..<writers {
                    group.addTask {
                        for round in 0..<rounds {
                            // Two records in one call, so that calls overlap.
                            let records = try (0..<2).map {
                                try MemoryRecord(id: "\(writer)-\(round)-\($0)", text: "[1] \(writer) \(round) \($0)")
                            }
                            _ = try await writes.add(records, within: .everything)
                        }
                    }
                }
                try await group.waitForAll()
            }
            let seen = try await followed
            try scope.expect("events", seen.count, writers * rounds * 2)
            try scope.expect("different ids", Set(seen.map(\.id)).count, writers * rounds * 2)
            try scope.expect("in order", seen.map(\.sequence), seen.map(\.sequence).sorted())
            let part = try await history.events(after: seen[4].sequence, limit: 3, within: .everything)
            try scope.expect("a part", part.map(\.id), seen[5...7].map(\.id))
        }

        @Sendable static func conditions(_ scope: CheckScope) async throws {
            let (history, writes) = try history(scope)
            let first = [
                try MemoryRecord(id: "a", text: "[1] a", namespace: "n"),
                try MemoryRecord(id: "b", text: "[1] b", namespace: "m"), try MemoryRecord(id: "c", text: "[1] c"),
            ]
            _ = try await writes.add(first, within: .everything)
            let numbers = try await history.latestEvents(of: ["a", "b", "c", "d"])
            try scope.expect("ids with events", Set(numbers.keys.map(\.value)), ["a", "b", "c"])
            _ = try await writes.update(
                [RecordUpdate(id: "c", changes: try RecordChanges(text: "[2] c"))], within: .everything)
            func rewrite(_ id: String, _ text: String?) throws -> RecordRewrite {
                RecordRewrite(
                    id: id, record: try text.map { try MemoryRecord(id: id, text: $0, namespace: "n") },
                    latestEvent: numbers[ExactString(id)] ?? 0)
            }
            let all = AccessScope.everything
            let stale = try await history.rewrite(
                [rewrite("a", "[3] a"), rewrite("c", nil), rewrite("d", "[3] d")], within: all)
            try scope.expect("refused for a later event", stale, ["c"])
            try scope.expect("nothing was written", try await scope.listed(.everything).sorted(), ["a", "b", "c"])
            let narrow = AccessScope(namespaces: PermittedValues(exactly: ["n"]))
            let foreign = try await history.rewrite([rewrite("a", nil), rewrite("b", nil)], within: narrow)
            try scope.expect("refused for a record of others", foreign, ["b"])
            try scope.expect(
                "removals of both kinds",
                try await history.rewrite([rewrite("a", nil), rewrite("d", nil)], within: all),
                [])
            try scope.expect(
                "a write and one of a new id",
                try await history.rewrite([rewrite("b", "[3] b"), rewrite("d", "[3] d")], within: all), [])
            try scope.expect("left", try await scope.listed(.everything).sorted(), ["b", "c", "d"])
            try scope.expect(
                "events of what is removed", try await self.all(history, of: "a").map(\.kind.rawValue),
                ["deleted", "added"])
            try scope.expect(
                "a free id that is not free any more", try await history.rewrite([rewrite("d", "[4] d")], within: all),
                ["d"])
            try scope.expect(
                "found by its new text", try await scope.search("[3] d", .semantic(distanceThreshold: nil)).items.count,
                3)
        }

        @Sendable static func undo(_ scope: CheckScope) async throws {
            let (history, writes) = try history(scope)
            var random = SplitMix64(seed: 18, stream: 0)
            var states: [[String: String]] = []
            let ids = (0..<6).map { "r\($0)" }
            for turn in 0..<30 {
                states.append(try await state(scope))
                try await WriteOrigin.$current.withValue(WriteOrigin(operation: "op-\(turn)", caller: "ada")) {
                    for step in 0..<(1 + Int(random.next() % 3)) {
                        let id = ids[Int(random.next() % UInt64(ids.count))]
                        let text = "[\(1 + random.next() % 9)] \(turn) \(step) \u{E9}\u{1F600}"
                        switch random.next() % 4 {
                        case 0: _ = try await writes.delete([id], within: .everything)
                        case 1:
                            let changes = try RecordChanges(
                                text: text, userID: .set(turn.isMultiple(of: 2) ? "u" : nil), topics: ["t\(step)"],
                                pinned: turn.isMultiple(of: 3))
                            _ = try await writes.update([RecordUpdate(id: id, changes: changes)], within: .everything)
                        default:
                            let record = try MemoryRecord(
                                id: id, text: text, topics: ["a", "b,c"].filter { !$0.contains(",") },
                                metadata: ["n": 1.0, "turn": .int(turn)])
                            _ = try await writes.add([record], within: .everything)
                        }
                    }
                }
            }
            for turn in (0..<30).reversed() {
                var changed: [ExactString: [MemoryEvent]] = [:]
                for event in try await history.events(
                    ofOperation: "op-\(turn)", after: 0, limit: 100, within: .everything)
                { changed[ExactString(event.id), default: []].append(event) }
                let latest = try await history.latestEvents(of: ids)
                let stored = try await scope.database.list(ListQuery(page: PageRequest(limit: 100))).items
                let rewrites = try changed.map { id, events in
                    let current = stored.first { ExactString($0.id) == id }?.jsonObject
                    let before = events.reversed().reduce(current) { $1.undone(from: $0) }
                    return RecordRewrite(
                        id: id.value, record: try before.map { try MemoryRecord(json: .object($0), of: "the history") },
                        latestEvent: latest[id] ?? 0)
                }
                try scope.expect("refused", try await history.rewrite(rewrites, within: .everything), [])
                try scope.expect("the state before operation \(turn)", try await state(scope), states[turn])
            }
        }

        private static func state(_ scope: CheckScope) async throws -> [String: String] {
            let records = try await scope.database.list(ListQuery(page: PageRequest(limit: 100))).items
            return Dictionary(uniqueKeysWithValues: records.map { ($0.id, JSONValue.object($0.jsonObject).jsonText) })
        }

        /// Reads the events by the number of the last one, until there are enough of them, or 30
        /// seconds are over.
        private static func follow(_ history: any RecordHistory, until enough: Int) async throws -> [MemoryEvent] {
            var seen: [MemoryEvent] = []
            let deadline = ContinuousClock.now + .seconds(30)
            while seen.count < enough, ContinuousClock.now < deadline {
                seen += try await history.events(after: seen.last?.sequence ?? 0, limit: 7, within: .everything)
                await Task.yield()
            }
            return seen
        }
    }
}
