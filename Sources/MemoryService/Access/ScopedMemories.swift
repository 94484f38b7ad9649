import AgentMemory

/// The way from the use cases to long-term memory: only a caller opens it. Nothing else in this
/// module holds the backend and serves requests.
struct GuardedMemories: Sendable {
    private let database: CheckedDatabase

    init(_ database: any MemoryVectorDatabase) {
        self.database = CheckedDatabase(database)
    }

    func scoped(to caller: Caller) -> ScopedMemories {
        ScopedMemories(database, caller)
    }
}

/// Long-term memory as one caller sees it.
///
/// An ``AtomicMemoryDatabase`` gets the caller's scope with each call, and checks in its store
/// whose records the call reads and replaces. For any other backend filters are narrowed with the
/// operators that it has, and the owners of what a call would replace are read before the write:
/// another writer may come between the two steps, but what the caller writes is within its limits
/// in any case.
///
/// What a backend returns is looked at once more: a record of others does not get out.
struct ScopedMemories: Sendable {
    private let database: CheckedDatabase
    private let caller: Caller

    fileprivate init(_ database: CheckedDatabase, _ caller: Caller) {
        self.database = database
        self.caller = caller
    }

    // MARK: Reading

    /// - Throws: ``MemoryError`` with code `unsupported` for what the backend does not have.
    func search(_ query: SearchQuery) async throws -> Page<SearchHit> {
        try caller.require(.read)
        guard let filter = try narrowed(query.filter) else {
            try database.capabilities.check(query.ranking, backend: database.name)
            return Page(items: [], total: 0, request: query.page)
        }
        return visible(
            try await caller.scope.limiting { try await database.search(query.filtered(by: filter)) }, \.record,
            query.page)
    }

    /// Of records that the caller may see; their neighbours have the same user and namespace.
    func neighbors(of records: [MemoryRecord], reach: Int) async throws -> [SessionNeighbors] {
        try caller.require(.read)
        return try await caller.scope.limiting { try await database.neighbors(of: records, reach: reach) }
    }

    func list(_ query: ListQuery) async throws -> Page<MemoryRecord> {
        try caller.require(.read)
        return try await visible(query)
    }

    func count(_ filter: MemoryFilter) async throws -> Int {
        try caller.require(.read)
        guard let filter = try narrowed(filter) else { return 0 }
        return try await caller.scope.limiting { try await database.count(filter) }
    }

    private func visible(_ query: ListQuery) async throws -> Page<MemoryRecord> {
        guard let filter = try narrowed(query.filter) else {
            return Page(items: [], total: 0, request: query.page)
        }
        return visible(
            try await caller.scope.limiting { try await database.list(ListQuery(filter: filter, page: query.page)) },
            \.self,
            query.page)
    }

    /// The filter, limited to what the caller may see; `nil` if nothing that matches may be seen.
    private func narrowed(_ filter: MemoryFilter) throws -> MemoryFilter? {
        guard !caller.scope.permitsNothing else { return nil }
        return decidesInStore ? caller.scoped(filter) : try caller.narrowed(filter)
    }

    private func visible<Item>(
        _ page: Page<Item>, _ record: KeyPath<Item, MemoryRecord>, _ request: PageRequest
    ) -> Page<Item> {
        guard !page.items.allSatisfy({ caller.reaches($0[keyPath: record]) }) else { return page }
        return Page(
            items: page.items.filter { caller.reaches($0[keyPath: record]) }, total: page.total, request: request)
    }

    /// The record of an id, of those that the caller may see.
    func record(id: String) async throws -> MemoryRecord? {
        try caller.require(.read)
        return try await visible(
            ListQuery(
                filter: MemoryFilter(tags: [.id: try TagCondition(field: .id, eq: id)]), page: PageRequest(limit: 1))
        ).items.first
    }

    /// All records that match and that the caller may see, newest first, in pages. A record that is
    /// stored meanwhile may be left out.
    func forEachPage(of filter: MemoryFilter, _ body: ([MemoryRecord]) throws -> Void) async throws {
        try caller.require(.read)
        // Each page begins at the date of the last record, so that no page needs a large offset.
        var end: Timestamp?
        var seenAtEnd = 0
        while true {
            var dates = filter.dates
            if let end {
                let bounds = filter.dates[.createdAt]?.bounds ?? []
                dates[.createdAt] = try DateCondition(field: .createdAt, bounds + [DateCondition.Bound(.lte, end)])
            }
            let page = try await visible(
                ListQuery(
                    filter: filter.with(dates: dates), page: try PageRequest(limit: 1000, offset: seenAtEnd)))
            try body(page.items)
            guard page.nextOffset != nil, let last = page.items.last?.createdAt else { return }
            let sharing = page.items.reversed().prefix { $0.createdAt == last }.count
            seenAtEnd = last == end ? seenAtEnd + sharing : sharing
            end = last
        }
    }

