import AgentMemory
import Logging
import MemoryConformance
import MemoryService
import ReferenceBackend
import Testing

/// The use cases for callers with limits.
@Suite struct AccessTests {
    private let memory: LongTermMemory
    private let sessions: WorkingMemorySessions
    private let a = Caller(subject: "a", namespaces: ["a"], rights: [.read, .write])
    private let b = Caller(subject: "b", namespaces: ["b"], rights: [.read, .write])
    private let page = ListQuery(page: try! PageRequest(limit: 100))

    init() {
        let database = ReferenceMemoryDatabase(embedder: SteeredEmbedder())
        let queue = ReferenceJobQueue()
        memory = LongTermMemory(
            database: database, accessRecorder: AccessRecorder(database: database, logger: Logger(label: "test")))
        sessions = WorkingMemorySessions(
            store: ReferenceWorkingMemoryStore(jobs: queue), promotion: Promotion(jobs: JobSubmitter(queue: queue)))
    }

    private func record(_ id: String, _ namespace: String? = nil) throws -> MemoryRecord {
        try MemoryRecord(id: id, text: "text of \(id)", namespace: namespace)
    }

    private func code(_ body: () async throws -> Void) async -> MemoryError.Code? {
        do {
            try await body()
            return nil
        } catch {
            return (error as? MemoryError)?.code
        }
    }

    @Test(arguments: [true, false])
    func `each caller sees and writes its own memories`(_ deduplicating: Bool) async throws {
        try await memory.create([record("1")], deduplicate: deduplicating, for: a)
        try await memory.create([record("2", "b")], deduplicate: deduplicating, for: b)
        #expect(try await memory.list(page, for: a).items.map(\.id) == ["1"])
        #expect(try await memory.count(.everything, for: b) == 1)
        #expect(try await memory.count(.everything, for: .unrestricted) == 2)
        let search = try MemorySearch(
            text: "text", ranking: .semantic(distanceThreshold: nil), filter: .everything, page: PageRequest(),
            recencyBoost: nil)
        #expect(try await memory.search(search, for: b).items.map(\.record.id) == ["2"])
        let write: () async -> MemoryError.Code? = {
            await code { try await memory.create([record("3", "b")], deduplicate: deduplicating, for: a) }
        }
        #expect(await write() == .forbidden)
        let overwrite = await code { try await memory.create([record("2")], deduplicate: deduplicating, for: a) }
        #expect(overwrite == .conflict)
        #expect(try await memory.record(id: "2", for: b).namespace == "b")
    }

    @Test func `ids of others do not exist`() async throws {
        try await memory.create([record("2", "b")], deduplicate: false, for: b)
        #expect(await code { _ = try await memory.record(id: "2", for: a) } == .notFound)
        let edit = await code {
            _ = try await memory.edit(id: "2", for: a) { _ throws(MemoryError) in try RecordChanges(pinned: true) }
        }
        #expect(edit == .notFound)
        #expect(try await memory.delete(ids: ["2"], for: a) == 0)
        let move = await code {
            _ = try await memory.edit(id: "2", for: b) { _ throws(MemoryError) in
                try RecordChanges(namespace: .set("a"))
            }
        }
        #expect(move == .forbidden)
        #expect(try await memory.delete(ids: ["2"], for: b) == 1)
    }

    @Test func `each caller sees and writes its own sessions`() async throws {
        let selector = try SessionSelector(sessionID: "s")
        let view = try await sessions.put(SessionPut(key: SessionKey(sessionID: "s")), for: a)
        #expect(view.session.memory.key.namespace == "a")
        #expect(await code { _ = try await sessions.session(selector, for: b) } == .notFound)
        #expect(try await sessions.session(selector, for: a).session.memory.key.namespace == "a")
        #expect(try await sessions.list(namespace: nil, userID: nil, page: PageRequest(), for: b).total == 0)
        #expect(try await sessions.list(namespace: "a", userID: nil, page: PageRequest(), for: b).total == 0)
        #expect(try await sessions.list(namespace: nil, userID: nil, page: PageRequest(), for: a).items == ["s"])
        try await sessions.delete(selector, for: b)
        #expect(try await sessions.session(selector, for: a).session.memory.key.sessionID == "s")
        let key = try SessionKey(sessionID: "s", namespace: "a")
        #expect(await code { _ = try await sessions.put(SessionPut(key: key), for: b) } == .forbidden)
        let message = try SessionMessage(id: "m", role: "user", content: "hello", createdAt: .now())
        #expect(await code { _ = try await sessions.append([message], to: key, for: b) } == .forbidden)
    }

    @Test func `a session may not carry memories to others`() async throws {
        let put = SessionPut(
            key: try SessionKey(sessionID: "s"),
            memories: [SessionMemory(try record("1", "b"), givenLists: [], persistedAt: nil)])
        #expect(await code { _ = try await sessions.put(put, for: a) } == .forbidden)
    }

    @Test func `who may only read writes nothing`() async throws {
        let reader = Caller(subject: "reader", rights: .read)
        #expect(await code { try await memory.create([record("1")], deduplicate: true, for: reader) } == .forbidden)
        #expect(await code { _ = try await memory.delete(ids: ["1"], for: reader) } == .forbidden)
        let put = SessionPut(key: try SessionKey(sessionID: "s"))
        #expect(await code { _ = try await sessions.put(put, for: reader) } == .forbidden)
        #expect(try await memory.count(.everything, for: reader) == 0)
    }
}
