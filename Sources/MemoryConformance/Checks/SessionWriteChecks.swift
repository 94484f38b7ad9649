import AgentMemory

/// Rules W5 to W8 and W10: writes, appends, expiry.
extension ConformanceCheck {
    enum SessionWriteChecks {
        static let checks: [ConformanceCheck] = [
            ConformanceCheck(
                "session/W5-expectations", hint: "a write goes through although something else is stored",
                run: expectations),
            ConformanceCheck(
                "session/W5-writers-at-once",
                hint: "the expectation is checked before the write, not with it: updates get lost", run: writersAtOnce),
            ConformanceCheck(
                "session/W6-revisions", hint: "the history is cut, or stamps go back with the writer's clock",
                run: revisions),
            ConformanceCheck(
                "session/W7-appends-at-once",
                hint: "an append reads and writes: of several at once, one overwrites the others", run: appendsAtOnce),
            ConformanceCheck(
                "session/W7-append", hint: "an append creates a session, drops messages of a known id, or resets",
                run: append),
            ConformanceCheck(
                "session/W8-expiry",
                hint: "expired sessions are left out only once they have been swept, or a read renews them", run: expiry
            ),
            ConformanceCheck("session/W8-append-renews", hint: "an append leaves the old end", run: appendRenews),
            ConformanceCheck(
                "session/W10-marks", hint: "a mark is overwritten, makes a revision, or renews the session", run: marks),
            ConformanceCheck(
                "session/W10-extracted",
                hint: "a message is marked although it says something else by now, or another write is undone",
                run: extracted),
        ]

        @Sendable static func expectations(_ scope: CheckScope) async throws {
            let store = try scope.sessions.first
            let key = try SessionKey(sessionID: "s", userID: "u")
            let memory = session(key)
            try await scope.expectError("a revision of nothing", .conflict) {
                try await store.write(memory, expecting: .revision(1), writerStamp: nil)
            }
            try scope.expect("nothing was created", try await store.read(key, lastMessages: 0) == nil)
            let first = try await store.write(memory, expecting: .absent, writerStamp: nil)
            var next = session(key, messages: [])
            next.lastAccessed = at(10)
            for expectation in [.absent, .revision(first.number + 1), .revision(first.number - 1)]
                as [SessionExpectation]
            {
                try await scope.expectError("expecting \(expectation)", .conflict) {
                    try await store.write(next, expecting: expectation, writerStamp: nil)
                }
            }
            try await scope.expectError("append to another revision", .conflict) {
                _ = try await store.append(
                    SessionAppend([try message("x")], at: at(20), expectedRevision: first.number + 1), to: key)
            }
            try await scope.expectError("delete of another revision", .conflict) {
                _ = try await store.delete(key, expectedRevision: first.number + 1)
            }
            let unchanged = try await store.read(key, lastMessages: nil)
            try scope.expect("the session after conflicts", unchanged?.memory == memory)
            try scope.expect("its revisions", unchanged?.revisions, [first])
            let second = try await store.write(next, expecting: .revision(first.number), writerStamp: nil)
            let deleted = try await store.delete(key, expectedRevision: second.number)
            try scope.expect("deleted", deleted)
            try scope.expect("nothing is left to delete", try await !store.delete(key, expectedRevision: second.number))
            let again = try await store.write(memory, expecting: .absent, writerStamp: nil)
            try scope.expect("a new history", try await store.read(key, lastMessages: 0)?.revisions, [again])
        }

