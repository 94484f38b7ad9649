import AgentMemory

extension ConformanceCheck {
    /// The rules R6, R7, E1 and E3 if the store crashes and restarts.
    enum DurabilityChecks {
        static let checks: [ConformanceCheck] = [
            ConformanceCheck(
                "durability/R6-second-connection", needs: [.secondProcess],
                hint:
                    "a write is answered before other connections can read it, or is kept in the process that took it",
                run: secondConnection),
            ConformanceCheck(
                "durability/E1-store-down", needs: [.storeFaults],
                hint:
                    "while the store is down a read answers nothing or 0, an error has no type, or a call waits without end",
                run: storeDown),
            ConformanceCheck(
                "durability/E3-store-comes-back", needs: [.storeFaults],
                hint:
                    "a connection, a prepared statement or an index of before is held on to after the store was restarted",
                run: storeComesBack),
            ConformanceCheck(
                "durability/E3-store-comes-back-empty", needs: [.storeFaults],
                hint: "the schema or the index is made at the start only, so that an emptied store never works again",
                run: storeComesBackEmpty),
            ConformanceCheck(
                "durability/R6-killed-during-writes", needs: [.storeFaults],
                hint: "a write is answered before the store has it on disk; set the store to sync before it answers",
                run: killedDuringWrites),
            ConformanceCheck(
                "durability/R7-no-half-calls", needs: [.storeFaults],
                hint: "a call is written in several steps, so that a crash between them leaves a part of it",
                run: noHalfCalls),
        ]

        @Sendable static func secondConnection(_ scope: CheckScope) async throws {
            let other = try await scope.reopened()
            do {
                for index in 0..<10 {
                    let (id, old, new) = ("r\(index)", "old\(index)", "new\(index)")
                    _ = try await scope.database.add([try MemoryRecord(id: id, text: "[1] \(old)", userID: old)])
                    try await scope.expectSeen("after add, by the other", in: other, user: old, word: old, [id])
                    let changes = try RecordChanges(text: "[1] \(new)", userID: .set(new))
                    _ = try await other.update([RecordUpdate(id: id, changes: changes)])
                    try await scope.expectSeen(
                        "after an update by the other", in: scope.database, user: new, word: new, [id])
                    _ = try await scope.database.delete([id])
                    try await scope.expectSeen("after delete, by the other", in: other, user: new, word: new, [])
                }
                try scope.expectNoLateWrites()
            } catch {
                await other.close()
                throw error
            }
            await other.close()
        }

        @Sendable static func storeDown(_ scope: CheckScope) async throws {
            let records = try (0..<20).map { try MemoryRecord(id: "r\($0)", text: "[1] word", userID: "u") }
            _ = try await scope.database.add(records)
            try await scope.faults.crash()
            let filter = try tag(.userID, eq: "u")
            var calls: [(String, @Sendable () async throws -> Void)] = [
                ("add", { _ = try await scope.database.add([try MemoryRecord(id: "lost", text: "[1] lost")]) }),
                ("list", { _ = try await scope.database.list(ListQuery(filter: filter, page: PageRequest())) }),
                ("list by id", { _ = try await scope.record("r1") }),
                ("count", { _ = try await scope.database.count(filter) }),
                ("count of everything", { _ = try await scope.database.count(.everything) }),
                ("delete", { _ = try await scope.database.delete(["r1"]) }),
                (
                    "update",
                    {
                        let changes = try RecordChanges(text: "[0, 1] other", userID: .set("v"))
                        _ = try await scope.database.update([RecordUpdate(id: "r1", changes: changes)])
                    }
                ),
            ]
            for ranking in scope.rankings {
                calls.append(("search, \(ranking)", { _ = try await scope.search("[1] word", ranking, filter) }))
            }
            // The second time, the backend's state of its connections is already known to be stale.
            for time in ["first", "second"] {
                for (what, call) in calls {
                    try await expectDown("\(what) for the \(time) time", scope, call)
                }
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (what, call) in calls + calls {
                    group.addTask { try await expectDown("\(what) among others", scope, call) }
                }
                try await group.waitForAll()
            }
            let health = await scope.database.health()
            try scope.expect("health gives a reason", health.contains { $0.component == "store" && $0.reason != nil })
            try await scope.faults.restart()
            try await whileRunning(scope) {
                try scope.expect(
                    "count when it is back", try await recovered(scope) { try await scope.database.count(.everything) },
                    20)
            }
        }

        @Sendable static func storeComesBack(_ scope: CheckScope) async throws {
            for round in 0..<3 {
                _ = try await scope.database.add(
                    try (0..<50).map {
                        try MemoryRecord(id: "r\(round)-\($0)", text: "[1, 0.\($0)] word", userID: "u\(round)")
                    })
                try await scope.faults.crash()
                try await scope.faults.restart()
                try await whileRunning(scope) {
                    // Every response must be correct, from the first one on.
                    let count = try await recovered(scope) { try await scope.database.count(.everything) }
                    try scope.expect("count", count, 50 * (round + 1))
                    let filter = try tag(.userID, eq: "u\(round)")
                    for ranking in scope.rankings {
                        let found = try await recovered(scope) { try await scope.search("[1] word", ranking, filter) }
                        try scope.expect("\(ranking): hits", found.items.count, 50)
                        try scope.expect("\(ranking): total", found.total, 50)
                    }
                    let first = "r\(round)-0"
                    let changed = try await recovered(scope) {
                        try await scope.database.update([
                            RecordUpdate(id: first, changes: try RecordChanges(text: "[0, 1] changed"))
                        ])
                    }
                    try scope.expect("updated", changed, 1)
                    try scope.expect("its text", exactly: try await scope.record(first).text, "[0, 1] changed")
                }
            }
            let health = await scope.database.health()
            try scope.expect("reasons in the end", health.compactMap(\.reason), [])
        }

