import AgentMemory

extension ConformanceCheck {
    /// Capabilities and health: what is missing is refused, and what works says so.
    static let failureChecks: [ConformanceCheck] = [
        ConformanceCheck(
            "failure/E1-capabilities", hint: "what the backend does not declare must be refused, not ignored"
        ) { scope in
            _ = try await scope.database.add([try MemoryRecord(id: "a", text: "[1] word")])
            let capabilities = scope.database.capabilities
            for scorer in TextScorer.allCases where !capabilities.textScorers.contains(scorer) {
                try await scope.expectError("keyword with \(scorer.rawValue)", .unsupported) {
                    _ = try await scope.search("word", .keyword(scorer))
                }
            }
            for (declared, ranking) in [
                (capabilities.keywordSearch, SearchQuery.Ranking.keyword(.bm25std)),
                (capabilities.hybridSearch, .hybrid(alpha: 0.5, .bm25std)),
                (capabilities.serverSideRecency, .semanticWithRecency(.standard)),
                (capabilities.distanceThreshold, .semantic(distanceThreshold: 1)),
            ] {
                if declared {
                    try scope.expect("total of \(ranking)", try await scope.search("[1] word", ranking).total, 1)
                } else {
                    try await scope.expectError("\(ranking)", .unsupported) {
                        _ = try await scope.search("[1] word", ranking)
                    }
                }
            }
        },
        ConformanceCheck("failure/E1-health", hint: "health reports a reason although the database answers") { scope in
            let components = await scope.database.health()
            try scope.expect("there is a store", components.contains { $0.component == "store" })
            for component in components { try scope.expect("\(component.component)", component.reason, nil) }
        },
        ConformanceCheck(
            "failure/R7-concurrent-writers",
            hint: "records are lost or doubled when several clients write at once, the first ones above all"
        ) { scope in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<8 {
                    group.addTask {
                        for batch in 0..<5 {
                            _ = try await scope.database.add(
                                try (0..<25).map {
                                    // Every writer also replaces one shared record: batches overlap.
                                    try MemoryRecord(
                                        id: $0 == 0 ? "shared\(batch)" : "w\(writer)-\(batch)-\($0)",
                                        text: "[1, \(writer)] word \($0)")
                                })
                        }
                    }
                }
                try await group.waitForAll()
            }
            try scope.expect("count", try await scope.database.count(.everything), 8 * 5 * 24 + 5)
            try scope.expect("listed", Set(try await scope.listed()).count, 8 * 5 * 24 + 5)
            guard scope.hasKeywordSearch else { return }
            try scope.expect(
                "by word", try await scope.search("word", .keyword(.bm25std), limit: 1).total, 8 * 5 * 24 + 5)
        },
    ]
}
