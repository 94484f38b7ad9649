import AgentMemory
import Logging
import MemoryConformance
import ReferenceBackend
import TestSupport
import Testing

@testable import MemoryService

/// What several servers on one store do at intervals.
@Suite struct PeriodicWorkTests {
    private let clock = MovedClock()
    private let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
    private let queue: ReferenceJobQueue
    private let documents: ReferenceDocumentStore
    private let database: ReferenceMemoryDatabase
    private let memory: LongTermMemory

    init() {
        let clock = clock
        queue = ReferenceJobQueue(now: { clock.now })
        documents = ReferenceDocumentStore(now: { clock.now })
        database = ReferenceMemoryDatabase(embedder: SteeredEmbedder(), now: { clock.now })
        memory = LongTermMemory(
            database: database,
            accessRecorder: AccessRecorder(
                database: database, logger: Logger(label: "test"), now: { clock.now }), now: { clock.now })
    }

    private var turns: Turns { Turns(documents: documents) }
    private var tasks: ServerTasks { ServerTasks(documents: documents, now: { [clock] in clock.now }) }

    private func run(_ handler: some JobHandler) async throws -> Int {
        let jobs = await queue.lease(kinds: [handler.kind], limit: 100, for: .seconds(60))
        for job in jobs {
            try await handler.run(job, isLastAttempt: false)
            #expect(await queue.complete(job))
        }
        return jobs.count
    }

    private func forgetting(_ policy: ForgettingPolicy?) -> ForgettingHandler {
        ForgettingHandler(memory: memory, queue: queue, policy: policy, logger: logger)
    }

    @Test func `one of two servers hands in a pass of forgetting at each interval`() async throws {
        _ = try await database.add([MemoryRecord(id: "a", text: "[1] a", createdAt: .earliest)])
        let servers = [turns, turns].map { PeriodicWork.Entry.forgetting(every: 3600, queue: queue, turns: $0) }
        for server in servers { try await server.start() }
        #expect(await queue.counts().waiting == 1)
        // A pass that goes on is not joined by another one.
        clock.move(bySeconds: 3601)
        for server in servers { try await server.start() }
        #expect(await queue.counts().waiting == 1)
        #expect(try await run(forgetting(ForgettingPolicy(maximumAgeDays: 1))) == 1)
        #expect(await database.count(.everything) == 0)
        for server in servers { try await server.start() }
        #expect(await queue.counts().waiting == 0)
        clock.move(bySeconds: 3601)
        for server in servers { try await server.start() }
        #expect(await queue.counts().waiting == 1)
    }

    @Test func `of two jobs of forgetting the one that sees the other ends`() async throws {
        _ = try await database.add([MemoryRecord(id: "a", text: "[1] a", createdAt: .earliest)])
        await queue.enqueue([ForgettingJob().newJob, ForgettingJob().newJob])
        try await forgetting(ForgettingPolicy(maximumAgeDays: 1)).run(ForgettingJob(), isLastAttempt: false)
        #expect(await database.count(.everything) == 1)
    }

    @Test func `without a policy nothing is forgotten`() async throws {
        _ = try await database.add([MemoryRecord(id: "a", text: "[1] a", createdAt: .earliest)])
        try await forgetting(nil).run(ForgettingJob(), isLastAttempt: false)
        #expect(await database.count(.everything) == 1)
    }

    @Test func `all memories are compacted at intervals, one compaction at a time`() async throws {
        let jobs = JobSubmitter(queue: queue)
        let compactions = Compactions(
            memory: memory,
            operations: OpenOperations(memory: memory, documents: documents, logger: Logger(label: "test")),
            tasks: tasks, jobs: jobs, now: { [clock] in clock.now })
        let servers = [turns, turns].map { compactions.periodic(every: 600, turns: $0) }
        for name in ["a", "b", "c"] {
            _ = try await database.add([MemoryRecord(id: name, text: "[1] tea", namespace: "n")])
        }
        for server in servers { try await server.start() }
        #expect(await queue.counts().waiting == 1)
        clock.move(bySeconds: 601)
        for server in servers { try await server.start() }
        #expect(await queue.counts().waiting == 1)
        #expect(try await run(CompactionHandler(compactions)) == 1)
        #expect(await database.count(.everything) == 1)
        let done = try await tasks.task(id: Compactions.periodicTask, for: .unrestricted)
        #expect(done.status == .success && done.details["result"]?["merged"] == 2)
        // It concerns all tenants, so none of them sees it.
        let tenant = Caller(subject: "t", namespaces: ["n"], rights: .all)
        #expect(try await tasks.tasks(page: PageRequest(limit: 10), for: tenant).total == 0)
        let operation = try #require(done.details["result"]?["operation"]?.stringValue)
        #expect(try await memory.undo(operation: operation, isForced: false, for: .unrestricted).undone == 3)
        clock.move(bySeconds: 601)
        for server in servers { try await server.start() }
        #expect(try await run(CompactionHandler(compactions)) == 1)
        let next = try await tasks.task(id: Compactions.periodicTask, for: .unrestricted)
        #expect(next.createdAt > done.createdAt)
        #expect(next.details["result"]?["operation"]?.stringValue != operation)
    }
}