    /// Runs `body` with the selected records, as far as the caller may see them.
    ///
    /// - Throws: ``MemoryError`` with code `unsupported` if vectors are requested and the backend
    ///   cannot return them.
    func withSnapshot<Value: Sendable>(
        of selection: SnapshotSelection, _ body: @Sendable (any RecordSnapshot) async throws -> Value
    ) async throws -> Value {
        try caller.require(.read)
        let selection = selection.with(scope: caller.scope)
        guard !caller.scope.permitsNothing else { return try await body(EmptySnapshot()) }
        guard let backend = database.database as? any SnapshotDatabase else {
            guard !selection.hasVectors else {
                throw MemoryError(
                    .unsupported, "the backend \(database.name) does not return vectors", path: [.key("vectors")])
            }
            return try await body(
                ListedSnapshot(selection) { filter, page in
                    try await visible(ListQuery(filter: filter, page: page))
                })
        }
        return try await caller.scope.limiting { try await backend.withSnapshot(of: selection, body) }
    }

    /// Whether the backend stores the vectors of ``KnownVectors``.
    var takesVectors: Bool { database.database is any SnapshotDatabase }

    /// Whether the caller reaches every namespace and every user.
    var reachesEverything: Bool { caller.reachesEverything }

    /// The stored records that have one of the values in the field, of those that the caller may
    /// see.
    func stored(_ field: TagField, _ values: [String]) async throws -> [MemoryRecord] {
        try await all(field, values) { try await visible($0) }
    }

    /// They are asked for in slices: a filter with tens of thousands of values is a query that
    /// engines may refuse.
    private func all(
        _ field: TagField, _ values: [String], _ page: (ListQuery) async throws -> Page<MemoryRecord>
    ) async throws -> [MemoryRecord] {
        var found: [MemoryRecord] = []
        for start in stride(from: 0, to: values.count, by: Self.valuesPerQuery) {
            let slice = Array(values[start..<min(start + Self.valuesPerQuery, values.count)])
            let filter = MemoryFilter(tags: [field: try TagCondition(field: field, any: slice)])
            var offset: Int? = 0
            while let from = offset {
                let page = try await page(
                    ListQuery(filter: filter, page: try PageRequest(limit: PageRequest.maximumLimit, offset: from)))
                found += page.items
                // A backend whose total is larger than what it has must not be asked for ever.
                offset = page.items.isEmpty ? nil : page.nextOffset
            }
        }
        return found
    }

    private static let valuesPerQuery = 500

    // MARK: History

    /// Whether the backend can have a history.
    var keepsHistory: Bool { (try? database.history()) != nil }

    /// Whether writes make events.
    var makesEvents: Bool { (try? database.history())?.makesEvents ?? false }

    /// - Throws: ``MemoryError`` with code `unsupported` if the backend can have no history.
    func requireHistory() throws(MemoryError) { _ = try database.history() }

    /// The events of a record that the caller may see, newest first.
    ///
    /// - Throws: ``MemoryError`` with code `unsupported` if the backend keeps none.
    func events(of id: String, page: PageRequest) async throws -> Page<MemoryEvent> {
        try caller.require(.read)
        let history = try database.history()
        guard !caller.scope.permitsNothing else { return Page(items: [], total: 0, request: page) }
        return try await caller.scope.limiting { try await history.events(of: id, within: caller.scope, page: page) }
    }

    /// The events after a number that the caller may see, oldest first.
    ///
    /// - Throws: as ``events(of:page:)``.
    func events(after sequence: Int, limit: Int) async throws -> [MemoryEvent] {
        try caller.require(.read)
        let history = try database.history()
        guard !caller.scope.permitsNothing else { return [] }
        return try await caller.scope.limiting {
            try await history.events(after: sequence, limit: limit, within: caller.scope)
        }
    }

    /// The first events after a number of one operation that the caller may see, oldest first.
    ///
    /// - Throws: as ``events(of:page:)``.
    func events(ofOperation operation: String, after sequence: Int, limit: Int) async throws -> [MemoryEvent] {
        try caller.require(.read)
        let history = try database.history()
        guard !caller.scope.permitsNothing else { return [] }
        return try await caller.scope.limiting {
            try await history.events(ofOperation: operation, after: sequence, limit: limit, within: caller.scope)
        }
    }

