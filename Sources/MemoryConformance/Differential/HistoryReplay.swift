public import AgentMemory

/// Runs histories step by step on two databases and compares the results.
///
/// Each database embeds with its own steered embedder. Each run starts by emptying both, and checks
/// that they are empty.
public struct HistoryReplay: Sendable {
    /// One of the two databases.
    public struct Side: Sendable {
        let database: any MemoryVectorDatabase
        let embedder: SteeredEmbedder

        /// A database, and the embedder that it uses.
        public init(database: any MemoryVectorDatabase, embedder: SteeredEmbedder) {
            self.database = database
            self.embedder = embedder
        }
    }

    /// The place where the result of the database under test differs from the oracle's.
    public struct Divergence: Error, Sendable, CustomStringConvertible {
        /// The number of the step, from 1 on. 0 if the database could not be emptied; one more than
        /// the number of steps if the records that remain at the end differ.
        public let step: Int
        public let what: String
        public let expected: String
        public let got: String

        public var description: String { "step \(step): \(what): expected \(expected), got \(got)" }
    }

    let tested: Side
    let oracle: Side

    public init(tested: Side, oracle: Side) {
        self.tested = tested
        self.oracle = oracle
    }

    /// Replays a history, such as one from a report, on new databases of two harnesses, and removes
    /// them again.
    ///
    /// - Returns: the first difference, or `nil` if there is none.
    /// - Throws: as ``run(_:)``, and what making and removing the databases throws.
    public static func run(
        _ history: History, on harness: any ConformanceHarness, oracle: any ConformanceHarness
    ) async throws -> Divergence? {
        let dimensions = harness.dimensions ?? SteeredEmbedder.usualDimensions
        let embedders = (SteeredEmbedder(dimensions: dimensions), SteeredEmbedder(dimensions: dimensions))
        // Created and removed in tasks of their own, so that cancelling leaves no scope behind.
        let tested = try await Task { try await harness.makeDatabase(embedder: embedders.0) }.value
        let result: Result<Divergence?, any Error>
        do {
            let oracle = try await Task { try await oracle.makeDatabase(embedder: embedders.1) }.value
            let replay = HistoryReplay(
                tested: Side(database: tested.database, embedder: embedders.0),
                oracle: Side(database: oracle.database, embedder: embedders.1))
            do {
                result = .success(try await replay.run(history))
            } catch {
                result = .failure(error)
            }
            try await Task { try await oracle.remove() }.value
        } catch {
            try await Task { try await tested.remove() }.value
            throw error
        }
        try await Task { try await tested.remove() }.value
        return try result.get()
    }

    /// - Returns: the first difference, or `nil` if there is none.
    /// - Throws: everything that cannot be compared: cancellation, a failure of the oracle,
    ///   ``NotApplicable``.
    public func run(_ history: History) async throws -> Divergence? {
        do {
            try await empty()
            for (index, step) in history.steps.enumerated() {
                try await run(step, at: Position(step: index + 1))
            }
            try await compareEverything(at: Position(step: history.steps.count + 1))
            return nil
        } catch let divergence as Divergence {
            return divergence
        }
    }

    struct Position {
        let step: Int

        func differs(_ what: String, expected: String, got: String) -> Divergence {
            Divergence(step: step, what: what, expected: expected, got: got)
        }

        func expect<Value: Equatable>(_ what: String, _ got: Value, _ expected: Value) throws {
            guard got == expected else { throw differs(what, expected: "\(expected)", got: "\(got)") }
        }

        /// Compares ids by their bytes.
        func expect(_ what: String, ids got: [String], _ expected: [String]) throws {
            guard got.map(ExactString.init) == expected.map(ExactString.init) else {
                throw differs(what, expected: "\(expected)", got: "\(got)")
            }
        }
    }

    // MARK: Steps

