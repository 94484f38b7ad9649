import AgentMemory
import PostgresDriver
import TestSupport
import Testing

@testable import PostgresBackend

@Suite(.tags(.store)) struct JobQueueTests {
    private static let minute: Duration = .seconds(60)

    /// Lets the time pass until every job is due and every lease has ended.
    private func letTimePass(_ queue: PostgresJobQueue) async throws {
        try await queue.database.ask("UPDATE jobs SET run_at = clock_timestamp()")
    }

    private func lease(_ queue: PostgresJobQueue, _ kinds: [String] = ["k"], limit: Int = 10) async throws
        -> [LeasedJob]
    {
        try await queue.lease(kinds: kinds, limit: limit, for: Self.minute)
    }

    private func one(_ queue: PostgresJobQueue) async throws -> LeasedJob {
        let jobs = try await lease(queue)
        try #require(jobs.count == 1)
        return jobs[0]
    }

    @Test func `jobs come in their order as they were`() async throws {
        try await TestStore.withQueues { queue, other in
            let payload = try #require(
                JSONValue(parsing: #"{"n": 1234567890123456789.10, "'; --": ["\u0000", null, "\ud83d\ude00", "NULL"]}"#)
                    .objectValue)
            #expect(try await queue.enqueue([]) == [])
            let ids = try await queue.enqueue([
                NewJob(kind: "k", payload: payload), NewJob(kind: "other", payload: [:]),
                NewJob(kind: "k", payload: [:]),
            ])
            #expect(Set(ids).count == 3)
            #expect(try await lease(other, ["nobody"]).isEmpty)
            let jobs = try await lease(other, limit: 1) + lease(other)
            #expect(jobs.map(\.id) == [ids[0], ids[2]])
            #expect(jobs.map(\.attempt) == [1, 1])
            #expect(jobs[0].payload == payload)
            #expect(try await queue.counts() == JobCounts(waiting: 1, leased: 2, dead: 0))
            #expect(try await queue.list(.leased, page: PageRequest()).items.map(\.id) == [ids[0], ids[2]])
            for job in jobs { #expect(try await queue.complete(job)) }
            #expect(try await queue.complete(jobs[0]) == false)
            #expect(try await queue.counts() == JobCounts(waiting: 1, leased: 0, dead: 0))
        }
    }

    @Test func `a quiet time is over when a job is due`() async throws {
        try await TestStore.withSchema { schema in
            var configuration = try TestStore.configuration(schema: schema).database
            configuration.quietLimit = .milliseconds(1)
            let queue = try PostgresJobQueue(configuration: configuration, logger: TestStore.logger)
            try await queue.prepare()
            let quietTime = queue.database.quietTime
            func wait() async throws -> Double { try await queue.database.ask(JobSQL.wait.sql).singleRow().float8(0) }
            #expect(try await wait() == 3600)
            try await queue.enqueue([NewJob(kind: "k", payload: [:], delay: .seconds(1000))])
            #expect((900...1000).contains(try await wait()))
            try await eventually { quietTime.isQuiet }
            #expect(try await lease(queue).isEmpty)
            // Now the database is not asked: a job that another server adds waits.
            #expect(!quietTime.permitsLease)
            try await letTimePass(queue)
            #expect(try await wait() == 0)
            #expect(try await lease(queue).isEmpty)
            // A job of this server's own is taken at once.
            try await queue.enqueue([NewJob(kind: "k", payload: [:])])
            #expect(try await lease(queue).count == 2)
            await queue.close()
        }
    }

    @Test func `every job is done once`() async throws {
        try await TestStore.withQueues { queue, other in
            let ids = try await queue.enqueue((0..<300).map { NewJob(kind: "k", payload: ["n": .int($0)]) })
            let done = try await withThrowingTaskGroup(of: [String].self) { group in
                for worker in 0..<12 {
                    group.addTask {
                        let queue = worker % 2 == 0 ? queue : other
                        var done: [String] = []
                        while true {
                            let jobs = try await lease(queue, limit: 7)
                            if jobs.isEmpty { return done }
                            for job in jobs {
                                #expect(try await queue.complete(job))
                                done.append(job.id)
                            }
                        }
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(done.count == 300 && Set(done) == Set(ids))
            #expect(try await queue.counts() == JobCounts(waiting: 0, leased: 0, dead: 0))
        }
    }

    @Test func `a lease that ended goes to another`() async throws {
        try await TestStore.withQueues { queue, other in
            try await queue.enqueue([NewJob(kind: "k", payload: [:])])
            let lost = try await one(queue)
            #expect(try await lease(other).isEmpty)
            try await letTimePass(queue)
            #expect(try await queue.counts().leased == 0)
            // No other worker took it: its worker may continue.
            #expect(try await queue.extend(lost, for: Self.minute))
            #expect(try await lease(other).isEmpty)
            try await letTimePass(queue)
            let taken = try await one(other)
            #expect(taken.id == lost.id && taken.attempt == 2 && taken.token != lost.token)
            #expect(try await queue.extend(lost, for: Self.minute) == false)
            #expect(try await queue.complete(lost) == false)
            #expect(try await queue.retry(lost, after: .zero, reason: "late") == false)
            #expect(try await queue.bury(lost, reason: "late") == false)
            #expect(try await queue.counts() == JobCounts(waiting: 0, leased: 1, dead: 0))
            #expect(try await other.complete(taken))
        }
    }

    @Test func `a retry waits`() async throws {
        try await TestStore.withQueues { queue, other in
            try await queue.enqueue([
                NewJob(kind: "k", payload: [:]), NewJob(kind: "late", payload: [:], delay: .seconds(1000)),
            ])
            #expect(try await lease(other, ["late"]).isEmpty)
            let left = try await queue.database.ask(
                "SELECT extract(epoch FROM run_at - clock_timestamp())::float8 FROM jobs WHERE kind = 'late'"
            ).singleRow().float8(0)
            #expect((900...1000).contains(left))
            let job = try await one(queue)
            #expect(try await queue.retry(job, after: .seconds(1000), reason: "not\u{0} yet"))
            #expect(try await lease(other).isEmpty)
            #expect(try await queue.complete(job) == false)
            let waiting = try await queue.list(.waiting, page: PageRequest())
            #expect(waiting.items.map(\.reason) == ["not\u{FFFD} yet", nil])
            try await letTimePass(queue)
            let again = try await one(other)
            #expect(again.id == job.id && again.attempt == 2)
            #expect(try await queue.retry(again, after: .zero, reason: "at once"))
            #expect(try await one(queue).attempt == 3)
        }
    }

    @Test func `dead jobs are kept until they are requeued`() async throws {
        try await TestStore.withQueues { queue, other in
            let ids = try await queue.enqueue((0..<5).map { NewJob(kind: "k", payload: ["n": .int($0)]) })
            for job in try await lease(queue, limit: 4) { #expect(try await queue.bury(job, reason: "no \(job.id)")) }
            try await letTimePass(queue)
            #expect(try await queue.counts() == JobCounts(waiting: 1, leased: 0, dead: 4))
            let page = try await other.list(.dead, page: PageRequest(limit: 2, offset: 1))
            #expect(page.total == 4 && page.nextOffset == 3)
            #expect(page.items.map(\.id) == Array(ids[1...2]))
            #expect(page.items.map(\.reason) == ["no \(ids[1])", "no \(ids[2])"])
            #expect(page.items.allSatisfy { $0.state == .dead && $0.attempts == 1 && $0.kind == "k" })
            #expect(try await lease(queue).map(\.id) == [ids[4]])
            #expect(try await other.requeue([ids[2], ids[2], ids[4], "none", "999999", ""]) == 1)
            let again = try await one(queue)
            #expect(again.id == ids[2] && again.attempt == 1 && again.payload == ["n": 2])
            #expect(try await other.requeue(nil) == 3)
            #expect(try await other.requeue(nil) == 0)
            #expect(try await other.requeue([]) == 0)
            #expect(try await lease(queue).map(\.id) == [ids[0], ids[1], ids[3]])
        }
    }
}