        @Sendable static func storeComesBackEmpty(_ scope: CheckScope) async throws {
            // The first call after it is a read, then a write.
            for writesFirst in [false, true] {
                let old = try (0..<10).map { try MemoryRecord(id: "old\($0)", text: "[1] old", userID: "u") }
                _ = try await scope.database.add(old)
                try await scope.faults.crash()
                try await scope.faults.empty()
                try await scope.faults.restart()
                try await whileRunning(scope) {
                    if !writesFirst {
                        let count = try await recovered(scope) { try await scope.database.count(.everything) }
                        try scope.expect("count of the emptied store", count, 0)
                    }
                    let new = try (0..<10).map {
                        try MemoryRecord(id: "new\($0)", text: "[1, 0.\($0)] fresh", userID: "u")
                    }
                    try scope.expect(
                        "ids", try await recovered(scope) { try await scope.database.add(new) }, new.map(\.id))
                    let filter = try tag(.userID, eq: "u")
                    for ranking in scope.rankings {
                        let found = try await recovered(scope) { try await scope.search("[1] fresh", ranking, filter) }
                        try scope.expect(
                            "\(ranking)", found.items.map(\.record.id).sorted(), new.map(\.id).sorted())
                    }
                    let deleted = try await recovered(scope) { try await scope.database.delete(new.map(\.id)) }
                    try scope.expect("deleted", deleted, 10)
                }
            }
        }

        @Sendable static func killedDuringWrites(_ scope: CheckScope) async throws {
            let old = (0..<400).map { "old\($0)" }
            _ = try await scope.database.add(
                try old.map { try MemoryRecord(id: $0, text: "[1] old", userID: "before") })
            // The first half of the old records is changed, as far as the calls got; the second
            // half is deleted.
            let updater: Writer = { call in
                let change = RecordUpdate(id: "old\(call % 200)", changes: try RecordChanges(topics: ["c\(call)"]))
                _ = try await scope.database.update([change])
            }
            let deleter: Writer = { call in _ = try await scope.database.delete(["old\(200 + call % 200)"]) }
            let adders = (0..<6).map { adder(scope, $0, recordsACall: 5) }
            let written = try await untilTheCrash(scope, after: 60, adders + [updater, deleter])
            try await whileRunning(scope) {
                let count = try await recovered(scope) { try await scope.database.count(.everything) }
                let records = try await scope.database.list(ListQuery(page: PageRequest(limit: 10_000))).items
                try scope.expect("count and list agree", count, records.count)
                let topics = Dictionary(uniqueKeysWithValues: records.map { ($0.id, $0.topics) })
                for writer in 0..<6 {
                    for call in 0..<written[writer] {
                        for index in 0..<5 where topics["w\(writer)-\(call)-\(index)"] == nil {
                            throw Mismatch("the acknowledged record w\(writer)-\(call)-\(index) is lost")
                        }
                    }
                    let filter = try tag(.userID, eq: "w\(writer)")
                    let found = try await scope.search(
                        "[1] q", .semantic(distanceThreshold: nil), filter, limit: 10_000)
                    let expected = records.count { $0.userID == "w\(writer)" }
                    try scope.expect("found by vector", found.items.count, expected)
                }
                for call in 0..<min(written[6], 200) {
                    let latest = stride(from: call, to: written[6], by: 200).map { $0 }.last ?? call
                    // The next change may or may not have been sent.
                    let possible = [["c\(latest)"], ["c\(latest + 200)"]]
                    guard let topics = topics["old\(call)"], possible.contains(topics) else {
                        throw Mismatch("the acknowledged change of old\(call) is lost")
                    }
                }
                for call in 0..<min(written[7], 200) {
                    try scope.expect("old\(200 + call) stays deleted", topics["old\(200 + call)"] == nil)
                }
                scope.report("acknowledged writes before the crash", Double(written.reduce(0, +)))
            }
        }

        @Sendable static func noHalfCalls(_ scope: CheckScope) async throws {
            let size = 100
            let adders = (0..<4).map { adder(scope, $0, recordsACall: size) }
            _ = try await untilTheCrash(scope, after: 12, adders)
            try await whileRunning(scope) {
                _ = try await recovered(scope) { try await scope.database.count(.everything) }
                let records = try await scope.database.list(ListQuery(page: PageRequest(limit: 10_000))).items
                for (call, records) in Dictionary(grouping: records, by: \.namespace) {
                    try scope.expect("records of the call \(call ?? "")", records.count, size)
                }
                if scope.hasKeywordSearch {
                    let words = try await scope.search("word", .keyword(.bm25std), limit: 1)
                    try scope.expect("found by word", words.total, records.count)
                }
            }
        }
    }
}
