import AgentMemory

/// What a check works with: the database under test, the embedder it steers, and ways to state its
/// expectations.
struct CheckScope: Sendable {
    let database: any MemoryVectorDatabase
    let scoped: ScopedDatabase
    let embedder: SteeredEmbedder
    let settings: CheckSettings
    let figures: Figures
    let log: CallLog

    // MARK: What there is

    /// Whether the backend declares keyword search, for checks about other subjects that also
    /// search by keyword.
    var hasKeywordSearch: Bool { database.capabilities.keywordSearch }

    /// One ranking of each kind that the backend declares.
    var rankings: [SearchQuery.Ranking] {
        let capabilities = database.capabilities
        var rankings: [SearchQuery.Ranking] = [.semantic(distanceThreshold: nil)]
        if capabilities.keywordSearch { rankings.append(.keyword(.bm25std)) }
        if capabilities.hybridSearch { rankings.append(.hybrid(alpha: 0.5, .bm25std)) }
        if capabilities.serverSideRecency { rankings.append(.semanticWithRecency(.standard)) }
        return rankings
    }

    /// As ``rankings``, with a recency of weight 0: otherwise the clock advances from page to page,
    /// which re-orders nearly equal records.
    var rankingsWithoutClock: [SearchQuery.Ranking] {
        get throws {
            try rankings.map { ranking in
                guard case .semanticWithRecency = ranking else { return ranking }
                return .semanticWithRecency(try RecencyWeights(recency: 0))
            }
        }
    }

    /// The same scope over connections of its own; the caller closes it.
    func reopened(embedder: (any Embedder)? = nil) async throws -> any MemoryVectorDatabase {
        guard let reopen = scoped.reopen else { throw NotApplicable("the scope cannot be opened twice") }
        return try await reopen(embedder ?? self.embedder)
    }

    /// The store of the database, to be killed.
    var faults: StoreFaults {
        get throws {
            guard let faults = scoped.faults else { throw NotApplicable("the harness does not own the store") }
            return faults
        }
    }

    /// The server's API.
    var wire: RESTCalls {
        get throws {
            guard let client = scoped.wire else { throw NotApplicable("the database is not called over REST") }
            return RESTCalls(client, log: log)
        }
    }

    var sessions: ScopedDatabase.Shared<any WorkingMemoryStore> {
        get throws {
            guard let sessions = scoped.sessions else { throw NotApplicable("there is no store of sessions") }
            return sessions
        }
    }

    /// The writes whose conditions the database checks in its store, without the log of its calls.
    var atomicWrites: CheckedAtomicWrites {
        get throws {
            guard let writes = CheckedDatabase(scoped.database).atomicWrites else {
                throw NotApplicable("the backend does not decide in its store what of a call is stored")
            }
            return writes
        }
    }

    var jobs: ScopedDatabase.Shared<any JobQueue> {
        get throws {
            guard let jobs = scoped.jobs else { throw NotApplicable("there is no queue of jobs") }
            return jobs
        }
    }

    var tokens: ScopedDatabase.Shared<any TokenStore> {
        get throws {
            guard let tokens = scoped.tokens else { throw NotApplicable("there is no store of access tokens") }
            return tokens
        }
    }

