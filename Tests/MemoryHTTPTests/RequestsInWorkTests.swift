import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import ServiceLifecycle
import Synchronization
import Testing

@testable import MemoryHTTP

/// How many requests are in work, and for how long.
@Suite struct RequestsInWorkTests {
    private static func requests(count: Int = 10, timeout: Duration = .seconds(60)) -> RequestsInWork {
        var limits = RequestsInWork.Limits()
        limits.count = count
        limits.timeout = timeout
        limits.names = ("MOST_REQUESTS", "LONGEST_REQUEST")
        return RequestsInWork(limits: limits)
    }

    private static func detail(_ response: Response) async throws -> String {
        let writer = TextWriter()
        try await response.body.write(writer)
        return writer.text.withLock(\.self)
    }

    /// Runs `body` while deadlines are enforced.
    private static func serving(
        _ requests: RequestsInWork, _ body: @escaping @Sendable () async throws -> Void
    ) async throws {
        let group = ServiceGroup(services: [requests], logger: Logger(label: "test"))
        async let running: Void = group.run()
        let result: Result<Void, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        await group.triggerGracefulShutdown()
        try await running
        try result.get()
    }

    @Test func `a request without a place gets 503`() async throws {
        let requests = Self.requests(count: 1)
        let (started, start) = AsyncStream.makeStream(of: Void.self)
        let (ended, end) = AsyncStream.makeStream(of: Void.self)
        async let first = requests.process(on: globalConcurrentExecutor) {
            start.finish()
            for await _ in ended {}
            return Response(status: .ok)
        }
        for await _ in started {}
        let second = try await requests.process(on: globalConcurrentExecutor) { Response(status: .ok) }
        #expect(second.status == .serviceUnavailable)
        #expect(second.headers[.retryAfter] == "1")
        #expect(try await Self.detail(second).contains("MOST_REQUESTS"))
        end.finish()
        #expect(try await first.status == .ok)
        #expect(try await requests.process(on: globalConcurrentExecutor) { Response(status: .ok) }.status == .ok)
    }

    @Test func `a request that takes too long is answered and cancelled`() async throws {
        let requests = Self.requests(count: 1, timeout: .milliseconds(50))
        try await Self.serving(requests) {
            let (cancelled, cancel) = AsyncStream.makeStream(of: Void.self)
            let late = try await requests.process(on: globalConcurrentExecutor) {
                try? await Task.sleep(for: .seconds(600))
                cancel.finish()
                return Response(status: .ok)
            }
            #expect(late.status == .serviceUnavailable)
            #expect(try await Self.detail(late).contains("LONGEST_REQUEST"))
            for await _ in cancelled {}
        }
    }

    @Test func `work that goes on after its deadline keeps its place`() async throws {
        let requests = Self.requests(count: 1, timeout: .milliseconds(50))
        try await Self.serving(requests) {
            let end = Mutex<CheckedContinuation<Void, Never>?>(nil)
            // Does not react to its cancellation.
            let late = try await requests.process(on: globalConcurrentExecutor) {
                await withCheckedContinuation { continuation in end.withLock { $0 = continuation } }
                return Response(status: .ok)
            }
            #expect(late.status == .serviceUnavailable)
            let next = try await requests.process(on: globalConcurrentExecutor) { Response(status: .ok) }
            #expect(try await Self.detail(next).contains("MOST_REQUESTS"))
            end.withLock { $0?.resume() }
            while try await requests.process(on: globalConcurrentExecutor, { Response(status: .ok) }).status != .ok {
                await Task.yield()
            }
        }
    }

    @Test func `errors and cancellation pass through`() async throws {
        struct Failure: Error {}
        let requests = Self.requests()
        await #expect(throws: Failure.self) {
            _ = try await requests.process(on: globalConcurrentExecutor) { throw Failure() }
        }
        let waiting = Task {
            try await requests.process(on: globalConcurrentExecutor) {
                try await Task.sleep(for: .seconds(600))
                return Response(status: .ok)
            }
        }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { _ = try await waiting.value }
    }

    @Test func `every route that reads a store is bounded`() async throws {
        let none = Self.requests(count: 0)
        try await APIFixture.run(configuration: .init(requests: none)) { api async throws in
            for (method, path, body) in [
                (HTTPRequest.Method.get, "/v1/long-term-memory/x", nil as String?), (.get, "/v1/working-memory/?", nil),
                (.post, "/v1/long-term-memory/search", "{}"), (.put, "/v1/working-memory/s", "{}"),
                (.post, "/v1/memory/prompt", "{}"), (.delete, "/v1/working-memory/s", nil),
            ] {
                let answer = try await api.send(method, path, body)
                #expect(answer.status == 503, "\(method) \(path)")
                #expect(answer.headers[.retryAfter] == "1", "\(method) \(path)")
            }
            #expect(try await api.send(.get, "/v1/health").status == 200)
            #expect(try await api.send(.get, "/v1/ready").status == 200)
        }
    }
}

private final class TextWriter: ResponseBodyWriter, Sendable {
    let text = Mutex("")

    func write(_ buffer: ByteBuffer) async throws {
        text.withLock { $0 += String(buffer: buffer) }
    }

    func finish(_ trailingHeaders: HTTPFields?) async throws {}
}
