import AgentMemory

/// Rules R9, J7, W12 and W13: what is decided and written in one step, with any concurrent writes.
extension ConformanceCheck {
    enum AtomicityChecks {
        static let checks: [ConformanceCheck] = [
            ConformanceCheck(
                "concurrency/R9-one-text-at-once", needs: [.atomicWrites],
                hint: "of creates of one text that run at once several stay: look for duplicates and write in one step",
                run: oneTextAtOnce),
            ConformanceCheck(
                "concurrency/J7-promotion", needs: [.atomicWrites, .jobQueue],
                hint: "a promotion replaces what is there, or stores what was deleted after it had been handed in",
                run: promotion),
            ConformanceCheck(
                "jobs/J7-notes-of-deletions",
                hint: "notes of deletions are lost, or their time is not that of the jobs", run: notesOfDeletions),
            ConformanceCheck(
                "session/W12-jobs-with-the-write", needs: [.jobQueue],
                hint: "jobs are enqueued before or after the write: a conflict leaves them, or a crash loses them",
                run: jobsWithTheWrite),
            ConformanceCheck(
                "session/W13-append-again",
                hint: "an append that is sent again doubles its messages, or is compared by id alone", run: appendAgain),
            ConformanceCheck(
                "session/W13-appends-again-at-once",
                hint: "the ids are compared before the append, not with it: of two at once both are added",
                run: appendsAgainAtOnce),
            ConformanceCheck(
                "wire/R9-one-text-at-once",
                hint: "of creates of one text that run at once, with deduplicate, several stay", run: r9OneTextAtOnce),
        ]

        @Sendable static func oneTextAtOnce(_ scope: CheckScope) async throws {
            let writes = try scope.atomicWrites
            func record(_ id: String, _ text: String = "[1] same", user: String = "u") throws -> MemoryRecord {
                try MemoryRecord(id: id, text: text, userID: user)
            }
            for round in 0..<5 {
                let stored = try await withThrowingTaskGroup(of: [String].self) { group in
                    for i in 0..<20 {
                        group.addTask {
                            let record = try record("\(round)-\(i)", "[1] same \(round)")
                            return try await writes.addDistinct([record])
                        }
                    }
                    return try await group.reduce(into: []) { $0 += $1 }
                }
                try scope.expect("answers that say stored", stored.count, 1)
                try scope.expect("stored", try await scope.listed(tag(.id, startsWith: "\(round)-")), stored)
            }
            // One after the other, with replacements, scopes and repeated texts.
            let first = try await writes.addDistinct([
                record("a"), record("b"), record("c", user: "v"), record("d", "[1] d"),
            ])
            try scope.expect("of one call", first, ["a", "c", "d"])
            try scope.expect("a duplicate", try await writes.addDistinct([record("e")]), [])
            let replacement = try await writes.addDistinct([record("a", "[1] other"), record("e"), record("d")])
            try scope.expect("of what is replaced in the same call", replacement, ["a", "d"])
            _ = try await scope.database.delete(["d"])
            try scope.expect("after the other was deleted", try await writes.addDistinct([record("e")]), ["e"])
            _ = try await scope.database.update([
                RecordUpdate(id: "e", changes: try RecordChanges(text: "[1] changed"))
            ])
            try scope.expect("after the other was changed", try await writes.addDistinct([record("f")]), ["f"])
            try scope.expect("texts", try await scope.record("a").text, "[1] other")
            scope.embedder.fail(.down)
            try await scope.expectError("while nothing can be embedded", .embeddingFailed) {
                _ = try await writes.addDistinct([record("g", "[1] g")])
            }
            scope.embedder.fail(nil)
            try scope.expect("nothing was written", try await scope.database.count(tag(.id, eq: "g")), 0)
        }

