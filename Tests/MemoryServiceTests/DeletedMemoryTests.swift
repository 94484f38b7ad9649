import AgentMemory
import Logging
import MemoryConformance
import MemoryService
import ReferenceBackend
import Testing

/// What a promotion must not bring back, and what it must not take for done, over backends that
/// decide in their store and over those that cannot.
@Suite struct DeletedMemoryTests {
    /// A backend as one that is loaded: its calls cannot say more than the six operations do.
    private struct PlainDatabase: MemoryVectorDatabase {
        let original: ReferenceMemoryDatabase
        let name = "plain"
        let capabilities = BackendCapabilities()

        func prepare() {}
        func close() {}
        func add(_ records: [MemoryRecord]) async throws -> [String] { try await original.add(records) }
        func search(_ query: SearchQuery) async throws -> Page<SearchHit> { try await original.search(query) }
        func list(_ query: ListQuery) async throws -> Page<MemoryRecord> { await original.list(query) }
        func count(_ filter: MemoryFilter) async throws -> Int { await original.count(filter) }
        func delete(_ ids: [String]) async throws -> Int { try await original.delete(ids) }
        func update(_ updates: [RecordUpdate]) async throws -> Int { try await original.update(updates) }
        func health() async -> [ComponentHealth] { [] }
    }

    enum Backend: String, CaseIterable, CustomTestStringConvertible, Sendable {
        case atomic, plain
        var testDescription: String { rawValue }
    }

    /// A service whose jobs the test runs itself.
    private struct Fixture {
        let queue = ReferenceJobQueue()
        let store: ReferenceWorkingMemoryStore
        let memory: LongTermMemory
        let sessions: WorkingMemorySessions
        let handler: PromotionHandler

        init(_ backend: Backend, indexingMessages: Bool = false) {
            let original = ReferenceMemoryDatabase(embedder: SteeredEmbedder())
            let database: any MemoryVectorDatabase = backend == .atomic ? original : PlainDatabase(original: original)
            let jobs = JobSubmitter(queue: queue)
            store = ReferenceWorkingMemoryStore(jobs: queue)
            memory = LongTermMemory(
                database: database, accessRecorder: AccessRecorder(database: database, logger: Logger(label: "test")),
                deletions: queue)
            sessions = WorkingMemorySessions(
                store: store, promotion: Promotion(jobs: jobs, includesMessages: indexingMessages))
            handler = PromotionHandler(memory: memory, store: store, jobs: jobs)
        }

        func put(_ texts: KeyValuePairs<String, String>, to session: String = "s", user: String = "u") async throws {
            let now = Timestamp.now()
            _ = try await sessions.put(
                SessionPut(
                    key: try SessionKey(sessionID: session, userID: user),
                    memories: try texts.map { id, text in
                        SessionMemory(try MemoryRecord(id: id, text: text, now: now), givenLists: [], persistedAt: nil)
                    }))
        }

        /// The next job, as a worker that dies before it can say how it ended leases it.
        func lease() async throws -> LeasedJob {
            try #require(await queue.lease(kinds: [handler.kind], limit: 1, for: .seconds(60)).first)
        }

        func runJobs() async throws {
            while let job = await queue.lease(kinds: [handler.kind], limit: 1, for: .seconds(60)).first {
                try await handler.run(job, isLastAttempt: false)
                #expect(await queue.complete(job))
            }
        }

        func texts() async throws -> [String: String] {
            let page = try await memory.list(ListQuery(page: PageRequest(limit: 100)))
            return Dictionary(uniqueKeysWithValues: page.items.map { ($0.id, $0.text) })
        }

        /// Whether each memory of the session is marked, by id.
        func marks(_ session: String = "s") async throws -> [String: Bool] {
            let stored = try await sessions.session(try SessionSelector(sessionID: session)).session.memory
            return Dictionary(uniqueKeysWithValues: stored.memories.map { ($0.id, $0.persistedAt != nil) })
        }
    }

    @Test(arguments: Backend.allCases)
    func `a job that runs again stores nothing that was deleted meanwhile`(_ backend: Backend) async throws {
        let fixture = Fixture(backend)
        try await fixture.put(["a": "one", "b": "two"])
        let job = try await fixture.lease()
        try await fixture.handler.run(job, isLastAttempt: false)
        #expect(try await fixture.memory.delete(ids: ["a"]) == 1)
        try await fixture.handler.run(job, isLastAttempt: false)
        #expect(try await fixture.texts() == ["b": "two"])
        #expect(try await fixture.marks() == ["a": true, "b": true])
    }

    /// Stored, not marked yet, deleted; then a client that has not seen the mark puts the session
    /// again, with a message more.
    @Test(arguments: Backend.allCases)
    func `a put of what the session has hands in nothing`(_ backend: Backend) async throws {
        let fixture = Fixture(backend)
        try await fixture.put(["a": "one"])
        let job = try await fixture.lease()
        try await fixture.handler.run(job, isLastAttempt: false)
        #expect(try await fixture.memory.delete(ids: ["a"]) == 1)
        try await fixture.put(["a": "one"])
        #expect(await fixture.queue.counts() == JobCounts(waiting: 0, leased: 1, dead: 0))
        try await fixture.put(["a": "one", "b": "new"])
        try await fixture.runJobs()
        #expect(try await fixture.texts() == ["b": "new"])
    }

