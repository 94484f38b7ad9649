import AgentMemory
import Logging
import MemoryConformance
import MemoryService
import ReferenceBackend
import TestSupport
import Testing

@Suite struct LongTermMemoryTests {
    private let embedder = SteeredEmbedder()
    private let database: ReferenceMemoryDatabase
    private let recorder: AccessRecorder
    private let memory: LongTermMemory
    private static let now = Timestamp(parsing: "2026-01-01T12:00:00Z") ?? .earliest

    init() {
        database = ReferenceMemoryDatabase(embedder: embedder, now: { Self.now })
        recorder = AccessRecorder(database: database, logger: Logger(label: "test"), now: { Self.now })
        memory = LongTermMemory(database: database, accessRecorder: recorder, now: { Self.now })
    }

    private func search(
        _ text: String?, _ ranking: SearchQuery.Ranking = .semantic(distanceThreshold: nil),
        boost: RecencyWeights? = nil
    ) throws -> MemorySearch {
        try MemorySearch(
            text: text, ranking: ranking, filter: .everything, page: PageRequest(limit: 10), recencyBoost: boost)
    }

    @Test func `a search without text is a list and asks for no embedding`() async throws {
        try await memory.create(
            [
                MemoryRecord(id: "old", text: "a", createdAt: .earliest),
                MemoryRecord(id: "new", text: "b", now: Self.now),
            ],
            deduplicate: false)
        let embedded = embedder.embeddedTexts.count
        for text in [nil, "", " \n"] {
            let page = try await memory.search(try search(text))
            #expect(page.items.map(\.record.id) == ["new", "old"])
            #expect(page.items.allSatisfy { $0.score == nil && $0.scoreType == nil && $0.distance == 0 })
            #expect(page.total == 2)
        }
        #expect(embedder.embeddedTexts.count == embedded)
    }

    @Test func `duplicates are dropped within their scope`() async throws {
        func record(_ id: String, user: String? = nil) throws -> MemoryRecord {
            try MemoryRecord(id: id, text: "same", userID: user)
        }
        #expect(
            try await memory.create([record("a"), record("b"), record("c", user: "u")], deduplicate: true) == [
                "a", "c",
            ])
        #expect(try await memory.create([record("d"), record("a")], deduplicate: true) == ["a"])
        #expect(try await memory.create([record("e", user: "u")], deduplicate: true).isEmpty)
        #expect(try await memory.create([record("d")], deduplicate: false) == ["d"])
        #expect(try await memory.count(.everything) == 3)
    }

    /// A record that a call replaces is not a reason to drop a record of the call.
    @Test func `replacements are not duplicates`() async throws {
        func create(_ texts: (id: String, text: String, topics: [String])...) async throws -> [String] {
            try await memory.create(
                texts.map { try MemoryRecord(id: $0.id, text: $0.text, topics: $0.topics) }, deduplicate: true)
        }
        #expect(try await create(("a", "one", [])) == ["a"])
        #expect(try await create(("a", "two", []), ("b", "one", [])) == ["a", "b"])
        #expect(try await create(("c", "three", [])) == ["c"])
        #expect(try await create(("a", "three", ["new"])) == ["a"])
        #expect(try await memory.record(id: "a").topics == ["new"])
        #expect(try await create(("d", "v1", []), ("d", "v2", []), ("e", "v1", [])) == ["d", "e"])
        #expect(try await memory.record(id: "d").text == "v2")
        #expect(try await create(("f", "four", []), ("c", "four", [])) == ["c"])
    }

    @Test func `a duplicate of many is found`() async throws {
        let records = try (0..<1200).map { try MemoryRecord(id: "r\($0)", text: "text \($0)") }
        try await memory.create(records, deduplicate: true)
        let again = try (0..<1200).map { try MemoryRecord(id: "s\($0)", text: "text \($0)") }
        #expect(try await memory.create(again, deduplicate: true).isEmpty)
    }

    @Test func `unknown records are not found`() async throws {
        for id in ["nope", "", "a\u{0}b", String(repeating: "x", count: 600)] {
            await #expect { try await memory.record(id: id) } throws: { ($0 as? MemoryError)?.code == .notFound }
            await #expect {
                try await memory.edit(id: id) { _ throws(MemoryError) in try RecordChanges(pinned: true) }
            } throws: {
                ($0 as? MemoryError)?.code == .notFound
            }
        }
        #expect(try await memory.delete(ids: ["nope", "", "a\u{0}b"]) == 0)
    }

    @Test func `what the backend lacks is refused before it is asked`() async throws {
        let limited = LimitedDatabase(base: database)
        let memory = LongTermMemory(database: limited, accessRecorder: recorder)
        let rankings: [(SearchQuery.Ranking, String)] = [
            (.keyword(.bm25std), "search_mode"), (.hybrid(alpha: 0.5, .bm25std), "search_mode"),
            (.semanticWithRecency(.standard), "server_side_recency"),
            (.semantic(distanceThreshold: 1), "distance_threshold"),
        ]
        for (ranking, field) in rankings {
            await #expect { try await memory.search(try search("x", ranking)) } throws: { error in
                let error = error as? MemoryError
                return error?.code == .unsupported && error?.path == [.key(field)]
            }
        }
        #expect(try await memory.search(try search("x")).total == 0)
    }

    @Test func `accesses are recorded in the background once in a while`() async throws {
        let recorder = recorder
        try await memory.create(
            [
                MemoryRecord(id: "due", text: "[1] a", lastAccessed: Self.now.advanced(bySeconds: -901)),
                MemoryRecord(id: "early", text: "[1] b", lastAccessed: Self.now.advanced(bySeconds: -899)),
            ], deduplicate: false)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await recorder.run() }
            _ = try await memory.search(try search("[1] q"))
            #expect(try await memory.record(id: "due").accessCount == 0, "a search without recency records nothing")
            for _ in 0..<3 { _ = try await memory.search(try search("[1] q", boost: .standard)) }
            try await eventually { try await memory.record(id: "due").accessCount > 0 }
            _ = try await memory.search(try search("[1] q", boost: .standard))
            group.cancelAll()
            try await group.waitForAll()
        }
        let due = try await memory.record(id: "due")
        #expect(due.accessCount == 1)
        #expect(due.lastAccessed == Self.now)
        #expect(try await memory.record(id: "early").accessCount == 0)
    }
}

/// A backend that can do semantic search only.
private struct LimitedDatabase: MemoryVectorDatabase {
    let base: ReferenceMemoryDatabase
    var name: String { "limited" }
    var capabilities: BackendCapabilities {
        BackendCapabilities(
            keywordSearch: false, hybridSearch: false, serverSideRecency: false, distanceThreshold: false,
            textScorers: [])
    }

    func prepare() async throws {}
    func close() async {}
    func add(_ records: [MemoryRecord]) async throws -> [String] { try await base.add(records) }
    func search(_ query: SearchQuery) async throws -> Page<SearchHit> { try await base.search(query) }
    func list(_ query: ListQuery) async throws -> Page<MemoryRecord> { await base.list(query) }
    func count(_ filter: MemoryFilter) async throws -> Int { await base.count(filter) }
    func delete(_ ids: [String]) async throws -> Int { try await base.delete(ids) }
    func update(_ updates: [RecordUpdate]) async throws -> Int { try await base.update(updates) }
    func health() async -> [ComponentHealth] { await base.health() }
}
