import AgentMemory
import Logging
import MemoryConformance
import MemoryService
import ReferenceBackend
import ServiceLifecycle
import TestSupport
import Testing

@Suite struct PromotionTests {
    private let embedder = SteeredEmbedder()
    private let database: ReferenceMemoryDatabase
    private let queue = ReferenceJobQueue(now: { Self.now })
    private let store: ReferenceWorkingMemoryStore
    private let memory: LongTermMemory
    private let jobs: JobSubmitter
    private let outcomes = JobOutcomes()
    private static let now = Timestamp(parsing: "2026-01-01T12:00:00Z") ?? .earliest

    init() {
        store = ReferenceWorkingMemoryStore(jobs: queue, now: { Self.now })
        database = ReferenceMemoryDatabase(embedder: embedder, now: { Self.now })
        let recorder = AccessRecorder(database: database, logger: Logger(label: "test"), now: { Self.now })
        memory = LongTermMemory(database: database, accessRecorder: recorder, now: { Self.now })
        jobs = JobSubmitter(queue: queue)
    }

    private func sessions(indexingMessages: Bool = false) -> WorkingMemorySessions {
        WorkingMemorySessions(
            store: store, promotion: Promotion(jobs: jobs, includesMessages: indexingMessages), now: { Self.now })
    }

    private func put(_ ids: [String], user: String? = "u") throws -> SessionPut {
        SessionPut(
            key: try SessionKey(sessionID: "s", namespace: "n", userID: user),
            messages: [try SessionMessage(id: "m", role: "user", content: "hello", createdAt: Self.now)],
            memories: try ids.map {
                SessionMemory(
                    try MemoryRecord(id: $0, text: "text of \($0)", now: Self.now), givenLists: [], persistedAt: nil)
            })
    }

    /// Runs every job that is due, as the worker does, once.
    private func runJobs() async throws {
        let handler = PromotionHandler(memory: memory, store: store, jobs: jobs, now: { Self.now })
        for job in await queue.lease(kinds: [handler.kind], limit: 100, for: .seconds(60)) {
            try await handler.run(job, isLastAttempt: false)
            #expect(await queue.complete(job))
        }
    }

    @Test func `memories keep their IDs take the scope of the session and are marked`() async throws {
        let sessions = sessions()
        _ = try await sessions.put(try put(["a", "b"]))
        #expect(try await memory.count(.everything) == 0)
        try await runJobs()
        let record = try await memory.record(id: "a")
        #expect(record.sessionID == "s")
        #expect(record.userID == "u")
        #expect(record.namespace == "n")
        #expect(record.persistedAt == Self.now)
        let stored = try await sessions.session(try SessionSelector(sessionID: "s")).session.memory
        #expect(stored.memories.map(\.persistedAt) == [Self.now, Self.now])
        #expect(stored.messages.map(\.persistedAt) == [nil])
        // The client leaves the mark out: the memories are not promoted again.
        _ = try await sessions.put(try put(["a", "b"]))
        #expect(await queue.counts() == JobCounts(waiting: 0, leased: 0, dead: 0))
    }

    @Test func `a second run does not undo an edit`() async throws {
        _ = try await sessions().put(try put(["a"]))
        let handler = PromotionHandler(memory: memory, store: store, jobs: jobs, now: { Self.now })
        let job = try #require(await queue.lease(kinds: [handler.kind], limit: 1, for: .seconds(60)).first)
        try await handler.run(job, isLastAttempt: false)
        _ = try await memory.edit(id: "a") { now throws(MemoryError) in
            try RecordChanges(text: "edited", updatedAt: now)
        }
        try await handler.run(job, isLastAttempt: false)
        #expect(try await memory.record(id: "a").text == "edited")
    }

    @Test func `a deleted session loses nothing`() async throws {
        let sessions = sessions()
        _ = try await sessions.put(try put(["a"]))
        try await sessions.delete(try SessionSelector(sessionID: "s"))
        try await runJobs()
        #expect(try await memory.record(id: "a").sessionID == "s")
    }

