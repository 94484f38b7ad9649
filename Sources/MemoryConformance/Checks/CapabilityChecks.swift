import AgentMemory

extension ConformanceCheck {
    /// Declared capabilities work, and undeclared ones are refused: the rules S2, S5, S6 and S7,
    /// from both sides.
    enum CapabilityChecks {
        static let checks: [ConformanceCheck] = [
            ConformanceCheck(
                "capability/S2-distance-threshold",
                hint:
                    "a threshold that the backend cannot apply is ignored instead of refused, or is declared and does not work",
                run: distanceThreshold),
            ConformanceCheck(
                "capability/S5-keyword-search",
                hint:
                    "keyword search that the backend does not have is answered by another kind of search instead of refused",
                run: keywordSearch),
            ConformanceCheck(
                "capability/S5-text-scorers", level: .keyword, needs: [.keywordSearch],
                hint: "a scorer is declared and not known to the engine, or another one answers in its place",
                run: textScorers),
            ConformanceCheck(
                "capability/S6-hybrid-search", needs: [.steeredEmbeddings],
                hint: "hybrid search that the backend does not have is answered by semantic search instead of refused",
                run: hybridSearch),
            ConformanceCheck(
                "capability/S7-server-side-recency",
                hint: "recency that the backend cannot compute is left out of the order instead of refused",
                run: serverSideRecency),
        ]

        @Sendable static func distanceThreshold(_ scope: CheckScope) async throws {
            let ranking = SearchQuery.Ranking.semantic(distanceThreshold: 0.2)
            guard scope.database.capabilities.distanceThreshold else {
                return try await expectRefused(scope, ranking, naming: "distance_threshold")
            }
            guard scope.scoped.embedsAsGiven else { throw NotApplicable("the check cannot decide what is near") }
            try await addFruit(scope)
            try scope.expect("ids", try await scope.search("[1] q", ranking).items.map(\.record.id), ["apple", "plum"])
        }

        @Sendable static func keywordSearch(_ scope: CheckScope) async throws {
            let ranking = SearchQuery.Ranking.keyword(.bm25std)
            guard scope.hasKeywordSearch else {
                return try await expectRefused(scope, ranking, naming: "search_mode")
            }
            try await addFruit(scope)
            try scope.expect("ids", try await scope.search("pears", ranking).items.map(\.record.id), ["pear"])
        }

        @Sendable static func textScorers(_ scope: CheckScope) async throws {
            let declared = scope.database.capabilities.textScorers
            try scope.expect("bm25std is declared", declared.contains(.bm25std))
            try await addFruit(scope)
            for scorer in TextScorer.allCases {
                let rankings = [SearchQuery.Ranking.keyword(scorer)] + hybrid(scope, scorer)
                guard declared.contains(scorer) else {
                    for ranking in rankings { try await expectRefused(scope, ranking, naming: "text_scorer") }
                    continue
                }
                for ranking in rankings {
                    let found = try await scope.search("tart pears", ranking)
                    let scores = found.items.compactMap(\.score)
                    try scope.expect("\(ranking): the best score", scores.first ?? 0, near: 1)
                    try scope.expect("\(ranking): every hit has a score", scores.count, found.items.count)
                    try scope.expect("\(ranking): best first", scores == scores.sorted(by: >))
                    guard case .keyword = ranking else { continue }
                    try scope.expect("\(ranking): ids", Set(found.items.map(\.record.id)), ["apple", "pear"])
                    try scope.expect("\(ranking): total", found.total, 2)
                }
            }
        }

        @Sendable static func hybridSearch(_ scope: CheckScope) async throws {
            let ranking = SearchQuery.Ranking.hybrid(alpha: 0.1, .bm25std)
            guard scope.database.capabilities.hybridSearch else {
                return try await expectRefused(scope, ranking, naming: "search_mode")
            }
            try await addFruit(scope)
            let found = try await scope.search("[1] pears", ranking)
            try scope.expect("the first", found.items.first?.record.id, "pear")
            try scope.expect("total", found.total, 3)
        }

        @Sendable static func serverSideRecency(_ scope: CheckScope) async throws {
            let weights = try RecencyWeights(semantic: 0, recency: 1)
            let ranking = SearchQuery.Ranking.semanticWithRecency(weights)
            guard scope.database.capabilities.serverSideRecency else {
                return try await expectRefused(scope, ranking, naming: "server_side_recency")
            }
            try await addFruit(scope)
            let found = try await scope.search("[1] q", ranking)
            try scope.expect("freshest first", found.items.map(\.record.id), ["pear", "apple", "plum"])
        }
    }

    /// Three records: two texts that are near to `[1]`, and a third one that is fresher than both.
    private static func addFruit(_ scope: CheckScope) async throws {
        let now = Timestamp.now()
        func ago(_ days: Int64) -> Timestamp { now.advanced(bySeconds: -days * 86_400) }
        _ = try await scope.database.add([
            try MemoryRecord(id: "apple", text: "[1] a tart apple", createdAt: ago(20), lastAccessed: ago(20)),
            try MemoryRecord(id: "pear", text: "[0, 1] two sweet pears", createdAt: ago(1), lastAccessed: ago(1)),
            try MemoryRecord(id: "plum", text: "[1, 0.1] plum jam", createdAt: ago(300), lastAccessed: ago(300)),
        ])
    }

    private static func hybrid(_ scope: CheckScope, _ scorer: TextScorer) -> [SearchQuery.Ranking] {
        scope.database.capabilities.hybridSearch ? [.hybrid(alpha: 0.5, scorer)] : []
    }

    /// The error must name the parameter that the backend does not support.
    private static func expectRefused(
        _ scope: CheckScope, _ ranking: SearchQuery.Ranking, naming parameter: String
    ) async throws {
        _ = try await scope.database.add([try MemoryRecord(id: "a", text: "[1] word")])
        let error = try await scope.expectError("\(ranking)", .unsupported) {
            _ = try await scope.search("[1] word", ranking)
        }
        guard error.path.contains(.key(parameter)) || error.message.contains(parameter) else {
            throw Mismatch("\(ranking)", expected: "an error that names \(parameter)", got: "\(error)")
        }
    }
}
