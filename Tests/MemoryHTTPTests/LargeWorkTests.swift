import Hummingbird
import NIOPosix
import Testing

@testable import MemoryHTTP

/// The budget of large requests.
@Suite struct LargeWorkTests {
    @Test func `shares return to the budget`() async throws {
        let budget = WorkBudget(bytes: 100)
        do {
            let share = try await budget.share(60, patience: .zero)
            #expect(budget.used == 60)
            try await share.grow(to: 90, patience: .zero)
            #expect(budget.used == 90)
            let rest = try await budget.share(10, patience: .zero)
            await #expect(throws: WorkBudget.Exhausted.self) { try await share.grow(to: 1000, patience: .zero) }
            #expect(rest.bytes == 10)
        }
        #expect(budget.used == 0)
        // What is larger than the whole may run alone.
        let all = try await budget.share(1 << 40, patience: .zero)
        #expect(all.bytes == 100)
        await #expect(throws: WorkBudget.Exhausted.self) { _ = try await budget.share(1, patience: .zero) }
        #expect(budget.overdraw(5).bytes == 5)
    }

    @Test func `waiters are served in their order`() async throws {
        let budget = WorkBudget(bytes: 100)
        var share: WorkBudget.Share? = try await budget.share(100, patience: .zero)
        let served = try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 0..<8 {
                group.addTask {
                    let share = try await budget.share(50, patience: .seconds(30))
                    return withExtendedLifetime(share) { number }
                }
            }
            withExtendedLifetime(share) {}
            share = nil
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(served == Set(0..<8))
        #expect(budget.used == 0)
    }

    @Test func `a waiter that is cancelled stops waiting`() async throws {
        let budget = WorkBudget(bytes: 10)
        let held = try await budget.share(10, patience: .zero)
        let waiting = Task { _ = try await budget.share(1, patience: .seconds(60)) }
        waiting.cancel()
        await #expect(throws: WorkBudget.Exhausted.self) { try await waiting.value }
        #expect(held.bytes == 10)
    }

    @Test func `a task runs on the event loop of its connection`() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        for eventLoop in group.makeIterator() {
            let places = await withTaskExecutorPreference(EventLoopExecutor(eventLoop)) {
                var places = [eventLoop.inEventLoop]
                await Task.yield()
                await withTaskExecutorPreference(globalConcurrentExecutor) { places.append(eventLoop.inEventLoop) }
                places.append(eventLoop.inEventLoop)
                return places
            }
            #expect(places == [true, false, true])
        }
        try await group.shutdownGracefully()
    }

    @Test func `tasks run on the threads and end after them`() async {
        let threads = WorkThreads(count: 1)
        let sum = await withTaskExecutorPreference(threads) {
            await withTaskGroup(of: Int.self) { group in
                for number in 0..<100 { group.addTask { number } }
                return await group.reduce(0, +)
            }
        }
        #expect(sum == 4950)
        await threads.shutdown()
        #expect(await withTaskExecutorPreference(threads) { await Task { 1 }.value } == 1)
    }

    @Test func `a body of unknown length takes its share as it arrives`() async throws {
        let budget = WorkBudget(bytes: 3 << 20)
        func body(_ share: WorkBudget.Share) -> MeteredBody {
            let parts = AsyncStream<ByteBuffer> { continuation in
                for _ in 0..<20 { continuation.yield(ByteBuffer(repeating: 0, count: 60_000)) }
                continuation.finish()
            }
            return MeteredBody(body: RequestBody(asyncSequence: parts), share: share, patience: .zero)
        }
        let share = budget.overdraw(0)
        var parts = body(share).makeAsyncIterator()
        _ = try await parts.next()
        #expect(budget.used == 0)
        while try await parts.next() != nil {}
        #expect(share.bytes >= 1_200_000)
        #expect(budget.used == share.bytes)
        let rest = try await budget.share(budget.total - budget.used, patience: .zero)
        await #expect(throws: WorkBudget.Exhausted.self) {
            for try await _ in body(budget.overdraw(0)) {}
        }
        #expect(rest.bytes > 0)
    }

    @Test func `a large request without room gets 503`() async throws {
        var limits = WorkLimits()
        limits.bytes = 1 << 20
        limits.patience = .milliseconds(50)
        limits.bytesName = "BYTES_IN_WORK"
        let work = LargeWork(limits: limits)
        let text = String(repeating: "x", count: 200_000)
        let body = "{\"messages\": [{\"role\": \"user\", \"content\": \"\(text)\"}], \"user_id\": \"u\"}"
        try await APIFixture.run(configuration: .init(largeWork: work)) { api async throws in
            #expect(try await api.send(.put, "/v1/working-memory/s?user_id=u", body).status == 200)
            #expect(try await api.send(.get, "/v1/working-memory/s?user_id=u").status == 200)
            var held: WorkBudget.Share? = try await work.budget.share(1 << 20, patience: .zero)
            for answer in [
                try await api.send(.put, "/v1/working-memory/s?user_id=u", body),
                try await api.send(.get, "/v1/working-memory/s?user_id=u"),
                try await api.send(.get, "/v1/working-memory/of-unknown-size"),
            ] {
                #expect(answer.status == 503)
                #expect(answer.headers[.retryAfter] == "1")
                #expect(answer.detail?.contains("BYTES_IN_WORK") == true)
            }
            // Small ones go on.
            #expect(try await api.send(.get, "/v1/health").status == 200)
            #expect(try await api.search("{}").status == 200)
            #expect(
                try await api.send(.get, "/v1/working-memory/s?user_id=u&recent_messages_limit=0").status == 200)
            withExtendedLifetime(held) {}
            held = nil
            // Answers that clients have not taken: reads wait for room, what a write has done is
            // told.
            let outgoing = work.outgoing.overdraw(1 << 20)
            #expect(try await api.send(.get, "/v1/working-memory/s?user_id=u").status == 503)
            #expect(try await api.send(.put, "/v1/working-memory/s?user_id=u", body).status == 200)
            #expect(try await api.send(.get, "/v1/working-memory/none").status == 404)
            #expect(outgoing.bytes == 1 << 20)
        }
        #expect(work.budget.used == 0)
        #expect(work.outgoing.used == 0)
        await work.shutdown()
    }
}