    /// As ``RecordHistory/latestEvents(of:)``.
    ///
    /// - Throws: as ``events(of:page:)``.
    func latestEvents(of ids: [String]) async throws -> [ExactString: Int] {
        let history = try database.history()
        return try await caller.scope.limiting { try await history.latestEvents(of: ids) }
    }

    /// Writes and removes records that were not changed meanwhile, all or none.
    ///
    /// - Returns: the ids that were changed, or that belong to others.
    /// - Throws: as ``events(of:page:)``.
    func rewrite(_ rewrites: [RecordRewrite]) async throws -> [String] {
        let history = try database.history()
        guard !rewrites.isEmpty else { return [] }
        _ = try completed(rewrites.compactMap(\.record))
        return try await noted { try await history.rewrite(rewrites, within: caller.scope) }
    }

    // MARK: Writing

    /// Whether the backend decides in its store, together with the write
    /// (``AtomicMemoryDatabase``).
    var decidesInStore: Bool { database.atomicWrites != nil }

    /// The records as the caller may write them.
    ///
    /// - Throws: ``MemoryError`` with code `forbidden`.
    func completed(_ records: [MemoryRecord]) throws -> [MemoryRecord] {
        try caller.require(.write)
        if caller.reachesEverything { return records }
        return try records.map { try caller.completed($0) }
    }

    func add(_ records: [MemoryRecord]) async throws -> [String] {
        if let atomic = database.atomicWrites {
            let records = try completed(records)
            return try await noted { try await atomic.add(records, within: caller.scope) }
        }
        return try await database.add(try await writable(records))
    }

    /// Runs a write within the caller's scope, whose events say who has made it.
    private func noted<Value: Sendable>(_ write: () async throws -> Value) async throws -> Value {
        try await WriteOrigin.$current.withValue(WriteOrigin.current ?? WriteOrigin(caller: caller.subject)) {
            try await caller.scope.limiting { try await write() }
        }
    }

    /// As ``AtomicMemoryDatabase/addDistinct(_:within:)``; `nil` if the backend cannot.
    func addDistinct(_ records: [MemoryRecord]) async throws -> [String]? {
        guard let atomic = database.atomicWrites else { return nil }
        let records = try completed(records)
        return try await noted { try await atomic.addDistinct(records, within: caller.scope) }
    }

    /// As ``AtomicMemoryDatabase/promote(_:handedInAt:)``; `nil` if the backend cannot.
    func promote(_ records: [MemoryRecord], handedInAt: Timestamp) async throws -> [PromotionOutcome]? {
        guard let atomic = database.atomicWrites else { return nil }
        // It replaces nothing, so the owners of what is stored do not matter.
        let records = try completed(records)
        return try await noted { try await atomic.promote(records, handedInAt: handedInAt) }
    }

    /// The number of records that changed; those that the caller may not see are not among them.
    func update(_ update: RecordUpdate) async throws -> Int {
        try caller.require(.write)
        try caller.check(update.changes)
        if let atomic = database.atomicWrites {
            return try await noted { try await atomic.update([update], within: caller.scope) }
        }
        guard try await !visibleIDs([update.id]).isEmpty else { return 0 }
        return try await database.update([update])
    }

    /// The ids of which the caller may delete the records.
    func deletable(_ ids: [String]) async throws -> [String] {
        try caller.require(.write)
        return try await visibleIDs(ids)
    }

    func delete(_ ids: [String]) async throws -> Int {
        if let atomic = database.atomicWrites {
            try caller.require(.write)
            return try await noted { try await atomic.delete(ids, within: caller.scope) }
        }
        let ids = try await deletable(ids)
        return try await database.delete(ids)
    }

    /// All ids for a caller without limits, which the store need not be asked about.
    private func visibleIDs(_ ids: [String]) async throws -> [String] {
        if caller.reachesEverything { return ids }
        let visible = Set(try await stored(.id, ids).map { ExactString($0.id) })
        return ids.filter { visible.contains(ExactString($0)) }
    }

    /// - Throws: ``MemoryError``: `forbidden` for a record that the caller may not write;
    ///   `conflict` if an id belongs to a record that it may not see.
    private func writable(_ records: [MemoryRecord]) async throws -> [MemoryRecord] {
        let records = try completed(records)
        if caller.reachesEverything { return records }
        let ids = records.map(\.id).exactlyDistinct()
        guard try await all(.id, ids, { try await database.list($0) }).allSatisfy({ caller.reaches($0) }) else {
            throw AccessScope.conflict
        }
        return records
    }
}