    @Test(arguments: Backend.allCases)
    func `a deletion outdates what waits and not what comes later`(_ backend: Backend) async throws {
        let fixture = Fixture(backend)
        try await fixture.put(["a": "one"])
        // Not stored yet: the deletion counts all the same.
        #expect(try await fixture.memory.delete(ids: ["a"]) == 0)
        try await fixture.runJobs()
        #expect(try await fixture.texts() == [:])
        #expect(try await fixture.marks() == ["a": true])
        // A memory that the session lacks, or that says something else, is a new one.
        try await fixture.put(["a": "two"])
        try await fixture.runJobs()
        #expect(try await fixture.texts() == ["a": "two"])
        #expect(try await fixture.memory.delete(ids: ["a"]) == 1)
        try await fixture.put(["a": "three"], to: "another")
        try await fixture.runJobs()
        #expect(try await fixture.texts() == ["a": "three"])
    }

    @Test(arguments: Backend.allCases)
    func `an ID of another user is not taken for stored`(_ backend: Backend) async throws {
        let fixture = Fixture(backend)
        _ = try await fixture.memory.create(
            [try MemoryRecord(id: "a", text: "theirs", userID: "v")], deduplicate: false)
        try await fixture.put(["a": "mine", "b": "two"])
        // Together, then each for itself.
        let job = try await fixture.lease()
        try await fixture.handler.run(job, isLastAttempt: false)
        #expect(await fixture.queue.complete(job))
        var refusals: [String] = []
        for job in await fixture.queue.lease(kinds: [fixture.handler.kind], limit: 9, for: .seconds(60)) {
            do {
                try await fixture.handler.run(job, isLastAttempt: false)
            } catch let error as MemoryError {
                refusals.append(error.message)
            }
        }
        #expect(refusals.count == 1)
        #expect(refusals.first?.contains("another user or namespace") == true)
        #expect(try await fixture.texts() == ["a": "theirs", "b": "two"])
        #expect(try await fixture.memory.record(id: "a").userID == "v")
        #expect(try await fixture.marks() == ["a": false, "b": true])
    }

    /// A job that is split into single ones was handed in when the whole one was.
    @Test(arguments: Backend.allCases)
    func `single jobs are as old as the whole`(_ backend: Backend) async throws {
        let fixture = Fixture(backend)
        _ = try await fixture.memory.create(
            [try MemoryRecord(id: "taken", text: "theirs", userID: "v")], deduplicate: false)
        try await fixture.put(["a": "one", "taken": "mine"])
        let job = try await fixture.lease()
        #expect(try await fixture.memory.delete(ids: ["a"]) == 0)
        try await fixture.handler.run(job, isLastAttempt: false)
        for job in await fixture.queue.lease(kinds: [fixture.handler.kind], limit: 9, for: .seconds(60)) {
            try? await fixture.handler.run(job, isLastAttempt: false)
        }
        #expect(try await fixture.texts() == ["taken": "theirs"])
    }

    @Test(arguments: Backend.allCases)
    func `of one text at once one stays`(_ backend: Backend) async throws {
        let fixture = Fixture(backend)
        let stored = try await withThrowingTaskGroup(of: [String].self) { group in
            for i in 0..<20 {
                group.addTask {
                    try await fixture.memory.create(
                        [try MemoryRecord(id: "\(i)", text: "likes tea", userID: "u")], deduplicate: true)
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(stored.count == 1)
        #expect(try await fixture.texts().count == 1)
    }

    /// The text is long-term memory's already, under another id: ids are kept, so there are two
    /// records then.
    @Test(arguments: Backend.allCases)
    func `a text that is there under another ID is promoted under its own`(_ backend: Backend) async throws {
        let fixture = Fixture(backend)
        _ = try await fixture.memory.create(
            [try MemoryRecord(id: "x", text: "one", userID: "u")], deduplicate: true)
        try await fixture.put(["a": "one"])
        try await fixture.runJobs()
        #expect(try await fixture.texts() == ["x": "one", "a": "one"])
    }

    @Test func `an append that is sent again does no harm`() async throws {
        let fixture = Fixture(.atomic, indexingMessages: true)
        let key = try SessionKey(sessionID: "s")
        func message(_ id: String, _ content: String) throws -> SessionMessage {
            try SessionMessage(id: id, role: "user", content: content, createdAt: .now())
        }
        // The first one creates the session.
        for _ in 0..<3 {
            let session = try await fixture.sessions.append(
                [message("a", "one"), message("b", "two"), message("a", "one")], to: key)
            #expect(session.messageCount == 2)
        }
        #expect(await fixture.queue.counts().waiting == 1)
        #expect(
            try await fixture.sessions.append([message("b", "two"), message("c", "three")], to: key).messageCount == 3)
        for messages in [
            [try message("d", "four"), try message("a", "other")], [try message("e", "1"), try message("e", "2")],
        ] {
            await #expect { try await fixture.sessions.append(messages, to: key) } throws: { error in
                (error as? MemoryError)?.code == .conflict
            }
        }
        let stored = try await fixture.sessions.session(try SessionSelector(sessionID: "s")).session.memory
        #expect(stored.messages.map(\.id) == ["a", "b", "c"])
    }
}
