import AgentMemory

/// Rules A1 to A3: what a caller may not reach does not exist for it, and is not overwritten by it.
extension ConformanceCheck {
    enum ScopeChecks {
        static let checks: [ConformanceCheck] = [
            ConformanceCheck(
                "scope/A1-reads", hint: "a page, a total or a hit is not limited to the scope of the filter", run: reads
            ),
            ConformanceCheck(
                "scope/A2-writes", hint: "a record of others is replaced, changed or removed", run: writes),
            ConformanceCheck(
                "scope/A2-at-once",
                hint: "the owner is looked at before the write, not with it: another write comes in between",
                run: atOnce),
            ConformanceCheck(
                "session/A3-scope", hint: "sessions of others are listed, counted or found", run: sessions),
        ]

        private static let owners: [(namespace: String?, user: String?)] = [
            ("a", "u"), ("a", nil), ("ab", "u"), ("b", "v"), ("team-1", "u"), ("team-2", "v"), ("team", "u"),
            ("A", "u"), ("a*", "u"), ("\u{E9}", "u"), ("e\u{301}", "u"), (nil, "u"), (nil, nil),
        ]

        private static func scopes() throws -> [AccessScope] {
            func some(_ patterns: String...) throws -> PermittedValues {
                try PermittedValues(patterns: patterns, field: "namespaces")
            }
            return [
                .everything, AccessScope(namespaces: try some("a")), AccessScope(namespaces: try some("a", "b")),
                AccessScope(namespaces: try some("team-*")), AccessScope(namespaces: try some("a*")),
                AccessScope(namespaces: try some("team-*", "b", "a")), AccessScope(users: try some("u")),
                AccessScope(namespaces: try some("a", "te*"), users: try some("u")),
                AccessScope(namespaces: try some("\u{E9}")), AccessScope(namespaces: try some("none")),
                AccessScope(namespaces: PermittedValues(exactly: [])),
            ]
        }

        private static func record(_ index: Int, _ text: String = "[1] quick fox") throws -> MemoryRecord {
            try MemoryRecord(
                id: "r\(index)", text: text, userID: owners[index].user, namespace: owners[index].namespace,
                createdAt: Timestamp(microseconds: 1_700_000_000_000_000 - Int64(index) * 1_000_000) ?? .earliest)
        }

        private static func reached(_ access: AccessScope) -> [String] {
            owners.indices.filter { access.contains(namespace: owners[$0].namespace, userID: owners[$0].user) }
                .map { "r\($0)" }
        }

        @Sendable static func reads(_ scope: CheckScope) async throws {
            _ = try scope.atomicWrites
            _ = try await scope.database.add(owners.indices.map { try record($0) })
            for access in try scopes() {
                let wanted = reached(access)
                let filter = MemoryFilter(scope: access)
                try scope.expect("listed within \(access.json)", try await scope.listed(filter), wanted)
                try scope.expect("counted", try await scope.database.count(filter), wanted.count)
                for ranking in try scope.rankingsWithoutClock {
                    let page = try await scope.search("[1] quick", ranking, filter)
                    try scope.expect("found", page.items.map(\.record.id).sorted(), wanted.sorted())
                    try scope.expect("total", page.total, wanted.count)
                }
                let conditions: [TagCondition] = [
                    try TagCondition(field: .namespace, ne: "a"), try TagCondition(field: .namespace, startsWith: "a"),
                    try TagCondition(field: .namespace, any: ["a", "b", "team-1"]),
                ]
                for condition in conditions {
                    let narrowed = MemoryFilter(tags: [.namespace: condition], scope: access)
                    let ids = try owners.indices.filter { narrowed.matches(try record($0)) }.map { "r\($0)" }
                    try scope.expect("with a condition besides", try await scope.listed(narrowed), ids)
                }
                let id = MemoryFilter(tags: [.id: try TagCondition(field: .id, eq: "r3")], scope: access)
                try scope.expect("by id", try await scope.listed(id), wanted.filter { $0 == "r3" })
            }
        }

