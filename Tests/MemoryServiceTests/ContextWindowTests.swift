import AgentMemory
import MemoryService
import ReferenceBackend
import Testing

/// What is read of a session for a client that names a context window.
@Suite struct ContextWindowTests {
    /// Notes how many messages are asked for.
    private actor NotedStore: WorkingMemoryStore {
        nonisolated let name = "noted"
        private(set) var asked: [Int?] = []
        private let store = ReferenceWorkingMemoryStore(
            jobs: ReferenceJobQueue(), now: { ContextWindowTests.now })

        func read(_ key: SessionKey, lastMessages: Int?) async throws -> StoredSession? {
            asked.append(lastMessages)
            return await store.read(key, lastMessages: lastMessages)
        }

        @discardableResult
        func write(
            _ memory: WorkingMemory, expecting: SessionExpectation, writerStamp: Timestamp?,
            enqueueing jobs: [NewJob]
        ) async throws -> SessionRevision {
            try await store.write(memory, expecting: expecting, writerStamp: writerStamp, enqueueing: jobs)
        }

        func append(_ append: SessionAppend, to key: SessionKey) async throws -> StoredSession? {
            try await store.append(append, to: key)
        }

        func delete(_ key: SessionKey, expectedRevision: Int?) async throws -> Bool {
            try await store.delete(key, expectedRevision: expectedRevision)
        }

        func matching(
            _ reference: SessionReference, within scope: AccessScope, limit: Int
        ) async throws -> [SessionKey] {
            await store.matching(reference, within: scope, limit: limit)
        }

        func sessionIDs(
            namespace: String?, userID: String?, within scope: AccessScope, page: PageRequest
        ) async throws -> Page<String> {
            try await store.sessionIDs(namespace: namespace, userID: userID, within: scope, page: page)
        }

        func markExtracted(_ messages: [SessionMessage], in key: SessionKey) {}
        func markPersisted(memoryIDs: [String], messageIDs: [String], at: Timestamp, in key: SessionKey) async throws {
            await store.markPersisted(memoryIDs: memoryIDs, messageIDs: messageIDs, at: at, in: key)
        }

        func prepare() async throws {}
        func close() async {}
        func health() async -> [ComponentHealth] { [] }
    }

    private static let now = Timestamp(parsing: "2026-01-01T12:00:00Z") ?? .earliest

    private let store = NotedStore()
    private let sessions: WorkingMemorySessions
    private let selector: SessionSelector

    init() throws {
        let promotion = Promotion(jobs: JobSubmitter(queue: ReferenceJobQueue(now: { Self.now })))
        sessions = WorkingMemorySessions(store: store, promotion: promotion, now: { Self.now })
        selector = try SessionSelector(sessionID: "s")
    }

    private func store(_ contents: [String]) async throws {
        let messages = try contents.enumerated().map { number, content in
            try SessionMessage(id: "m\(number)", role: "user", content: content, createdAt: Self.now)
        }
        let memory = WorkingMemory(
            key: try SessionKey(sessionID: "s"), messages: messages, createdAt: Self.now, updatedAt: Self.now,
            lastAccessed: Self.now)
        try await store.write(memory, expecting: .absent, writerStamp: nil)
    }

    private func shown(_ window: Int, recentMessages: Int? = nil) async throws -> [String] {
        let budget = try #require(ContextBudget(model: nil, maximum: window))
        return try await sessions.session(selector, recentMessages: recentMessages, budget: budget).session.memory
            .messages.map(\.id)
    }

    private func ids(_ range: Range<Int>) -> [String] { range.map { "m\($0)" } }

    /// "user: " and 17 words of one token each are 19 tokens.
    private static let sentence = "the" + String(repeating: " and", count: 16)

    @Test func `of a long session little more is read than the window holds`() async throws {
        try await store(Array(repeating: Self.sentence, count: 10_000))
        #expect(try await shown(1_000) == ids(9_948..<10_000))
        #expect(await store.asked == [63])
    }

    @Test func `short messages that fill the window are all found`() async throws {
        // Three tokens each.
        try await store(Array(repeating: "a", count: 10_000))
        #expect(try await shown(1_000) == ids(9_667..<10_000))
        #expect(await store.asked == [63, 252, 501])
    }

    @Test func `a session that fits is read once`() async throws {
        try await store(Array(repeating: "a", count: 50))
        #expect(try await shown(1_000) == ids(0..<50))
        #expect(await store.asked == [63])
    }

    @Test func `no more is read than is asked for`() async throws {
        try await store(Array(repeating: "a", count: 10_000))
        #expect(try await shown(1_000, recentMessages: 70) == ids(9_930..<10_000))
        #expect(await store.asked == [63, 70])
    }

    @Test(arguments: [.min, -1, 1, 2]) func `the last message is always there`(window: Int) async throws {
        try await store(["a", "b"])
        #expect(try await shown(window) == ["m1"])
    }

    @Test func `a window without limit shows all`() async throws {
        try await store(Array(repeating: "a", count: 10_000))
        #expect(try await shown(.max) == ids(0..<10_000))
    }
}