    /// Repeats a question until the answer is true, for what takes time.
    func eventually(
        _ what: String, within limit: Duration = .seconds(20), _ condition: () async throws -> Bool
    ) async throws {
        let end = ContinuousClock.now + limit
        while try await !condition() {
            guard ContinuousClock.now < end else { throw Mismatch("\(what): not after \(limit)") }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Records a number for the report.
    func report(_ figure: String, _ value: Double) { figures.set(figure, value) }

    // MARK: Calls

    /// The ids of a list of up to 10,000 records.
    func listed(_ filter: MemoryFilter = .everything) async throws -> [String] {
        try await database.list(ListQuery(filter: filter, page: PageRequest(limit: 10_000))).items.map(\.id)
    }

    func record(_ id: String) async throws -> MemoryRecord {
        let filter = MemoryFilter(tags: [.id: try TagCondition(field: .id, eq: id)])
        guard let record = try await database.list(ListQuery(filter: filter, page: PageRequest(limit: 2))).items.first
        else {
            throw Mismatch("the record \(id.debugDescription) is not there")
        }
        return record
    }

    func search(
        _ text: String, _ ranking: SearchQuery.Ranking = .semantic(distanceThreshold: nil),
        _ filter: MemoryFilter = .everything, limit: Int = 100, offset: Int = 0
    ) async throws -> Page<SearchHit> {
        try await database.search(
            SearchQuery(text: text, ranking: ranking, filter: filter, page: PageRequest(limit: limit, offset: offset)))
    }

    // MARK: Expectations

    /// Expects that no write returned before its records could be read, if the harness waited for
    /// writes (rule R6).
    func expectNoLateWrites() throws(Mismatch) {
        guard let late = scoped.lateWrites?() else { return }
        try expect("writes that could be read only some time after their answer", late, 0)
    }

    func expect<Value: Equatable>(_ what: String, _ got: Value, _ expected: Value) throws(Mismatch) {
        guard got == expected else { throw Mismatch(what, expected: "\(expected)", got: "\(got)") }
    }

    func expect(_ what: String, _ condition: Bool) throws(Mismatch) {
        guard condition else { throw Mismatch(what) }
    }

    /// Compares strings by their bytes.
    func expect(_ what: String, exactly got: String, _ expected: String) throws(Mismatch) {
        guard ExactString(got) == ExactString(expected) else {
            throw Mismatch(what, expected: expected.debugDescription, got: got.debugDescription)
        }
    }

    func expect(_ what: String, _ got: Double, near expected: Double, within tolerance: Double = 1e-5) throws(Mismatch)
    {
        guard abs(got - expected) <= tolerance else {
            throw Mismatch(what, expected: "\(expected) ± \(tolerance)", got: "\(got)")
        }
    }

    /// Expects the call to be refused with one of the codes, and returns the error for further
    /// checks.
    @discardableResult
    func expectError(
        _ what: String, _ codes: MemoryError.Code..., body: () async throws -> Void
    ) async throws -> MemoryError {
        do {
            try await body()
        } catch let error as MemoryError {
            guard codes.contains(error.code) else {
                throw Mismatch(what, expected: "an error \(codes.map(\.rawValue))", got: "\(error)")
            }
            return error
        } catch let inapplicable as NotApplicable {
            throw inapplicable
        } catch {
            throw Mismatch(what, expected: "a MemoryError \(codes.map(\.rawValue))", got: "\(error)")
        }
        throw Mismatch(what, expected: "an error \(codes.map(\.rawValue))", got: "an answer")
    }

    /// Expects that a filter means the same to list, count and search: exactly the records with
    /// these ids.
    ///
    /// An expected set that is empty, or everything, is refused: a filter that is ignored, or that
    /// never matches, would pass. If a rule is about such a set, pass `mayBeTrivial`.
    func expectMatches(
        _ what: String, _ filter: MemoryFilter, _ expected: [String], mayBeTrivial: Bool = false
    ) async throws {
        if !mayBeTrivial {
            guard !expected.isEmpty else { throw Mismatch("\(what): the check is wrong, its expected set is empty") }
            let one = try PageRequest(limit: expected.count + 1)
            guard try await database.list(ListQuery(page: one)).items.count > expected.count else {
                throw Mismatch("\(what): the check is wrong, its expected set is everything")
            }
        }
        let expectedSet = expected.map(ExactString.init).sorted()
        let list = try await database.list(ListQuery(filter: filter, page: PageRequest(limit: 10_000)))
        try expect(
            "\(what): list", list.items.map { ExactString($0.id) }.sorted().map(\.value), expectedSet.map(\.value))
        try expect("\(what): list total", list.total, expected.count)
        try expect("\(what): count", try await database.count(filter), expected.count)
        let found = try await search("[1, 1] anything", filter, limit: 10_000)
        try expect(
            "\(what): search", found.items.map { ExactString($0.record.id) }.sorted().map(\.value),
            expectedSet.map(\.value))
        try expect("\(what): search total", found.total, expected.count)
    }

    /// Expects that every kind of read over `database` sees exactly the records with these ids, of
    /// this user and with this word.
    func expectSeen(
        _ what: String, in database: any MemoryVectorDatabase, user: String, word: String, _ ids: [String]
    ) async throws {
        let filter = try tag(.userID, eq: user)
        try expect("\(what): count", try await database.count(filter), ids.count)
        let page = try PageRequest(limit: 100)
        let list = try await database.list(ListQuery(filter: filter, page: page))
        try expect("\(what): list", list.items.map(\.id).sorted(), ids)
        for id in ids {
            let one = try await database.list(ListQuery(filter: try tag(.id, eq: id), page: page))
            try expect("\(what): by id", one.items.map(\.userID), [user])
        }
        for ranking in rankings {
            let found = try await database.search(
                SearchQuery(text: "[1] \(word)", ranking: ranking, filter: filter, page: page))
            try expect("\(what): \(ranking)", found.items.map(\.record.id).sorted(), ids)
            try expect("\(what): total of \(ranking)", found.total, ids.count)
        }
    }

    private func search(_ text: String, _ filter: MemoryFilter, limit: Int) async throws -> Page<SearchHit> {
        try await search(text, .semantic(distanceThreshold: nil), filter, limit: limit)
    }
}

/// A filter on one tag field.
func tag(
    _ field: TagField, eq: String? = nil, ne: String? = nil, any: [String]? = nil, all: [String]? = nil,
    none: [String]? = nil, startsWith: String? = nil
) throws(MemoryError) -> MemoryFilter {
    MemoryFilter(tags: [
        field: try TagCondition(field: field, eq: eq, ne: ne, any: any, all: all, none: none, startsWith: startsWith)
    ])
}

/// A filter on one date field.
func date(_ field: DateField, _ bounds: DateCondition.Bound...) throws(MemoryError) -> MemoryFilter {
    MemoryFilter(dates: [field: try DateCondition(field: field, bounds)])
}

/// A point in time, in whole seconds and microseconds after 2024-01-01T00:00:00Z.
func at(_ seconds: Int64, _ microseconds: Int64 = 0) -> Timestamp {
    Timestamp(microseconds: (1_704_067_200 + seconds) * 1_000_000 + microseconds) ?? .earliest
}
