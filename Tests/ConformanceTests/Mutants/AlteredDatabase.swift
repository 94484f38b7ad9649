import AgentMemory
import MemoryConformance
import ReferenceBackend

/// The contract in memory with single calls replaced, to make databases that are wrong in one way.
struct AlteredDatabase: MemoryVectorDatabase {
    let original: ReferenceMemoryDatabase
    let embedder: any Embedder
    let name = "altered"
    var capabilities = BackendCapabilities(
        metadataFilters: true, expiry: true, blendedSearch: true, textScorers: TextScorer.offered)
    var adding: @Sendable ([MemoryRecord]) async throws -> [String]
    var searching: @Sendable (SearchQuery) async throws -> Page<SearchHit>
    var listing: @Sendable (ListQuery) async throws -> Page<MemoryRecord>
    var neighboring: @Sendable ([MemoryRecord], Int) async throws -> [SessionNeighbors]
    var counting: @Sendable (MemoryFilter) async throws -> Int
    var deleting: @Sendable ([String]) async throws -> Int
    var updating: @Sendable ([RecordUpdate]) async throws -> Int
    /// What another process sees; the same as this one if absent.
    var elsewhere: (any MemoryVectorDatabase)?

    init(embedder: any Embedder) {
        let original = ReferenceMemoryDatabase(embedder: embedder)
        self.original = original
        self.embedder = embedder
        // It hides what has expired.
        let checked = CheckedDatabase(original)
        adding = { try await checked.add($0) }
        searching = { try await checked.search($0) }
        listing = { try await checked.list($0) }
        neighboring = { try await checked.neighbors(of: $0, reach: $1) }
        counting = { try await checked.count($0) }
        deleting = { try await checked.delete($0) }
        updating = { try await checked.update($0) }
    }

    func prepare() {}
    func run() async throws { try await original.run() }
    func close() {}
    func add(_ records: [MemoryRecord]) async throws -> [String] { try await adding(records) }
    func search(_ query: SearchQuery) async throws -> Page<SearchHit> { try await searching(query) }
    func list(_ query: ListQuery) async throws -> Page<MemoryRecord> { try await listing(query) }
    func neighbors(of records: [MemoryRecord], reach: Int) async throws -> [SessionNeighbors] {
        try await neighboring(records, reach)
    }
    func count(_ filter: MemoryFilter) async throws -> Int { try await counting(filter) }
    func delete(_ ids: [String]) async throws -> Int { try await deleting(ids) }
    func update(_ updates: [RecordUpdate]) async throws -> Int { try await updating(updates) }
    func health() async -> [ComponentHealth] { await original.health() }

    // MARK: Ways to be wrong

    /// Reads every filter as another one.
    mutating func readFilters(as other: @escaping @Sendable (MemoryFilter) async throws -> MemoryFilter) {
        let (search, list, count) = (searching, listing, counting)
        searching = { query in
            try await search(query.filtered(by: try await other(query.filter)))
        }
        listing = { try await list(ListQuery(filter: try await other($0.filter), page: $0.page)) }
        counting = { try await count(try await other($0)) }
    }

    /// Lets other records match a filter than those that should.
    mutating func match(_ matches: @escaping @Sendable (MemoryFilter, MemoryRecord) -> Bool) {
        let original = original
        counting = { filter in
            var records = 0
            for record in try await Self.everything(in: original) where matches(filter, record) { records += 1 }
            return records
        }
        listing = { query in
            let records = try await Self.everything(in: original).filter { matches(query.filter, $0) }
            return Self.page(records, query.page)
        }
        searching = { query in
            let ranked = try await original.search(Self.whole(query, filter: .everything))
            return Self.page(ranked.items.filter { matches(query.filter, $0.record) }, query.page)
        }
    }

    /// Stores every record as another one.
    mutating func store(_ other: @escaping @Sendable (MemoryRecord) throws -> MemoryRecord) {
        let add = adding
        adding = { try await add($0.map(other)) }
    }

    /// Answers every list and every search with another page.
    mutating func answer(pages other: @escaping @Sendable (PageRequest, _ total: Int, _ count: Int) -> AlteredPage) {
        let (search, list) = (searching, listing)
        searching = { query in
            let page = try await search(query)
            return other(query.page, page.total, page.items.count).applied(to: page)
        }
        listing = { query in
            let page = try await list(query)
            return other(query.page, page.total, page.items.count).applied(to: page)
        }
    }

    // MARK: Parts

    static func everything(in database: ReferenceMemoryDatabase) async throws -> [MemoryRecord] {
        var records: [MemoryRecord] = []
        var offset: Int? = 0
        while let from = offset {
            let page = await database.list(ListQuery(page: try PageRequest(limit: 10_000, offset: from)))
            records += page.items
            offset = page.nextOffset
        }
        return records
    }

    static func whole(_ query: SearchQuery, filter: MemoryFilter) throws -> SearchQuery {
        try SearchQuery(
            text: query.text, ranking: query.ranking, filter: filter, page: PageRequest(limit: PageRequest.maximumLimit)
        )
    }

    static func page<Item>(_ items: [Item], _ request: PageRequest) -> Page<Item> {
        let range = min(request.offset, items.count)..<min(request.end, items.count)
        return Page(items: Array(items[range]), total: items.count, request: request)
    }
}

/// What becomes of a page.
struct AlteredPage {
    var total: Int
    var nextOffset: Int?
    /// How many of its items are kept.
    var count: Int

    func applied<Item>(to page: Page<Item>) -> Page<Item> {
        Page(items: Array(page.items.prefix(count)), total: total, nextOffset: nextOffset)
    }
}
