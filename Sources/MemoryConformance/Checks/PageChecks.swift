import AgentMemory

extension ConformanceCheck {
    /// Rules P1 to P5.
    enum PageChecks {
        static let checks: [ConformanceCheck] = [
            ConformanceCheck(
                "page/P1-order", hint: "the list has no total order: created_at descending, then id ascending by bytes",
                run: order),
            ConformanceCheck(
                "page/P1-pages-of-ties",
                hint: "records with equal dates are shown twice or never: the order has no tie-break", run: pagesOfTies),
            ConformanceCheck(
                "page/P2-total", hint: "total is the number of records on the page, or at most limit + offset",
                run: total),
            ConformanceCheck(
                "page/P3-next-offset", hint: "next_offset is null although there is more, or not null at the end",
                run: nextOffset),
            ConformanceCheck(
                "page/P4-past-the-end", hint: "an offset past the end fails, or loses the total", run: pastTheEnd),
            ConformanceCheck(
                "page/P5-joined-pages",
                hint: "the candidates depend on limit or offset, so pages overlap or leave gaps", run: joinedPages),
            ConformanceCheck(
                "page/P5-900-of-many",
                hint: "a filter that matches 900 is not paged to its end, although it is in the exact zone",
                run: pagesOfNineHundred),
        ]

        @Sendable static func order(_ scope: CheckScope) async throws {
            let ids = ["b", "a", "Z", "é", "e", "10", "9", "z", "a b", "🙂", "\u{FFFD}"]
            _ = try await scope.database.add(
                try ids.map { try MemoryRecord(id: $0, text: "[1] x", createdAt: at(5)) }
                    + [
                        try MemoryRecord(id: "new", text: "[1] x", createdAt: at(5, 1)),
                        try MemoryRecord(id: "old", text: "[1] x", createdAt: at(4)),
                    ])
            let expected = ["new"] + ids.map(ExactString.init).sorted().map(\.value) + ["old"]
            try scope.expect("order", try await scope.listed(), expected)
        }

        @Sendable static func pagesOfTies(_ scope: CheckScope) async throws {
            try await addMany(250, to: scope) { _ in at(1) }
            for limit in [1, 7, 100, 249, 250, 1000] {
                try scope.expect(
                    "pages of \(limit)", try await joinedList(scope, limit: limit), try await scope.listed())
            }
        }

        @Sendable static func total(_ scope: CheckScope) async throws {
            try await addMany(60, to: scope) { at(Int64($0)) }
            let filter = try tag(.userID, eq: "even")
            for (limit, offset) in [(1, 0), (10, 0), (10, 25), (30, 0), (100, 0), (10, 29), (10, 30), (10, 1000)] {
                let request = try PageRequest(limit: limit, offset: offset)
                let list = try await scope.database.list(ListQuery(filter: filter, page: request))
                try scope.expect("list total at \(limit), \(offset)", list.total, 30)
                try scope.expect("list items at \(limit), \(offset)", list.items.count, max(0, min(limit, 30 - offset)))
                for ranking in scope.rankings {
                    let found = try await scope.search("[1, 1] common", ranking, filter, limit: limit, offset: offset)
                    try scope.expect("total of \(ranking) at \(limit), \(offset)", found.total, 30)
                    try scope.expect(
                        "items of \(ranking) at \(limit), \(offset)", found.items.count, max(0, min(limit, 30 - offset))
                    )
                }
            }
        }

        @Sendable static func nextOffset(_ scope: CheckScope) async throws {
            try await addMany(30, to: scope) { at(Int64($0)) }
            for (limit, offset, next) in [
                (10, 0, 10), (10, 19, 29), (10, 20, nil), (30, 0, nil), (29, 0, 29), (1, 29, nil), (5, 40, nil),
            ] as [(Int, Int, Int?)] {
                let request = try PageRequest(limit: limit, offset: offset)
                try scope.expect(
                    "list at \(limit), \(offset)", try await scope.database.list(ListQuery(page: request)).nextOffset,
                    next)
                for ranking in scope.rankings {
                    let found = try await scope.search("[1, 1] common", ranking, limit: limit, offset: offset)
                    try scope.expect("\(ranking) at \(limit), \(offset)", found.nextOffset, next)
                }
            }
        }

