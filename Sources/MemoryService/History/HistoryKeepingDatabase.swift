public import AgentMemory
public import Logging

/// A backend that makes no events itself, with its history in an ``EventStore``.
///
/// Each write takes the keys of its records in the event store, reads what is stored, notes that,
/// has the backend write, and gives the events their numbers. So no two writers of any process
/// change one record at the same time, and what is decided before a write still holds when it is
/// done: the database is an ``AtomicMemoryDatabase`` too. This holds as long as all servers of the
/// backend use the same event store.
///
/// A write whose process died, or whose outcome is not known, stays open until it is overdue. Then
/// the next write of one of its records, or ``run()`` of any server, settles it: what is stored now
/// is compared with what was noted, record by record.
public final class HistoryKeepingDatabase: AtomicMemoryDatabase {
    /// What keeps writes apart.
    enum Key: Hashable, Comparable {
        case id(ExactString)
        /// The memory hash, of writes that depend on it.
        case hash(String)

        /// As the event store has it.
        var text: String {
            switch self {
            case .id(let id): "i\(id.value)"
            case .hash(let hash): "h\(hash)"
            }
        }
    }

    /// The backend, with the checks that it needs.
    let database: CheckedDatabase
    let events: any EventStore
    let deletions: any DeletionNotes
    /// Until a write that its process does not extend is overdue.
    let leaseDuration: Duration
    let logger: Logger
    /// So that the writers of this process do not ask the event store again and again.
    let locks = KeyedLocks<Key>()

    /// - Parameters:
    ///   - database: a backend that is no ``RecordHistory``.
    ///   - events: has its history; its owner closes it.
    ///   - deletions: has the notes of deleted ids.
    ///   - leaseDuration: until a write is settled whose process died, at least the deadline of a
    ///     call of the backend.
    ///   - logger: gets a line for each write that was settled.
    public init(
        _ database: any MemoryVectorDatabase, events: any EventStore, deletions: any DeletionNotes,
        leaseDuration: Duration, logger: Logger
    ) {
        self.database = CheckedDatabase(database)
        self.events = events
        self.deletions = deletions
        self.leaseDuration = leaseDuration
        self.logger = logger
    }

    public var name: String { database.name }
    public var capabilities: BackendCapabilities { database.capabilities }

    // MARK: Life

    public func prepare() async throws {
        try await database.prepare()
        try await events.prepare()
    }

    public func run() async throws {
        try await withThrowingTaskGroup { group in
            group.addTask { try await self.database.run() }
            group.addTask { try await self.events.run() }
            group.addTask { try await self.settleAgainAndAgain() }
            try await group.next()
            group.cancelAll()
        }
    }

    public func close() async { await database.close() }

    public func health() async -> [ComponentHealth] {
        async let history = events.health()
        return await database.health() + history
    }

    // MARK: Reading

    public func search(_ query: SearchQuery) async throws -> Page<SearchHit> {
        guard let filter = try narrowed(query.filter) else { return Page(items: [], total: 0, request: query.page) }
        return try await database.search(query.filtered(by: filter))
    }

    public func list(_ query: ListQuery) async throws -> Page<MemoryRecord> {
        guard let filter = try narrowed(query.filter) else { return Page(items: [], total: 0, request: query.page) }
        return try await database.list(ListQuery(filter: filter, page: query.page))
    }

    public func count(_ filter: MemoryFilter) async throws -> Int {
        guard let filter = try narrowed(filter) else { return 0 }
        return try await database.count(filter)
    }

    public func neighbors(of records: [MemoryRecord], reach: Int) async throws -> [SessionNeighbors] {
        try await database.neighbors(of: records, reach: reach)
    }

    /// The filter with its scope in conditions that the backend knows; `nil` if nothing can match.
    private func narrowed(_ filter: MemoryFilter) throws -> MemoryFilter? {
        guard !filter.scope.isEverything else { return filter }
        guard !filter.scope.permitsNothing else { return nil }
        let caller = Caller(subject: "", scope: filter.scope, rights: .read)
        return try caller.narrowed(filter.with(scope: .everything))
    }

    /// The stored records with one of the values in the field.
    func stored(_ field: TagField, _ values: [String]) async throws -> [MemoryRecord] {
        var found: [MemoryRecord] = []
        for start in stride(from: 0, to: values.count, by: Self.valuesPerQuery) {
            let slice = Array(values[start..<min(start + Self.valuesPerQuery, values.count)])
            let filter = MemoryFilter(tags: [field: try TagCondition(field: field, any: slice)])
            var offset: Int? = 0
            while let from = offset {
                let page = try await database.list(
                    ListQuery(filter: filter, page: try PageRequest(limit: PageRequest.maximumLimit, offset: from)))
                found += page.items
                offset = page.items.isEmpty ? nil : page.nextOffset
            }
        }
        return found
    }

    /// The stored records of these ids.
    func stored(_ ids: [String]) async throws -> [ExactString: MemoryRecord] {
        var records: [ExactString: MemoryRecord] = [:]
        for record in try await stored(.id, ids) { records[ExactString(record.id)] = record }
        return records
    }

    private static let valuesPerQuery = 500
}