        @Sendable static func promotion(_ scope: CheckScope) async throws {
            let (writes, queue) = try (scope.atomicWrites, scope.jobs.first)
            func record(_ id: String, _ text: String, user: String? = "u") throws -> MemoryRecord {
                try MemoryRecord(id: id, text: "[1] \(text)", userID: user)
            }
            func now() async throws -> Timestamp {
                try await queue.enqueue([NewJob(kind: "clock", payload: [:])])
                let jobs = try await queue.lease(kinds: ["clock"], limit: 1, for: .seconds(60))
                guard let job = jobs.first else {
                    throw Mismatch("a job that was enqueued cannot be leased")
                }
                try scope.expect("completed", try await queue.complete(job))
                return job.enqueuedAt
            }
            let handedIn = try await now()
            let ids = ["a", "b", "é", "e\u{301}", "'%_\""]
            let records = try ids.map { try record($0, "first") }
            try scope.expect(
                "the first", try await writes.promote(records, handedInAt: handedIn), ids.map { _ in .stored })
            try scope.expect(
                "again", try await writes.promote(records, handedInAt: handedIn), ids.map { _ in .present })
            try scope.expect("deleted", try await scope.database.delete(["a", "é", "never"]), 2)
            let again = try await writes.promote(
                try (ids + ["never"]).map { try record($0, "second") }, handedInAt: handedIn)
            try scope.expect(
                "after a deletion", again, [.deleted, .present, .deleted, .present, .present, .deleted])
            try scope.expect("an edit is not undone", try await scope.record("b").text, "[1] first")
            let others = try await writes.promote(
                [try record("b", "other", user: "v"), try record("a", "other", user: "v"), try record("n", "new")],
                handedInAt: handedIn)
            try scope.expect("of another user", others, [.taken, .deleted, .stored])
            try scope.expect("the first keeps it", try await scope.record("b").userID, "u")
            let later = try await now()
            try scope.expect(
                "handed in after the deletion",
                try await writes.promote([try record("a", "third")], handedInAt: later), [.stored])
            try scope.expect("its text", try await scope.record("a").text, "[1] third")
            _ = try await scope.database.delete(["a"])
            _ = try await scope.database.add([try record("a", "fourth")])
            try scope.expect(
                "what a client has created again",
                try await writes.promote([try record("a", "third")], handedInAt: later), [.present])
            // A deletion comes before a promotion or after it; in both cases the record is deleted.
            try await withThrowingTaskGroup(of: Void.self) { group in
                for i in 0..<30 {
                    group.addTask {
                        _ = try await writes.promote([try record("r\(i)", "x")], handedInAt: later)
                    }
                    group.addTask { _ = try await scope.database.delete(["r\(i)"]) }
                }
                try await group.waitForAll()
            }
            try scope.expect("left", try await scope.listed(tag(.id, startsWith: "r")), [])
        }

        @Sendable static func notesOfDeletions(_ scope: CheckScope) async throws {
            let (queue, other) = try (scope.jobs.first, scope.jobs.second)
            func enqueuedAt() async throws -> Timestamp {
                try await queue.enqueue([NewJob(kind: "k", payload: [:])])
                let jobs = try await queue.lease(kinds: ["k"], limit: 1, for: .seconds(60))
                guard let job = jobs.first else {
                    throw Mismatch("a job that was enqueued cannot be leased")
                }
                return job.enqueuedAt
            }
            let before = try await enqueuedAt()
            let ids = ["a", "é", "'%_\"", "x y"]
            try await queue.noteDeleted([])
            try await queue.noteDeleted(ids)
            let after = try await enqueuedAt()
            let asked = ids + ["e\u{301}", "A", "b"]
            try scope.expect("of nothing", try await other.deleted([], since: before), [])
            let noted = try await other.deleted(asked, since: before)
            try scope.expect("noted", Set(noted.map(ExactString.init)), Set(ids.map(ExactString.init)))
            try scope.expect("since then", try await other.deleted(asked, since: after), [])
            try await other.noteDeleted(["a", "a"])
            try scope.expect("once more", try await queue.deleted(asked, since: after), ["a"])
        }

        @Sendable static func jobsWithTheWrite(_ scope: CheckScope) async throws {
            let (store, queue) = try (scope.sessions.first, scope.jobs.second)
            let key = try SessionKey(sessionID: "s", userID: "u")
            func jobs(_ name: String, _ count: Int = 1) -> [NewJob] {
                (0..<count).map {
                    NewJob(kind: "k", payload: ["name": .string(name), "text": "é\n\"", "n": .int($0)])
                }
            }
            /// Takes and completes the existing jobs.
            func taken() async throws -> [String] {
                let jobs = try await queue.lease(kinds: ["k"], limit: 99, for: .seconds(60))
                for job in jobs { try scope.expect("completed", try await queue.complete(job)) }
                return jobs.map { "\($0.payload["name"]?.stringValue ?? "?")\($0.payload["n"]?.intValue ?? -1)" }
            }
            func append(_ id: String, _ text: String = "x", _ revision: Int? = nil) throws -> SessionAppend {
                SessionAppend(
                    [try message(id, text)], at: at(10), expectedRevision: revision, skipsRepeats: revision == nil,
                    enqueueing: jobs("append"))
            }
            try scope.expect("an append to nothing", try await store.append(append("x"), to: key) == nil)
            try scope.expect("its jobs", try await taken(), [])
            let first = try await store.write(
                session(key), expecting: .absent, writerStamp: nil, enqueueing: jobs("create", 3))
            try scope.expect("jobs of a creation", try await taken(), ["create0", "create1", "create2"])
            for expectation in [.absent, .revision(first.number + 1)] as [SessionExpectation] {
                try await scope.expectError("a write expecting \(expectation)", .conflict) {
                    try await store.write(
                        session(key), expecting: expectation, writerStamp: nil, enqueueing: jobs("conflict"))
                }
            }
            try await scope.expectError("an append to another revision", .conflict) {
                _ = try await store.append(append("x", "x", first.number + 1), to: key)
            }
            try scope.expect("jobs of conflicts", try await taken(), [])
            var next = session(key)
            next.lastAccessed = at(5)
            try await store.write(
                next, expecting: .revision(first.number), writerStamp: nil, enqueueing: jobs("replace", 2))
            _ = try await store.append(append("m1"), to: key)
            try scope.expect("jobs in their order", try await taken(), ["replace0", "replace1", "append0"])
            _ = try await store.append(append("m1"), to: key)
            try await scope.expectError("an append that contradicts", .conflict) {
                _ = try await store.append(append("m1", "another"), to: key)
            }
            try scope.expect("jobs of appends that add nothing", try await taken(), [])
        }