        @Sendable static func writersAtOnce(_ scope: CheckScope) async throws {
            let stores = try [scope.sessions.first, scope.sessions.second]
            let key = try SessionKey(sessionID: "s")
            let first = try await stores[0].write(session(key, messages: []), expecting: .absent, writerStamp: nil)
            // Of many writers that expect the same state, one succeeds.
            let winners = try await withThrowingTaskGroup(of: Int.self) { group in
                for i in 0..<50 {
                    group.addTask {
                        var memory = session(key, messages: [])
                        memory.lastAccessed = at(10, Int64(i))
                        do {
                            try await stores[i % 2].write(memory, expecting: .revision(first.number), writerStamp: nil)
                            return 1
                        } catch let error as MemoryError where error.code == .conflict {
                            return 0
                        }
                    }
                }
                return try await group.reduce(0, +)
            }
            try scope.expect("writers that got through", winners, 1)
            // Writers that read, change and retry lose nothing.
            try await withThrowingTaskGroup(of: Void.self) { group in
                for i in 0..<100 {
                    group.addTask {
                        let store = stores[i % 2]
                        while true {
                            guard let read = try await store.read(key, lastMessages: nil) else {
                                throw Mismatch("the session has expired")
                            }
                            var memory = read.memory
                            memory.messages.append(try message("m\(i)"))
                            memory.lastAccessed = memory.lastAccessed.advanced(bySeconds: 1)
                            do {
                                try await store.write(
                                    memory, expecting: .revision(read.current.number), writerStamp: nil)
                                return
                            } catch let error as MemoryError where error.code == .conflict {
                                continue
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            let read = try await stores[1].read(key, lastMessages: nil)
            try scope.expect("messages", Set(read?.memory.messages.map(\.id) ?? []), Set((0..<100).map { "m\($0)" }))
            try scope.expect("count", read?.messageCount, 100)
        }

        @Sendable static func revisions(_ scope: CheckScope) async throws {
            let store = try scope.sessions.first
            let key = try SessionKey(sessionID: "s")
            var expected = [try await store.write(session(key), expecting: .absent, writerStamp: nil)]
            try scope.expect("number of the first", expected[0].number >= 1)
            func append(at date: Timestamp, stamp: Timestamp) async throws {
                let last = expected[expected.count - 1]
                let session = try await store.append(
                    SessionAppend([try message("x")], at: date, writerStamp: at(-1)), to: key)
                expected.append(
                    SessionRevision(
                        number: last.number + 1, stamp: stamp, writerStamp: at(-1), messageCount: last.messageCount + 1)
                )
                try scope.expect("revisions", session?.revisions ?? [], expected.suffix(SessionRevision.kept))
                try scope.expect("last_accessed", session?.memory.lastAccessed, stamp)
                try scope.expect("updated_at", session?.memory.updatedAt, date)
            }
            try await append(at: at(100, 5), stamp: at(100, 5))
            // A clock that is behind.
            try await append(at: at(50), stamp: at(100, 6))
            try await append(at: at(100, 6), stamp: at(100, 7))
            for i in 0..<300 { try await append(at: at(200 + Int64(i)), stamp: at(200 + Int64(i))) }
            var memory = session(key, messages: [])
            memory.lastAccessed = at(1000)
            let last = expected[expected.count - 1].number
            expected.append(try await store.write(memory, expecting: .revision(last), writerStamp: nil))
            try scope.expect("number after a write", expected[expected.count - 1].number, last + 1)
            let read = try await store.read(key, lastMessages: 0)
            try scope.expect("the last ones", read?.revisions ?? [], expected.suffix(SessionRevision.kept))
        }

        @Sendable static func appendsAtOnce(_ scope: CheckScope) async throws {
            let stores = try [scope.sessions.first, scope.sessions.second]
            let key = try SessionKey(sessionID: "s", namespace: "n")
            let first = try await stores[0].write(session(key), expecting: .absent, writerStamp: nil)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for i in 0..<100 {
                    group.addTask {
                        let append = SessionAppend(try (0..<3).map { try message("m\(i)-\($0)") }, at: at(10))
                        let after = try await stores[i % 2].append(append, to: key)
                        try scope.expect("answered without messages", after?.memory.messages.isEmpty, true)
                    }
                }
                try await group.waitForAll()
            }
            let read = try await stores[1].read(key, lastMessages: nil)
            let ids = read?.memory.messages.map(\.id) ?? []
            try scope.expect("messages", ids.count, 301)
            try scope.expect("different ones", Set(ids).count, 301)
            for start in stride(from: 1, to: ids.count, by: 3) {
                let name = ids[start].prefix { $0 != "-" }
                try scope.expect("one call's messages", Array(ids[start..<start + 3]), (0..<3).map { "\(name)-\($0)" })
            }
            try scope.expect("revision", read?.current.number, first.number + 100)
            try scope.expect("stamp", read?.current.stamp, at(10, 99))
            try scope.expect("counts in the history", read?.revisions.map(\.messageCount), (0...100).map { $0 * 3 + 1 })
        }

        @Sendable static func append(_ scope: CheckScope) async throws {
            let store = try scope.sessions.first
            let key = try SessionKey(sessionID: "s")
            let append = SessionAppend([try message("m0", "again"), try message("m1")], at: at(10), tokens: 7)
            try scope.expect("append to nothing", try await store.append(append, to: key) == nil)
            try scope.expect("nothing was created", try await store.read(key, lastMessages: 0) == nil)
            var memory = session(key)
            memory.data = ["k": 1.5]
            memory.context = "context"
            let first = try await store.write(memory, expecting: .absent, writerStamp: nil)
            let after = try await store.append(append, to: key)
            try scope.expect("tokens", after?.memory.tokens, 7)
            try scope.expect("count", after?.messageCount, 3)
            let none = try await store.append(
                SessionAppend([], at: at(11), expectedRevision: first.number + 1), to: key)
            try scope.expect("tokens are left", none?.memory.tokens, 7)
            memory.messages += append.messages
            memory.tokens = 7
            memory.updatedAt = at(11)
            memory.lastAccessed = at(11)
            try scope.expect("the whole session", try await store.read(key, lastMessages: nil)?.memory == memory)
        }

        @Sendable static func expiry(_ scope: CheckScope) async throws {
            let store = try scope.sessions.first
            let reference = try SessionReference(sessionID: "s", namespace: "n")
            let key = try SessionKey(sessionID: "s", namespace: "n")
            let kept = try SessionKey(sessionID: "s", namespace: "n", userID: "kept")
            // The kept session had a time to live, the shorter one, and loses it before it ends.
            try await withTimeToLive { ttl in
                var other = session(kept)
                other.ttlSeconds = ttl
                let start = ContinuousClock.now
                let first = try await store.write(other, expecting: .absent, writerStamp: nil)
                other.ttlSeconds = nil
                other.lastAccessed = at(100)
                do {
                    try await store.write(other, expecting: .revision(first.number), writerStamp: nil)
                } catch let error as MemoryError
                    where error.code == .conflict && ContinuousClock.now - start > .seconds(ttl) - .milliseconds(100)
                {
                    return false
                }
                return true
            }
            var memory = session(key)
            memory.ttlSeconds = 4
            let revision = try await store.write(memory, expecting: .absent, writerStamp: nil)
            let endless = try SessionKey(sessionID: "endless", namespace: "n")
            var longest = session(endless)
            longest.ttlSeconds = .max
            try await store.write(longest, expecting: .absent, writerStamp: nil)
            try await scope.eventually("the session has expired") {
                try await store.read(key, lastMessages: nil) == nil
            }
            try scope.expect("matching", try await store.matching(reference, limit: 9), [kept])
            let page = try await store.sessionIDs(namespace: "n", userID: nil, page: PageRequest())
            try scope.expect("list", page.items, ["endless", "s"])
            let append = SessionAppend([try message("x")], at: at(10))
            try scope.expect("append", try await store.append(append, to: key) == nil)
            try scope.expect("delete", try await !store.delete(key, expectedRevision: nil))
            try await store.markPersisted(memoryIDs: [], messageIDs: ["m0"], at: at(10), in: key)
            try await scope.expectError("a write of its revision", .conflict) {
                try await store.write(memory, expecting: .revision(revision.number), writerStamp: nil)
            }
            let again = try await store.write(session(key), expecting: .absent, writerStamp: nil)
            try scope.expect("a new history", try await store.read(key, lastMessages: 0)?.revisions, [again])
        }

        @Sendable static func appendRenews(_ scope: CheckScope) async throws {
            let store = try scope.sessions.first
            try await withTimeToLive { ttl in
                let key = try SessionKey(sessionID: "lives \(ttl) seconds")
                var memory = session(key)
                memory.ttlSeconds = ttl
                try await store.write(memory, expecting: .absent, writerStamp: nil)
                // In total longer than the session would last by itself.
                for _ in 0..<4 {
                    let last = ContinuousClock.now
                    try await Task.sleep(for: .seconds(ttl) / 3)
                    let after = try await store.append(SessionAppend([try message("x")], at: at(10)), to: key)
                    guard after == nil else { continue }
                    // The time to live starts at the previous append, which ended just before the
                    // pause.
                    guard ContinuousClock.now - last > .seconds(ttl) - .milliseconds(100) else {
                        throw Mismatch(
                            "the session has expired although it was appended to less than \(ttl) seconds ago")
                    }
                    return false
                }
                let read = try await store.read(key, lastMessages: 0)
                try scope.expect("messages", read?.messageCount, 5)
                try await scope.eventually("the session has expired", within: .seconds(ttl + 20)) {
                    try await store.read(key, lastMessages: 0) == nil
                }
                return true
            }
        }

        /// Runs a check that must act before a session expires, with a time to live of 3 seconds.
        /// If the machine is slower than that (`body` returns false), it runs again with four times
        /// as long.
        private static func withTimeToLive(_ body: (_ seconds: Int) async throws -> Bool) async throws {
            for seconds in [3, 12, 48] where try await body(seconds) { return }
            throw NotApplicable("the machine is too busy to act within 48 seconds")
        }

        @Sendable static func marks(_ scope: CheckScope) async throws {
            let store = try scope.sessions.first
            let key = try SessionKey(sessionID: "s")
            try await store.markPersisted(memoryIDs: ["a"], messageIDs: ["m0"], at: at(10), in: key)
            try scope.expect("nothing was created", try await store.read(key, lastMessages: 0) == nil)
            let ids = ["a", "'", "\"", "\\", "é", "e\u{301}", "$.x", "[0]", " "]
            var memory = session(key, messages: try ids.dropLast().map { try message($0) } + [try message("a")])
            memory.messages[1].persistedAt = at(5)
            memory.memories = try ids.dropLast().map { id in
                SessionMemory(
                    try MemoryRecord(id: id, text: "t", createdAt: at(0), lastAccessed: at(0), updatedAt: at(0)),
                    givenLists: [], persistedAt: nil)
            }
            let revision = try await store.write(memory, expecting: .absent, writerStamp: nil)
            try await store.markPersisted(
                memoryIDs: ["\"", "é", "nowhere"], messageIDs: ["a", "'", "\\"], at: at(10, 10), in: key)
            try await store.markPersisted(memoryIDs: ["\""], messageIDs: ["a", "e\u{301}"], at: at(20), in: key)
            for i in memory.messages.indices {
                switch ExactString(memory.messages[i].id).value {
                case "a", "\\": memory.messages[i].persistedAt = at(10, 10)
                case let id where ExactString(id) == ExactString("e\u{301}"): memory.messages[i].persistedAt = at(20)
                default: break
                }
            }
            for i in memory.memories.indices
            where [ExactString("\""), ExactString("é")].contains(ExactString(memory.memories[i].id)) {
                memory.memories[i].persistedAt = at(10, 10)
            }
            let read = try await store.read(key, lastMessages: nil)
            try scope.expect("the messages", read?.memory.messages == memory.messages)
            try scope.expect("the session", read?.memory == memory)
            try scope.expect("its revisions", read?.revisions, [revision])
        }

        @Sendable static func extracted(_ scope: CheckScope) async throws {
            let store = try scope.sessions.first
            let key = try SessionKey(sessionID: "s", userID: "u")
            let ids = ["a", "b", "'", "\"", "\\", "é", "e\u{301}", "$.x"]
            var memory = session(key, messages: try ids.map { try message($0) } + [try message("a")])
            try await store.markExtracted(memory.messages, in: key)
            try scope.expect("nothing was created", try await store.read(key, lastMessages: 0) == nil)
            memory.messages[1].persistedAt = at(5)
            let revision = try await store.write(memory, expecting: .absent, writerStamp: nil)
            let edited = SessionMessage(
                storedID: "b", role: memory.messages[1].role, content: "something else", createdAt: at(0),
                persistedAt: nil, discreteMemoryExtracted: false)
            let marked = ["a", "\"", "é"]
            try await store.markExtracted(
                memory.messages.filter { marked.map(ExactString.init).contains(ExactString($0.id)) } + [
                    edited, try message("nowhere"),
                ], in: key)
            try await store.markExtracted([memory.messages[0]], in: key)
            for i in memory.messages.indices
            where marked.map(ExactString.init).contains(ExactString(memory.messages[i].id)) {
                memory.messages[i].discreteMemoryExtracted = true
            }
            let read = try await store.read(key, lastMessages: nil)
            try scope.expect("the messages", read?.memory.messages == memory.messages)
            try scope.expect("the session", read?.memory == memory)
            try scope.expect("its revisions", read?.revisions, [revision])
        }
    }
}
