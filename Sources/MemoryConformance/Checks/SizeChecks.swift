import AgentMemory

extension ConformanceCheck {
    /// The rules P4 and C1 at sizes where the default limits of engines would show.
    enum SizeChecks {
        static let checks: [ConformanceCheck] = [
            ConformanceCheck(
                "size/P4-25000-paged-whole",
                hint:
                    "a list or a search cannot be paged beyond 10,000, or a deep page is short or shows records of another one",
                run: the25000PagedWhole),
            ConformanceCheck(
                "size/P4-10000-at-once", hint: "a page of 10,000 is cut to a smaller cap", run: the10000AtOnce),
            ConformanceCheck(
                "size/C1-count-beyond-10000", hint: "a cap of the engine shows: totals stop at 10,000",
                run: countBeyond10000),
        ]

        @Sendable static func the25000PagedWhole(_ scope: CheckScope) async throws {
            let count = 25_000
            try await addNumbered(count, to: scope)
            let newestFirst = (0..<count).reversed().map { "c\($0)" }
            let list = try await joined(limit: 1000) { page in
                let list = try await scope.database.list(ListQuery(page: page))
                return (list.items.map(\.id), list.total, list.nextOffset)
            }
            try scope.expect("totals of the list", list.totals, [count])
            try scope.expect("the joined pages of the list are the list", list.ids == newestFirst)
            // A few pages of another size, out of order, across the limits.
            for (limit, offset) in [(100, 24_950), (7, 9_997), (10_000, 9_000), (1, 24_999), (100, 10_000)] {
                let page = try await scope.database.list(ListQuery(page: PageRequest(limit: limit, offset: offset)))
                let expected = newestFirst[offset..<min(offset + limit, count)]
                try scope.expect("the page of \(limit) at \(offset)", page.items.map(\.id).elementsEqual(expected))
                try scope.expect("its total", page.total, count)
                try scope.expect("its next_offset", page.nextOffset, offset + limit < count ? offset + limit : nil)
            }
            // 20,000 of them by searches with a filter. Pages fit together within one depth (rule
            // P5), which starts at 1,000 here.
            let filter = try tag(.userID, ne: "few")
            let matching = Set((0..<count).filter { $0 % 5 != 0 }.map { "c\($0)" })
            let deep = try await joined(from: 1000, limit: 2000) { page in
                let found = try await scope.search(
                    "[1, 0.4] q", .semantic(distanceThreshold: nil), filter, limit: page.limit, offset: page.offset)
                return (found.items.map(\.record.id), found.total, found.nextOffset)
            }
            try scope.expect("totals of the search", deep.totals, [20_000])
            try scope.expect("records of the search from 1,000 on", deep.ids.count, 19_000)
            try scope.expect("the joined pages of the search show no record twice", Set(deep.ids).count, 19_000)
            try scope.expect("the search shows matching records only", Set(deep.ids).isSubset(of: matching))
            // A keyword search has no depths: all of its pages fit together.
            guard scope.hasKeywordSearch else { return }
            let words = try await joined(limit: 2000) { page in
                let found = try await scope.search(
                    "common", .keyword(.bm25std), filter, limit: page.limit, offset: page.offset)
                return (found.items.map(\.record.id), found.total, found.nextOffset)
            }
            try scope.expect("totals of the keyword search", words.totals, [20_000])
            try scope.expect("records of the keyword search", words.ids.count, 20_000)
            try scope.expect("the joined pages of the keyword search are the matches", Set(words.ids) == matching)
        }

        @Sendable static func the10000AtOnce(_ scope: CheckScope) async throws {
            try await addNumbered(10_050, to: scope)
            let page = try PageRequest(limit: PageRequest.maximumLimit, offset: 25)
            let list = try await scope.database.list(ListQuery(page: page))
            try scope.expect("records listed", Set(list.items.map(\.id)).count, 10_000)
            try scope.expect("next_offset", list.nextOffset, 10_025)
            for ranking in scope.rankings {
                let found = try await scope.search("[1] common", ranking, limit: page.limit, offset: page.offset)
                try scope.expect("\(ranking): records", Set(found.items.map(\.record.id)).count, 10_000)
                try scope.expect("\(ranking): total", found.total, 10_050)
                try scope.expect("\(ranking): next_offset", found.nextOffset, 10_025)
            }
        }

        @Sendable static func countBeyond10000(_ scope: CheckScope) async throws {
            try await addNumbered(15_000, to: scope)
            try scope.expect("everything", try await scope.database.count(.everything), 15_000)
            try scope.expect("many", try await scope.database.count(try tag(.userID, ne: "few")), 12_000)
            try scope.expect("few", try await scope.database.count(try tag(.userID, eq: "few")), 3000)
            try scope.expect("prefix", try await scope.database.count(try tag(.userID, startsWith: "man")), 12_000)
            try scope.expect(
                "by date", try await scope.database.count(try date(.createdAt, .init(.lt, at(14_000)))), 14_000)
            try scope.expect("by a search", try await scope.search("[1] q", limit: 1).total, 15_000)
            guard scope.hasKeywordSearch else { return }
            try scope.expect("by a word", try await scope.search("common", .keyword(.bm25std), limit: 1).total, 15_000)
        }
    }

    /// Records c0, c1, …, each newer than the one before; every fifth one of user "few", the others
    /// of user "many".
    private static func addNumbered(_ count: Int, to scope: CheckScope) async throws {
        for start in stride(from: 0, to: count, by: 500) {
            _ = try await scope.database.add(
                try (start..<min(start + 500, count)).map {
                    try MemoryRecord(
                        id: "c\($0)", text: "[1, 0.\($0 % 97)] common", userID: $0 % 5 == 0 ? "few" : "many",
                        createdAt: at(Int64($0)))
                })
        }
    }

    /// All pages from an offset to the last one, following `next_offset`.
    private static func joined(
        from start: Int = 0, limit: Int, _ page: (PageRequest) async throws -> (ids: [String], total: Int, next: Int?)
    ) async throws -> (ids: [String], totals: Set<Int>) {
        var ids: [String] = []
        var totals: Set<Int> = []
        var offset: Int? = start
        while let from = offset {
            let part = try await page(try PageRequest(limit: limit, offset: from))
            ids += part.ids
            totals.insert(part.total)
            offset = part.next
        }
        return (ids, totals)
    }
}