        @Sendable static func appendAgain(_ scope: CheckScope) async throws {
            let store = try scope.sessions.first
            let key = try SessionKey(sessionID: "s")
            func append(_ messages: [SessionMessage], _ second: Int64) async throws -> StoredSession? {
                try await store.append(SessionAppend(messages, at: at(second), skipsRepeats: true), to: key)
            }
            func stored() async throws -> [SessionMessage] {
                try await store.read(key, lastMessages: nil)?.memory.messages ?? []
            }
            let new = [try message("m1", "\u{1F600} \"é\"\n"), try message("é"), try message("e\u{301}", "other")]
            try scope.expect("to nothing", try await append(new, 10) == nil)
            var memory = session(key)
            memory.ttlSeconds = 1000
            memory.data = ["k": 1]
            try await store.write(memory, expecting: .absent, writerStamp: nil)
            let first = try await append(new, 10)
            try scope.expect("added", first?.messageCount, 4)
            let again = try await append(new, 20)
            try scope.expect("an append sent again changes nothing", again == first)
            try scope.expect("messages", try await stored() == memory.messages + new)
            let more = try await append([new[1], try message("m2"), new[0], try message("m3")], 30)
            try scope.expect("of some only the new ones", more?.messageCount, 6)
            try scope.expect("a new revision", more?.current.number, first.map { $0.current.number + 1 })
            try scope.expect("its count", more?.current.messageCount, 6)
            try scope.expect("their order", try await stored().map(\.id), ["m0", "m1", "é", "e\u{301}", "m2", "m3"])
            for wrong in [
                try message("m1"),
                SessionMessage(
                    storedID: "m2", role: "assistant", content: "text", createdAt: at(0), persistedAt: nil,
                    discreteMemoryExtracted: false),
            ] {
                try await scope.expectError("an id with another meaning", .conflict) {
                    _ = try await append([try message("m9"), wrong], 40)
                }
            }
            try scope.expect(
                "nothing was added", try await stored().map(\.id), ["m0", "m1", "é", "e\u{301}", "m2", "m3"])
            // Other dates and marks do not change the meaning; a repeat is found among the last
            // messages of a session of any length.
            try await store.markPersisted(memoryIDs: [], messageIDs: ["m3"], at: at(50), in: key)
            let many = try (0..<SessionAppend.repeatWindow - 1).map { try message("x\($0)") }
            try scope.expect(
                "many", try await append(many, 60)?.messageCount, 6 + SessionAppend.repeatWindow - 1)
            let last = SessionMessage(
                storedID: "m3", role: "user", content: "text", createdAt: at(99), persistedAt: nil,
                discreteMemoryExtracted: true)
            try scope.expect(
                "the oldest that is looked at", try await append([last], 70)?.messageCount,
                6 + SessionAppend.repeatWindow - 1)
        }

        @Sendable static func appendsAgainAtOnce(_ scope: CheckScope) async throws {
            let stores = try [scope.sessions.first, scope.sessions.second]
            let key = try SessionKey(sessionID: "s", namespace: "n", userID: "u")
            try await stores[0].write(session(key, messages: []), expecting: .absent, writerStamp: nil)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for i in 0..<60 {
                    group.addTask {
                        // Each three times, from two processes.
                        let append = SessionAppend(
                            [try message("a\(i / 3)"), try message("b\(i / 3)")], at: at(10), skipsRepeats: true)
                        _ = try await stores[i % 2].append(append, to: key)
                    }
                }
                try await group.waitForAll()
            }
            let read = try await stores[1].read(key, lastMessages: nil)
            let ids = read?.memory.messages.map(\.id) ?? []
            try scope.expect("messages", ids.count, 40)
            try scope.expect("different ones", Set(ids).count, 40)
            try scope.expect("count", read?.messageCount, 40)
            try scope.expect("revisions", read?.revisions.count, 21)
        }

        @Sendable static func r9OneTextAtOnce(_ scope: CheckScope) async throws {
            let wire = try scope.wire
            for round in 0..<3 {
                try await withThrowingTaskGroup(of: RESTCalls.Answer.self) { group in
                    for i in 0..<20 {
                        group.addTask {
                            try await wire.create(
                                [wire.memory("\(round)-\(i)", ["text": .string("[1] same \(round)")])],
                                deduplicate: true)
                        }
                    }
                    for try await answer in group { try scope.expect("create", answer, status: 200) }
                }
                let count = try await scope.database.count(tag(.id, startsWith: "\(round)-"))
                try scope.expect("copies of one text", count, 1)
            }
        }
    }
}
