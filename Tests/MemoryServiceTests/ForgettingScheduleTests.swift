import AgentMemory
import Logging
import MemoryConformance
import ReferenceBackend
import Testing

@testable import MemoryService

@Suite struct ForgettingScheduleTests {
    private let logger = Logger(label: "test")

    private func handler(_ queue: ReferenceJobQueue, _ policy: ForgettingPolicy?) async throws
        -> (handler: ForgettingHandler, database: ReferenceMemoryDatabase)
    {
        let database = ReferenceMemoryDatabase(embedder: SteeredEmbedder())
        _ = try await database.add([MemoryRecord(id: "a", text: "[1] a", createdAt: .earliest)])
        let memory = LongTermMemory(
            database: database, accessRecorder: AccessRecorder(database: database, logger: logger))
        return (
            ForgettingHandler(memory: memory, queue: queue, policy: policy, pause: .seconds(60), logger: logger),
            database
        )
    }

    @Test func `a pass forgets and hands in the next one, and two schedules make one job`() async throws {
        let queue = ReferenceJobQueue()
        let schedule = ForgettingSchedule(queue: queue, logger: logger)
        try await schedule.ensureJob()
        try await schedule.ensureJob()
        let leased = await queue.lease(kinds: [ForgettingJob.kind], limit: 9, for: .seconds(60))
        #expect(leased.count == 1)
        try await schedule.ensureJob()
        let (handler, database) = try await handler(queue, ForgettingPolicy(maximumAgeDays: 1))
        try await handler.run(ForgettingJob(), isLastAttempt: false)
        #expect(await database.count(.everything) == 0)
        #expect(await queue.complete(leased[0]))
        #expect(await queue.counts() == JobCounts(waiting: 1, leased: 0, dead: 0))
        #expect(await queue.lease(kinds: [ForgettingJob.kind], limit: 9, for: .seconds(60)).isEmpty)
    }

    @Test func `of two jobs the one that sees the other ends`() async throws {
        let queue = ReferenceJobQueue()
        await queue.enqueue([ForgettingJob().newJob, ForgettingJob().newJob])
        _ = await queue.lease(kinds: [ForgettingJob.kind], limit: 1, for: .seconds(60))
        let (handler, database) = try await handler(queue, ForgettingPolicy(maximumAgeDays: 1))
        try await handler.run(ForgettingJob(), isLastAttempt: false)
        #expect(await database.count(.everything) == 1)
        #expect(await queue.counts() == JobCounts(waiting: 1, leased: 1, dead: 0))
    }

    @Test func `without a policy nothing is forgotten, and no pass follows`() async throws {
        let queue = ReferenceJobQueue()
        let (handler, database) = try await handler(queue, nil)
        try await handler.run(ForgettingJob(), isLastAttempt: false)
        #expect(await database.count(.everything) == 1)
        #expect(await queue.counts() == JobCounts(waiting: 0, leased: 0, dead: 0))
    }
}
