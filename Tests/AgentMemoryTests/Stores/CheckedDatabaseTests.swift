import AgentMemory
import Synchronization
import Testing

@Suite struct CheckedDatabaseTests {
    @Test func `empty calls do not reach the backend`() async throws {
        let backend = RecordingDatabase()
        let database = CheckedDatabase(backend)
        #expect(try await database.add([]) == [])
        #expect(try await database.delete([]) == 0)
        #expect(try await database.update([]) == 0)
        let writes = try #require(database.atomicWrites)
        #expect(try await writes.addDistinct([]) == [])
        #expect(try await writes.promote([], handedInAt: .now()) == [])
        #expect(backend.calls.isEmpty)
    }

    @Test func `other calls reach the backend`() async throws {
        let backend = RecordingDatabase()
        let database = CheckedDatabase(backend)
        let record = try MemoryRecord(id: "a", text: "t")
        _ = try await database.add([record])
        _ = try await database.delete(["a"])
        _ = try await database.update([RecordUpdate(id: "a", changes: RecordChanges(pinned: true))])
        _ = try await database.list(ListQuery(page: PageRequest()))
        _ = try await database.count(.everything)
        _ = try await database.search(
            SearchQuery(text: "t", ranking: .semantic(distanceThreshold: nil), page: PageRequest()))
        let writes = try #require(database.atomicWrites)
        _ = try await writes.addDistinct([record])
        _ = try await writes.promote([record], handedInAt: .now())
        #expect(backend.calls == ["add", "delete", "update", "list", "count", "search", "addDistinct", "promote"])
    }

    @Test func `what the backend lacks is refused`() async throws {
        let backend = RecordingDatabase()
        let database = CheckedDatabase(backend)
        let error = await #expect(throws: MemoryError.self) {
            try await database.search(
                SearchQuery(text: "t", ranking: .keyword(.bm25std), page: PageRequest()))
        }
        #expect(error?.code == .unsupported && error?.path == [.key("search_mode")])
        #expect(backend.calls.isEmpty)
    }

    @Test func `filters on metadata and dates of expiry that the backend lacks are refused`() async throws {
        let backend = RecordingDatabase()
        let database = CheckedDatabase(backend)
        let filter = MemoryFilter(metadata: [try MetadataCondition(key: "k", exists: true)])
        let filtered = await #expect(throws: MemoryError.self) { try await database.count(filter) }
        #expect(filtered?.code == .unsupported && filtered?.path == [.key("metadata")])
        let dated = try MemoryRecord(id: "a", text: "t", expiresAt: .latest)
        let refused = await #expect(throws: MemoryError.self) { try await database.add([dated]) }
        #expect(refused?.code == .unsupported && refused?.path == [.key("expires_at")])
        let writes = try #require(database.atomicWrites)
        await #expect(throws: MemoryError.self) { try await writes.promote([dated], handedInAt: .now()) }
        #expect(backend.calls.isEmpty)
    }

    @Test func `a blended ranking is made of the searches of a backend that refuses it`() async throws {
        let backend = RecordingDatabase()
        let database = CheckedDatabase(backend)
        let ranking = SearchQuery.Ranking.blended(
            try BlendedRanking(.semantic, lateInteraction: 0, contextWeight: 0.4, dateWeight: 0.3))
        #expect(database.capabilities.blendedSearch)
        let error = #expect(throws: MemoryError.self) { try backend.capabilities.check(ranking, backend: "it") }
        #expect(error?.code == .unsupported)
        backend.matches = 1
        _ = try await database.search(SearchQuery(text: "t", ranking: ranking, page: PageRequest()))
        #expect(backend.calls == ["count", "search"])
    }

    @Test func `a checked database is not wrapped twice`() {
        let twice = CheckedDatabase(CheckedDatabase(RecordingDatabase()))
        #expect(twice.database is RecordingDatabase)
    }
}

/// Keeps the names of the calls, and nothing else.
private final class RecordingDatabase: AtomicMemoryDatabase {
    let name = "recording"
    let capabilities = BackendCapabilities(keywordSearch: false)
    private let recorded = Mutex<[String]>([])
    private let number = Mutex(0)

    /// What counts answer.
    var matches: Int {
        get { number.withLock(\.self) }
        set { number.withLock { $0 = newValue } }
    }

    var calls: [String] { recorded.withLock(\.self) }

    private func note(_ call: String) { recorded.withLock { $0.append(call) } }

    func prepare() {}
    func close() {}
    func health() -> [ComponentHealth] { [] }

    func add(_ records: [MemoryRecord], within scope: AccessScope) -> [String] {
        note("add")
        return records.map(\.id)
    }

    func search(_ query: SearchQuery) -> Page<SearchHit> {
        note("search")
        return Page(items: [], total: 0, request: query.page)
    }

    func list(_ query: ListQuery) -> Page<MemoryRecord> {
        note("list")
        return Page(items: [], total: 0, request: query.page)
    }

    func count(_ filter: MemoryFilter) -> Int {
        note("count")
        return matches
    }

    func delete(_ ids: [String], within scope: AccessScope) -> Int {
        note("delete")
        return 0
    }

    func update(_ updates: [RecordUpdate], within scope: AccessScope) -> Int {
        note("update")
        return 0
    }

    func addDistinct(_ records: [MemoryRecord], within scope: AccessScope) -> [String] {
        note("addDistinct")
        return records.map(\.id)
    }

    func promote(_ records: [MemoryRecord], handedInAt: Timestamp) -> [PromotionOutcome] {
        note("promote")
        return records.map { _ in .stored }
    }
}