        @Sendable static func pastTheEnd(_ scope: CheckScope) async throws {
            try await addMany(20, to: scope) { at(Int64($0)) }
            for offset in [20, 10_000, 1_000_000, 1 << 40, Int.max] {
                let list = try await scope.database.list(ListQuery(page: PageRequest(limit: 10, offset: offset)))
                try scope.expect("list at \(offset)", list.items.count, 0)
                try scope.expect("list total at \(offset)", list.total, 20)
                for ranking in scope.rankings {
                    let found = try await scope.search("[1, 1] common", ranking, limit: 10, offset: offset)
                    try scope.expect("\(ranking) at \(offset)", found.items.count, 0)
                    try scope.expect("total of \(ranking) at \(offset)", found.total, 20)
                    try scope.expect("next_offset of \(ranking) at \(offset)", found.nextOffset, nil)
                }
            }
        }

        @Sendable static func joinedPages(_ scope: CheckScope) async throws {
            try await addMany(330, to: scope) { at(Int64($0 % 7)) }
            let filter = try tag(.userID, eq: "even")
            for ranking in try scope.rankingsWithoutClock {
                let whole = try await scope.search("[0.3, 1] common", ranking, filter, limit: 1000)
                try scope.expect("\(ranking): the whole", whole.items.count, 165)
                for limit in [1, 10, 33, 100] {
                    var joined: [String] = []
                    var offset: Int? = 0
                    while let from = offset {
                        let page = try await scope.search(
                            "[0.3, 1] common", ranking, filter, limit: limit, offset: from)
                        joined += page.items.map(\.record.id)
                        offset = page.nextOffset
                    }
                    try scope.expect("\(ranking): pages of \(limit)", joined, whole.items.map(\.record.id))
                }
            }
        }

        @Sendable static func pagesOfNineHundred(_ scope: CheckScope) async throws {
            try await addMany(1800, to: scope) { at(Int64($0 % 3)) }
            let filter = try tag(.userID, eq: "even")
            let expected = Set((0..<1800).filter { $0 % 2 == 0 }.map { "m\($0)" })
            for ranking in try scope.rankingsWithoutClock {
                var joined: [String] = []
                var offset: Int? = 0
                while let from = offset {
                    let page = try await scope.search("[0.3, 1] common", ranking, filter, limit: 100, offset: from)
                    try scope.expect("\(ranking): total", page.total, 900)
                    joined += page.items.map(\.record.id)
                    offset = page.nextOffset
                }
                try scope.expect("\(ranking): shown twice", joined.count, Set(joined).count)
                try scope.expect("\(ranking): all shown", Set(joined), expected)
                let whole = try await scope.search("[0.3, 1] common", ranking, filter, limit: 1000)
                try scope.expect("\(ranking): the joined pages are the whole", joined, whole.items.map(\.record.id))
            }
        }
    }

    /// Records m0, m1, … that share the word "common", every second one of user "even".
    static func addMany(_ count: Int, to scope: CheckScope, createdAt: (Int) -> Timestamp) async throws {
        for start in stride(from: 0, to: count, by: 500) {
            _ = try await scope.database.add(
                try (start..<min(start + 500, count)).map { index in
                    try MemoryRecord(
                        id: "m\(index)",
                        text: "[1, \(Double(index % 41) / 41)] common \(index % 5 == 0 ? "rare" : "usual")",
                        userID: index % 2 == 0 ? "even" : "odd", createdAt: createdAt(index), lastAccessed: at(0))
                })
        }
    }

    private static func joinedList(_ scope: CheckScope, limit: Int) async throws -> [String] {
        var joined: [String] = []
        var offset: Int? = 0
        while let from = offset {
            let page = try await scope.database.list(ListQuery(page: PageRequest(limit: limit, offset: from)))
            joined += page.items.map(\.id)
            offset = page.nextOffset
        }
        return joined
    }
}
