import AgentMemory

extension ConformanceCheck {
    /// Chapter X: records that expire.
    enum ExpiryChecks {
        static let checks: [ConformanceCheck] = [
            ConformanceCheck(
                "expiry/X1-unseen", needs: [.expiry],
                hint: "a kind of read still sees what has expired and was not removed yet", run: unseen),
            ConformanceCheck(
                "expiry/X1-from-that-instant", needs: [.expiry],
                hint: "a record stays visible until a sweep, or disappears before its time", run: fromThatInstant),
            ConformanceCheck(
                "expiry/X1-writes", needs: [.expiry],
                hint: "a write finds what has expired: it is updated, counted as deleted, or counts as a duplicate",
                run: writes),
            ConformanceCheck(
                "expiry/X2-changes", needs: [.expiry],
                hint: "a record that was given another date, or none, expires at the old one", run: changes),
            ConformanceCheck(
                "expiry/X2-pinned", needs: [.expiry],
                hint: "a record is pinned by one update and gets its date of expiry by another", run: pinned),
            ConformanceCheck(
                "capability/X3-expiry",
                hint: "a date that the backend does not heed is stored instead of refused", run: capability),
        ]

        private static let past = Timestamp.now().advanced(bySeconds: -3600)
        private static let future = Timestamp.now().advanced(bySeconds: 86_400)

        private static func record(
            _ id: String, _ expiresAt: Timestamp?, text: String = "[1] common", created: Int64 = 1
        ) throws(MemoryError) -> MemoryRecord {
            try MemoryRecord(
                id: id, text: text, sessionID: "s", userID: "u", createdAt: at(created), expiresAt: expiresAt)
        }

        @Sendable static func unseen(_ scope: CheckScope) async throws {
            let shown = [try record("a", nil), try record("b", future, created: 2)]
            // Enough of the expired ones that a page of candidates has no room for others.
            let expired = try (0..<30).map { try record("e\($0)", past, created: 3) }
            _ = try await scope.database.add(shown + expired)
            for ranking in scope.rankings {
                let found = try await scope.search("[1] common", ranking, limit: 2)
                try scope.expect("\(ranking)", found.items.map(\.record.id).sorted(), ["a", "b"])
                try scope.expect("\(ranking): total", found.total, 2)
                _ = try await scope.database.add(expired)
            }
            let listed = try await scope.database.list(ListQuery(page: PageRequest(limit: 10)))
            try scope.expect("list", listed.items.map(\.id), ["b", "a"])
            try scope.expect("list: total", listed.total, 2)
            try scope.expect("list: the date", listed.items.first?.expiresAt, future)
            _ = try await scope.database.add(expired)
            try scope.expect("count", try await scope.database.count(.everything), 2)
            _ = try await scope.database.add(expired)
            let one = MemoryFilter(tags: [.id: try TagCondition(field: .id, eq: "e0")])
            try scope.expect(
                "by id", try await scope.database.list(ListQuery(filter: one, page: PageRequest())).total, 0)
            _ = try await scope.database.add(expired)
            let around = try await scope.database.neighbors(of: [listed.items[0]], reach: 3)
            try scope.expect("neighbours", around.map { ($0.before + $0.after).map(\.id) }, [["a"]])
        }

        @Sendable static func fromThatInstant(_ scope: CheckScope) async throws {
            let end = Timestamp.now().advanced(bySeconds: 2)
            _ = try await scope.database.add([try record("a", end), try record("b", nil)])
            let count = try await scope.database.count(.everything)
            // A busy machine may need longer than that to come here.
            if Timestamp.now() < end { try scope.expect("before its time", count, 2) }
            while Timestamp.now() < end { try await Task.sleep(for: .milliseconds(20)) }
            try scope.expect("from that instant", try await scope.listed(), ["b"])
        }

        @Sendable static func writes(_ scope: CheckScope) async throws {
            func expire() async throws {
                _ = try await scope.database.add([try record("a", past), try record("b", nil, text: "[2] other")])
            }
            try await expire()
            let pin = try RecordChanges(topics: ["t"])
            try scope.expect(
                "updated", try await scope.database.update([RecordUpdate(id: "a", changes: pin)]), 0)
            try await expire()
            try scope.expect("deleted", try await scope.database.delete(["a"]), 0)
            try await expire()
            _ = try await scope.database.add([try record("a", nil)])
            try scope.expect("stored again", try await scope.listed().sorted(), ["a", "b"])
            guard let atomic = CheckedDatabase(scope.scoped.database).atomicWrites else { return }
            try await expire()
            try scope.expect("no duplicate", try await atomic.addDistinct([try record("c", nil)]), ["c"])
        }

        @Sendable static func changes(_ scope: CheckScope) async throws {
            _ = try await scope.database.add([
                try record("sooner", future), try record("never", future), try record("given", nil),
                try record("later", future),
            ])
            func change(_ id: String, _ date: Timestamp?) throws -> RecordUpdate {
                RecordUpdate(id: id, changes: try RecordChanges(expiresAt: .set(date)))
            }
            let later = future.advanced(bySeconds: 3600)
            // Over REST an edit answers with the record, which is not there any more.
            _ = try await scope.database.update([try change("sooner", past), try change("given", past)])
            let changed = try await scope.database.update([try change("never", nil), try change("later", later)])
            try scope.expect("changed", changed, 2)
            let listed = try await scope.database.list(ListQuery(page: PageRequest()))
            try scope.expect("listed", listed.items.map(\.id).sorted(), ["later", "never"])
            try scope.expect("dates", Set(listed.items.map(\.expiresAt)), [later, nil])
        }

        @Sendable static func pinned(_ scope: CheckScope) async throws {
            let pinned = try MemoryRecord(id: "pinned", text: "[1] common", pinned: true)
            _ = try await scope.database.add([pinned, try record("dated", future)])
            for update in [
                RecordUpdate(id: "pinned", changes: try RecordChanges(expiresAt: .set(future))),
                RecordUpdate(id: "dated", changes: try RecordChanges(pinned: true)),
            ] {
                let error = try await scope.expectError("an update of \(update.id)", .invalidInput) {
                    _ = try await scope.database.update([update])
                }
                try scope.expect("the field", error.message.contains("expires_at"))
            }
            let both = try RecordChanges(pinned: true, expiresAt: .set(nil))
            try scope.expect(
                "pinned instead", try await scope.database.update([RecordUpdate(id: "dated", changes: both)]), 1)
        }

        @Sendable static func capability(_ scope: CheckScope) async throws {
            let dated = try record("a", future)
            guard !scope.database.capabilities.expiry else {
                _ = try await scope.database.add([dated])
                return try scope.expect("listed", try await scope.listed(), ["a"])
            }
            _ = try await scope.database.add([try record("b", nil)])
            _ = try await scope.expectError("add", .unsupported) { _ = try await scope.database.add([dated]) }
            _ = try await scope.expectError("update", .unsupported) {
                _ = try await scope.database.update([
                    RecordUpdate(id: "b", changes: try RecordChanges(expiresAt: .set(future)))
                ])
            }
            try scope.expect("listed", try await scope.listed(), ["b"])
        }
    }
}