    private func run(_ step: History.Step, at position: Position) async throws {
        switch step {
        case .add(let records, let fault):
            let answers = try await both("add", at: position, fault: fault) { try await $0.add(records) }
            guard let (got, expected) = answers else { return }
            try position.expect("ids of add", ids: got, expected)
        case .update(let updates, let fault):
            let before = (tested.embedder.embeddedTexts.count, oracle.embedder.embeddedTexts.count)
            let answers = try await both("update", at: position, fault: fault) { try await $0.update(updates) }
            if oracle.embedder.embeddedTexts.count == before.1 {
                // Rule U2.
                try position.expect(
                    "texts embedded by an update that changes none", tested.embedder.embeddedTexts.count - before.0, 0)
            }
            guard let (got, expected) = answers else { return }
            try position.expect("records changed", got, expected)
        case .delete(let ids):
            guard let (got, expected) = try await both("delete", at: position, body: { try await $0.delete(ids) })
            else { return }
            try position.expect("records deleted", got, expected)
        case .count(let filter):
            let answers = try await both("count", at: position, refusal: refusal(of: filter)) {
                try await $0.count(filter)
            }
            guard let (got, expected) = answers else { return }
            try position.expect("count", got, expected)
        case .list(let query):
            let answers = try await both("list", at: position, refusal: refusal(of: query.filter)) {
                try await $0.list(query)
            }
            guard let (got, expected) = answers else { return }
            try compare(got, expected, at: position)
        case .search(let query):
            guard let (got, whole) = try await bothSearch(query, at: position) else { return }
            let comparison = try await RankedComparison(query, whole: whole, oracle: oracle, at: position)
            try comparison.check(got)
        case .listInPages(let query):
            let whole = ListQuery(filter: query.filter, page: try PageRequest(limit: PageRequest.maximumLimit))
            let answers = try await both("list", at: position, refusal: refusal(of: query.filter)) {
                try await $0.list(whole)
            }
            guard let (got, expected) = answers else { return }
            try compare(got, expected, at: position)
            let joined = try await joined(query.page.limit, at: position, id: \.id) {
                try await tested.database.list(ListQuery(filter: query.filter, page: $0))
            }
            try position.expect("ids of the joined pages", ids: joined.map(\.id), expected.items.map(\.id))
        case .searchInPages(let query):
            try await searchInPages(query, at: position)
        }
    }

    /// The results of both databases for one call; `nil` if both refuse it with the same code.
    ///
    /// - Parameters:
    ///   - call: the name of the call.
    ///   - position: where in the history.
    ///   - fault: what the embedders of both do.
    ///   - refusal: what the database under test must return in place of a result.
    ///   - body: makes the call.
    func both<Answer: Sendable>(
        _ call: String, at position: Position, fault: SteeredEmbedder.Fault? = nil, refusal: MemoryError? = nil,
        body: (any MemoryVectorDatabase) async throws -> Answer
    ) async throws -> (got: Answer, expected: Answer)? {
        if let fault {
            tested.embedder.fail(fault)
            oracle.embedder.fail(fault)
        }
        defer {
            if fault != nil {
                tested.embedder.fail(nil)
                oracle.embedder.fail(nil)
            }
        }
        let expected = await outcome {
            if let refusal { throw refusal }
            return try await body(oracle.database)
        }
        let got = await outcome { try await body(tested.database) }
        return try compare(got, expected, call, at: position)
    }

    func bothSearch(
        _ query: SearchQuery, at position: Position
    ) async throws -> (got: Page<SearchHit>, whole: Page<SearchHit>)? {
        let whole = try SearchQuery(
            text: query.text, ranking: query.ranking, filter: query.filter,
            page: PageRequest(limit: PageRequest.maximumLimit))
        let refusal = refusal(of: query.ranking) ?? refusal(of: query.filter)
        let expected = await outcome {
            if let refusal { throw refusal }
            return try await oracle.database.search(whole)
        }
        let got = await outcome { try await tested.database.search(query) }
        guard let answers = try compare(got, expected, "search", at: position) else { return nil }
        return (answers.got, answers.expected)
    }

    /// What the database under test must return for a ranking that it does not declare.
    private func refusal(of ranking: SearchQuery.Ranking) -> MemoryError? {
        do throws(MemoryError) {
            try tested.database.capabilities.check(ranking, backend: tested.database.name)
            return nil
        } catch {
            return error
        }
    }

    /// What the database under test must return for a filter that it does not declare.
    private func refusal(of filter: MemoryFilter) -> MemoryError? {
        do throws(MemoryError) {
            try tested.database.capabilities.check(filter, backend: tested.database.name)
            return nil
        } catch {
            return error
        }
    }

    private func outcome<Answer>(_ body: () async throws -> Answer) async -> Result<Answer, any Error> {
        do { return .success(try await body()) } catch { return .failure(error) }
    }

    func compare<Answer>(
        _ got: Result<Answer, any Error>, _ expected: Result<Answer, any Error>, _ call: String, at position: Position
    ) throws -> (got: Answer, expected: Answer)? {
        if case .failure(let error) = got, error is NotApplicable || error is CancellationError { throw error }
        switch (got, expected) {
        case (.success(let got), .success(let expected)): return (got, expected)
        case (.failure(let got), .failure(let expected as MemoryError)):
            guard let error = got as? MemoryError, error.code == expected.code else {
                throw position.differs(call, expected: "an error \(expected.code.rawValue)", got: "\(got)")
            }
            return nil
        case (.success(let got), .failure(let expected as MemoryError)):
            throw position.differs(call, expected: "an error \(expected.code.rawValue)", got: "\(got)")
        case (.failure(let got), .success): throw position.differs(call, expected: "an answer", got: "\(got)")
        case (_, .failure(let error)): throw error
        }
    }
}
