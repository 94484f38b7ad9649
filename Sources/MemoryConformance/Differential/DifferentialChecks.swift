import AgentMemory

extension ConformanceCheck {
    /// Checks that replay random histories and compare with the oracle.
    static let differentialChecks: [ConformanceCheck] = HistoryGenerator.Theme.allCases.map { theme in
        ConformanceCheck(theme.checkID, needs: [.oracle, .steeredEmbeddings], hint: theme.hint) { scope in
            try await compareHistories(theme, in: scope)
        }
    }

    private static func compareHistories(_ theme: HistoryGenerator.Theme, in scope: CheckScope) async throws {
        guard let harness = scope.settings.oracle else { throw NotApplicable("there is no oracle") }
        let embedder = SteeredEmbedder(dimensions: scope.embedder.dimensions)
        let oracle = try await harness.makeDatabase(embedder: embedder)
        do {
            try await compareHistories(
                theme, in: scope, with: HistoryReplay.Side(database: oracle.database, embedder: embedder))
            try await oracle.remove()
        } catch {
            try await oracle.remove()
            throw error
        }
    }

    private static func compareHistories(
        _ theme: HistoryGenerator.Theme, in scope: CheckScope, with oracle: HistoryReplay.Side
    ) async throws {
        // Without the log: thousands of calls would hide those that matter.
        let replay = HistoryReplay(
            tested: .init(database: scope.scoped.database, embedder: scope.embedder), oracle: oracle)
        let count = theme.share(of: scope.settings.histories)
        for number in 0..<count {
            try Task.checkCancellation()
            let history = try HistoryGenerator.history(theme, seed: scope.settings.seed, number: number)
            guard let divergence = try await replay.run(history) else { continue }
            var shrinker = HistoryShrinker(history, divergence) { try await replay.run($0) }
            try await shrinker.run()
            // Replayed once more with the log, for the evidence.
            let logged = HistoryReplay(
                tested: .init(database: scope.database, embedder: scope.embedder), oracle: oracle)
            let repeats = try await logged.run(shrinker.smallest) != nil
            let origin = "history \(number) of \(theme.checkID), seed \(scope.settings.seed)"
            let smallest = shrinker.divergence
            throw Mismatch(
                "\(origin): step \(smallest.step) of the script: \(smallest.what)\(repeats ? "" : " (not every time)")",
                expected: smallest.expected, got: smallest.got, script: "# \(origin)\n" + shrinker.smallest.script)
        }
        scope.report("histories", Double(count))
    }
}

extension HistoryGenerator.Theme {
    /// Each names the rule that most of its calls test.
    var checkID: String {
        switch self {
        case .filters: "differential/F3-filters"
        case .updates: "differential/U1-updates"
        case .searches: "differential/S4-searches"
        }
    }

    var hint: String {
        switch self {
        case .filters:
            "a combination of filters, or a page, answers otherwise than the contract in memory does: replay the script"
        case .updates: "after adds, updates and deletes a record is not what the calls made of it: replay the script"
        case .searches: "a search finds, counts or orders otherwise than the contract in memory does: replay the script"
        }
    }

    /// How many of a run's histories are of this theme.
    func share(of histories: Int) -> Int {
        let (filters, updates) = (histories * 2 / 5, histories * 3 / 10)
        return switch self {
        case .filters: filters
        case .updates: updates
        case .searches: histories - filters - updates
        }
    }
}