        @Sendable static func writes(_ scope: CheckScope) async throws {
            let writes = try scope.atomicWrites
            let all = try owners.indices.map { try record($0) }
            for access in try scopes() {
                _ = try await scope.database.add(all)
                let wanted = reached(access)
                for (index, old) in all.enumerated() {
                    let new = try record(index, "[1] other \(index)")
                    let mine = wanted.contains(old.id)
                    for addDistinct in [false, true] {
                        let write: () async throws -> Void = {
                            _ =
                                addDistinct
                                ? try await writes.addDistinct([new], within: access)
                                : try await writes.add([new], within: access)
                        }
                        if mine {
                            try await write()
                        } else {
                            try await scope.expectError("replaced within \(access.json)", .conflict, body: write)
                        }
                    }
                    try scope.expect(
                        "the text", try await scope.record(old.id).text, mine ? new.text : old.text)
                    let changes = try RecordChanges(pinned: true)
                    let changed = try await writes.update([RecordUpdate(id: old.id, changes: changes)], within: access)
                    try scope.expect("changed", changed, mine ? 1 : 0)
                    try scope.expect("pinned", try await scope.record(old.id).pinned, mine)
                }
                // All or nothing, next to an id that is new.
                if let other = all.first(where: { !wanted.contains($0.id) }) {
                    let new = try MemoryRecord(id: "new", text: "[1] new")
                    try await scope.expectError("with a new one", .conflict) {
                        _ = try await writes.add([new, other], within: access)
                    }
                    try scope.expect("nothing", try await scope.database.count(tag(.id, eq: "new")), 0)
                }
                let removed = try await writes.delete(all.map(\.id) + ["unknown"], within: access)
                try scope.expect("removed within \(access.json)", removed, wanted.count)
                try scope.expect("left", try await scope.database.count(.everything), all.count - wanted.count)
            }
        }

        /// Two callers take the same new ids: each id is one caller's, and the other is refused.
        @Sendable static func atOnce(_ scope: CheckScope) async throws {
            let writes = try scope.atomicWrites
            for round in 0..<10 {
                let outcomes = await withTaskGroup(of: (String, Bool).self) { group in
                    for number in 0..<8 {
                        group.addTask {
                            let namespace = "n\(number)"
                            let access = AccessScope(namespaces: PermittedValues(exactly: [namespace]))
                            do {
                                let record = try MemoryRecord(
                                    id: "id \(round)", text: "[1] \(round)-\(number)", namespace: namespace)
                                _ =
                                    number % 2 == 0
                                    ? try await writes.add([record], within: access)
                                    : try await writes.addDistinct([record], within: access)
                                return (namespace, true)
                            } catch {
                                return (namespace, false)
                            }
                        }
                    }
                    return await group.reduce(into: []) { $0.append($1) }
                }
                let stored = outcomes.filter(\.1).map(\.0)
                try scope.expect("callers that stored it", stored.count, 1)
                try scope.expect("whose it is", try await scope.record("id \(round)").namespace, stored.first)
            }
        }

        @Sendable static func sessions(_ scope: CheckScope) async throws {
            let (store, other) = try (scope.sessions.first, scope.sessions.second)
            let now = Timestamp.now()
            let keys = try owners.map {
                try SessionKey(sessionID: "s", namespace: $0.namespace, userID: $0.user)
            }
            for key in keys {
                let memory = WorkingMemory(key: key, messages: [], createdAt: now, updatedAt: now, lastAccessed: now)
                try await store.write(memory, expecting: .absent, writerStamp: nil)
                let own = try SessionKey(
                    sessionID: "own \(key.namespace ?? "") \(key.userID ?? "")", namespace: key.namespace,
                    userID: key.userID)
                let second = WorkingMemory(key: own, messages: [], createdAt: now, updatedAt: now, lastAccessed: now)
                try await store.write(second, expecting: .absent, writerStamp: nil)
            }
            for access in try scopes() {
                let wanted = keys.filter(access.contains)
                let reference = try SessionReference(sessionID: "s")
                let matching = try await other.matching(reference, within: access, limit: 100)
                try scope.expect("matching within \(access.json)", matching, wanted.sorted())
                let first = try await other.matching(reference, within: access, limit: 2)
                try scope.expect("the first two", first, Array(wanted.sorted().prefix(2)))
                let ids =
                    wanted.isEmpty
                    ? [] : (wanted.map { "own \($0.namespace ?? "") \($0.userID ?? "")" } + ["s"])
                let page = try await other.sessionIDs(
                    namespace: nil, userID: nil, within: access, page: PageRequest(limit: 100))
                try scope.expect(
                    "listed", page.items.map(ExactString.init), ids.map(ExactString.init).sorted())
                try scope.expect("total", page.total, ids.count)
                let users = try await other.sessionIDs(
                    namespace: nil, userID: "u", within: access, page: PageRequest(limit: 1))
                let ofUser = wanted.filter { $0.userID == "u" }.count
                try scope.expect("of a user", users.total, ofUser == 0 ? 0 : ofUser + 1)
            }
        }
    }
}
