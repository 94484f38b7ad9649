import AgentMemory

extension ConformanceCheck {
    /// Rule S11.
    enum BlendedChecks {
        static let checks: [ConformanceCheck] = [
            ConformanceCheck(
                "hybrid/S11-formula", needs: [.blendedSearch, .steeredEmbeddings],
                hint: "a part of the value is left out, counted twice, or added up where the greatest counts",
                run: formula),
            ConformanceCheck(
                "hybrid/S11-own-statistics", needs: [.blendedSearch],
                hint: "records that do not match the filter change how much a word counts", run: ownStatistics),
            ConformanceCheck(
                "hybrid/S11-pages", needs: [.blendedSearch],
                hint: "the order depends on the page, or the total is not that of the matching records", run: pages),
        ]

        private static func hybrid(
            _ alpha: Double = 0.7, context: Double = 0.4, date: Double = 0.3
        ) throws -> SearchQuery.Ranking {
            .blended(
                try BlendedRanking(
                    .hybrid(alpha: alpha, .bm25std), lateInteraction: 0, contextWeight: context, dateWeight: date))
        }

        @Sendable static func formula(_ scope: CheckScope) async throws {
            let query = "what is an apple in May 2023"
            for (text, vector) in [
                (query, [1] as [Float]), ("apple green", [1]), ("pear tree", [0, 1]), ("plum red", [-1]),
                ("apple pie", [0, 1]),
            ] { scope.embedder.assign(vector, to: text) }
            let may = Timestamp(parsing: "2023-05-10T12:00:00Z")
            _ = try await scope.database.add([
                try MemoryRecord(id: "best", text: "apple green", sessionID: "s", createdAt: at(1)),
                try MemoryRecord(id: "next", text: "pear tree", sessionID: "s", createdAt: at(2)),
                try MemoryRecord(id: "alone", text: "plum red", sessionID: "t", createdAt: at(1)),
                try MemoryRecord(id: "dated", text: "apple pie", createdAt: at(3), eventDate: may),
            ])
            func expect(_ what: String, _ ranking: SearchQuery.Ranking, _ expected: [(String, Double)]) async throws {
                let found = try await scope.search(query, ranking)
                try scope.expect("\(what): order", found.items.map(\.record.id), expected.map(\.0))
                let best = expected[0].1
                for (hit, expected) in zip(found.items, expected) {
                    try scope.expect("\(what): score of \(expected.0)", hit.score ?? -1, near: expected.1 / best)
                }
            }
            // Both words "apple" are the best by keyword; the words of the question do not count.
            try await expect(
                "without context and dates", try hybrid(context: 0, date: 0.000_001),
                [("best", 1), ("dated", 0.65), ("next", 0.35), ("alone", 0)])
            try await expect(
                "with dates", try hybrid(context: 0), [("best", 1), ("dated", 0.95), ("next", 0.35), ("alone", 0)])
            // The two of one session give to each other what they are better than the last one.
            try await expect(
                "with all", try hybrid(), [("best", 1.14), ("dated", 0.95), ("next", 0.75), ("alone", 0)])
            let semantic = SearchQuery.Ranking.blended(
                try BlendedRanking(.semantic, lateInteraction: 0, contextWeight: 0.4, dateWeight: 0.3))
            try await expect(
                "semantic", semantic, [("best", 1.2), ("next", 0.9), ("dated", 0.8), ("alone", 0)])
            let hit = try await scope.search(query, semantic, limit: 1).items.first
            try scope.expect("dist in semantic mode", hit?.distance ?? -1, near: 0)
            try scope.expect("score_type in semantic mode", hit?.scoreType, .semantic)
        }

        @Sendable static func ownStatistics(_ scope: CheckScope) async throws {
            let texts = ["red fox", "red dog", "brown fox jumps", "lazy dog sleeps"]
            _ = try await scope.database.add(
                try texts.enumerated().map { try MemoryRecord(id: "m\($0)", text: $1, namespace: "x") })
            func scores() async throws -> [Double] {
                let found = try await scope.search("red fox dog", try hybrid(0.2), try tag(.namespace, eq: "x"))
                try scope.expect("total", found.total, texts.count)
                return found.items.map { $0.score ?? -1 }
            }
            let before = try await scores()
            _ = try await scope.database.add(
                try (0..<40).map { try MemoryRecord(id: "other\($0)", text: "red red wine", namespace: "y") })
            for (place, (score, expected)) in zip(try await scores(), before).enumerated() {
                try scope.expect("score at place \(place)", score, near: expected)
            }
        }

        @Sendable static func pages(_ scope: CheckScope) async throws {
            _ = try await scope.database.add(
                try (0..<23).map { number in
                    try MemoryRecord(
                        id: "m\(number)", text: "walk \(number) with the dog in May", sessionID: "s\(number % 3)",
                        createdAt: at(Int64(number)))
                })
            let whole = try await scope.search("a walk in May", try hybrid())
            try scope.expect("records of the whole", whole.items.count, 23)
            var ids: [String] = []
            for offset in stride(from: 0, to: 23, by: 5) {
                let page = try await scope.search("a walk in May", try hybrid(), limit: 5, offset: offset)
                try scope.expect("total at \(offset)", page.total, 23)
                ids += page.items.map(\.record.id)
            }
            try scope.expect("pages joined", ids, whole.items.map(\.record.id))
        }
    }
}
