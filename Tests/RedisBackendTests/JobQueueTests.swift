import AgentMemory
import Logging
import RedisDriver
import TestServices
import TestSupport
import Testing

@testable import RedisBackend

extension TestStore {
    var jobPrefix: String { "\(name):jobs" }

    func queue(
        _ change: (inout RedisJobQueue.Configuration) -> Void = { _ in },
        server: (inout RedisDatabase.Configuration) -> Void = { _ in }
    ) throws -> RedisJobQueue {
        var configuration = RedisJobQueue.Configuration()
        configuration.keyPrefix = jobPrefix
        change(&configuration)
        return try RedisJobQueue(
            database: self.server(server), configuration: configuration, logger: Logger(label: "test"))
    }

    /// Runs `body` with a prepared queue over this store.
    func withQueue(_ body: (RedisJobQueue) async throws -> Void) async throws {
        let queue = try queue()
        try await withClosing {
            try await queue.prepare()
            try await body(queue)
        } close: {
            await queue.close()
        }
    }
}

/// What the queue keeps in Redis, and what can happen to it there.
@Suite(.tags(.store)) struct JobQueueTests {
    @Test func `leaves nothing of a job that is done`() async throws {
        try await TestStore.run { store in
            try await store.withQueue { queue in
                try await queue.enqueue((0..<20).map { NewJob(kind: "a", payload: ["n": .int($0)]) })
                for job in try await queue.lease(kinds: ["a"], limit: 10, for: .seconds(60)) {
                    #expect(try await queue.complete(job))
                }
                for job in try await queue.lease(kinds: ["a"], limit: 10, for: .seconds(60)) {
                    #expect(try await queue.retry(job, after: .milliseconds(1), reason: "again"))
                }
                var done = 0
                while done < 10 {
                    for job in try await queue.lease(kinds: ["a"], limit: 3, for: .seconds(60)) {
                        #expect(job.attempt == 2)
                        #expect(try await queue.complete(job))
                        done += 1
                    }
                }
                let keys = try await store.client.send(RedisCommand("KEYS", "\(store.jobPrefix):*"))
                #expect(
                    Set(keys.array?.compactMap(\.string) ?? [])
                        == ["\(store.jobPrefix):sequence", "\(store.jobPrefix):stream:a"])
                let stream = try await store.client.send(RedisCommand("XLEN", "\(store.jobPrefix):stream:a"))
                #expect(stream.integer == 0)
            }
        }
    }

    @Test func `survive the loss of the group and of a job`() async throws {
        try await TestStore.run { store in
            try await store.withQueue { queue in
                let ids = try await queue.enqueue((0..<3).map { NewJob(kind: "a", payload: ["n": .int($0)]) })
                let stream = "\(store.jobPrefix):stream:a"
                let first = try await queue.lease(kinds: ["a"], limit: 1, for: .seconds(60))
                #expect(first.map(\.id) == [ids[0]])
                try await store.client.send(RedisCommand("XGROUP", "DESTROY", stream, "workers"))
                try await store.client.send(RedisCommand("DEL", "\(store.jobPrefix):job:\(ids[1])"))
                // A new group starts with every job again; the one without content is left out.
                let again = try await queue.lease(kinds: ["a"], limit: 9, for: .seconds(60))
                #expect(again.map(\.id) == [ids[0], ids[2]] && again.map(\.attempt) == [2, 1])
                #expect(try await !queue.complete(first[0]))
                for job in again { #expect(try await queue.complete(job)) }
                #expect(try await store.client.send(RedisCommand("XLEN", stream)).integer == 0)
            }
        }
    }
}

/// Servers of our own.
@Suite(.serialized, .tags(.store)) struct JobFaultTests {
    @Test func `keeps jobs and leases over a crash`() async throws {
        try await OwnServer.run(.redis, durable: true) { server in
            try await TestStore.run(url: server.url) { store in
                let queue = try store.queue(server: { $0.timeout = .seconds(3) })
                let ids = try await queue.enqueue([
                    NewJob(kind: "a", payload: ["text": "é \u{1F} 🙂"]),
                    NewJob(kind: "a", payload: [:]), NewJob(kind: "a", payload: [:], delay: .seconds(3600)),
                ])
                let leased = try await queue.lease(kinds: ["a"], limit: 1, for: .seconds(600))
                try await server.crash()
                let error = await #expect(throws: MemoryError.self) {
                    try await queue.enqueue([NewJob(kind: "a", payload: [:])])
                }
                #expect(error?.code == .storeUnavailable)
                #expect(await queue.health().contains { $0.component == "jobs" && !$0.isOK })
                try await server.restart()
                #expect(try await queue.counts() == JobCounts(waiting: 2, leased: 1, dead: 0))
                // The lease still stands, so only the other one can be leased.
                let other = try await queue.lease(kinds: ["a"], limit: 9, for: .seconds(600))
                #expect(other.map(\.id) == [ids[1]])
                #expect(leased.first?.payload == ["text": "é \u{1F} 🙂"])
                for job in leased + other { #expect(try await queue.complete(job)) }
                #expect(await queue.health() == [ComponentHealth("jobs")])
                await queue.close()
            }
        }
    }

    @Test func `takes no job where memory has run out`() async throws {
        try await OwnServer.run(.redis) { server in
            try await TestStore.run(url: server.url) { store in
                try await store.withQueue { queue in
                    try await queue.enqueue((0..<2).map { _ in NewJob(kind: "a", payload: [:]) })
                    let leased = try await queue.lease(kinds: ["a"], limit: 1, for: .seconds(60))
                    try await store.client.send(RedisCommand("CONFIG", "SET", "maxmemory", "1"))
                    for call in [
                        { _ = try await queue.enqueue([NewJob(kind: "a", payload: [:])]) },
                        { _ = try await queue.lease(kinds: ["a"], limit: 1, for: .seconds(60)) },
                    ] as [() async throws -> Void] {
                        let error = await #expect(throws: MemoryError.self) { try await call() }
                        #expect(error?.code == .storeUnavailable)
                    }
                    // What ends a job can be said all the same.
                    #expect(try await queue.bury(leased[0], reason: "x"))
                    #expect(try await queue.counts() == JobCounts(waiting: 1, leased: 0, dead: 1))
                    try await store.client.send(RedisCommand("CONFIG", "SET", "maxmemory", "0"))
                    #expect(try await queue.lease(kinds: ["a"], limit: 9, for: .seconds(60)).count == 1)
                }
            }
        }
    }

    @Test func `works on a server without modules`() async throws {
        try await OwnServer.run(.redis, json: false) { server in
            try await TestStore.run(url: server.url) { store in
                try await store.withQueue { queue in
                    let ids = try await queue.enqueue([NewJob(kind: "a", payload: [:])])
                    let leased = try await queue.lease(kinds: ["a"], limit: 1, for: .seconds(60))
                    #expect(leased.map(\.id) == ids)
                }
            }
        }
    }
}