    @Test func `messages go only where the setting says so`() async throws {
        let sessions = sessions(indexingMessages: true)
        _ = try await sessions.put(try put([]))
        try await runJobs()
        let record = try await memory.record(id: "m")
        #expect(record.text == "user: hello")
        #expect(record.memoryType == .message)
        #expect(
            try await sessions.session(try SessionSelector(sessionID: "s")).session.memory.messages[0].persistedAt
                == Self.now)
    }

    @Test func `a record that cannot be stored does not hold up the others`() async throws {
        let key = try SessionKey(sessionID: "s")
        // Written by another server, whose rules are others.
        let bad = SessionMemory(
            MemoryRecord(
                storedID: "bad", text: "x", sessionID: nil, userID: nil, namespace: nil, memoryType: .semantic,
                topics: ["a,b"], entities: [], extractedFrom: [], discreteMemoryExtracted: true,
                extractionStrategy: "discrete", extractionStrategyConfig: [:], metadata: [:], memoryHash: "",
                pinned: false, accessCount: 0, createdAt: Self.now, lastAccessed: Self.now, updatedAt: Self.now,
                persistedAt: nil, eventDate: nil), givenLists: .topics, persistedAt: nil)
        let good = SessionMemory(
            try MemoryRecord(id: "good", text: "y", now: Self.now), givenLists: [], persistedAt: nil)
        _ = try await sessions().put(SessionPut(key: key, memories: [bad, good]))
        try await withWorker {
            try await eventually { await queue.counts() == JobCounts(waiting: 0, leased: 0, dead: 1) }
        }
        #expect(try await memory.record(id: "good").text == "y")
        let dead = try #require(await queue.list(.dead, page: try PageRequest()).items.first)
        #expect(dead.reason?.contains("comma") == true)
        #expect(await queue.requeue(nil) == 1)
    }

    @Test func `a failing service is tried again and given up in the end`() async throws {
        _ = try await sessions().put(try put(["a"]))
        embedder.fail(.down)
        try await withWorker(attempts: 1) {
            try await eventually { await queue.counts() == JobCounts(waiting: 0, leased: 0, dead: 1) }
        }
        embedder.fail(nil)
        #expect(await queue.requeue(nil) == 1)
        try await withWorker {
            try await eventually { await queue.counts() == JobCounts(waiting: 0, leased: 0, dead: 0) }
        }
        #expect(try await memory.record(id: "a").text == "text of a")
        let counts = outcomes.all
        #expect(counts.map(\.outcome) == [.done, .dead] && counts.map(\.attempts) == [1, 1])
        #expect(Set(counts.map(\.kind)).count == 1)
    }

    /// The delay of other failures is none here, so that a job of theirs would be given up at once.
    @Test func `a service that refuses for good is asked again only after the longest delay`() async throws {
        _ = try await sessions().put(try put(["a"]))
        let database = ReferenceMemoryDatabase(embedder: RefusingEmbedder(), now: { Self.now })
        let recorder = AccessRecorder(database: database, logger: Logger(label: "test"), now: { Self.now })
        let refusing = LongTermMemory(database: database, accessRecorder: recorder, now: { Self.now })
        try await withWorker(memory: refusing) {
            try await eventually {
                try await queue.list(.waiting, page: PageRequest()).items.first?.reason?.hasPrefix("embeddingRefused")
                    == true
            }
            // The worker looks for jobs every 5 ms; the delay is not over by the queue's clock,
            // which stands still.
            try await Task.sleep(for: .milliseconds(30))
        }
        let waiting = await queue.list(.waiting, page: try PageRequest()).items
        #expect(waiting.map(\.attempts) == [1])
        #expect(await queue.counts() == JobCounts(waiting: 1, leased: 0, dead: 0))
        #expect(outcomes.all.map(\.outcome) == [.retried] && outcomes.all.map(\.attempts) == [1])
    }

    @Test func `delays double up to the limit`() {
        let policy = RetryPolicy(attempts: 5, base: .seconds(1), limit: .seconds(10))
        #expect((1...6).map { policy.delay(afterAttempt: $0, random: 1) } == [1, 2, 4, 8, 10, 10].map { .seconds($0) })
        #expect(policy.delay(afterAttempt: 3, random: 0) == .seconds(2))
        #expect(policy.delay(afterAttempt: .max, random: 1) == .seconds(10))
    }

    /// Runs a worker during `body`.
    private func withWorker(
        attempts: Int = 3, memory: LongTermMemory? = nil,
        _ body: () async throws -> Void
    ) async throws {
        // Of its own, because what wakes a worker ends with the worker.
        let jobs = JobSubmitter(queue: queue)
        let worker = BackgroundWorker(
            queue: queue, jobs: jobs,
            handlers: [
                PromotionHandler(
                    memory: memory ?? self.memory, store: store, jobs: jobs,
                    retries: RetryPolicy(attempts: attempts, base: .zero), now: { Self.now })
            ],
            configuration: .init(pollInterval: .milliseconds(5)), outcomes: outcomes,
            logger: Logger(label: "test"))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await worker.run() }
            try await body()
            group.cancelAll()
        }
    }
}

/// As one whose key is wrong.
private struct RefusingEmbedder: Embedder {
    let model = "refusing"
    let dimensions = 16

    func embed(_ texts: [String]) async throws -> [[Float]] {
        throw MemoryError(.embeddingRefused, "the embedding service answered 401; check OPENAI_API_KEY")
    }

    func unavailability() async -> String? { nil }
}
