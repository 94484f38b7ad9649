import HTTPClient
import Logging
import Synchronization
import Testing

@testable import OAuth2

@Suite struct KeySetTests {
    private final class Clock: Sendable {
        private let time = Mutex(ContinuousClock.now)
        var now: ContinuousClock.Instant { time.withLock(\.self) }
        func advance(_ duration: Duration) { time.withLock { $0 += duration } }
    }

    private static func run(_ body: (FakeIssuer, KeySet, Clock) async throws -> Void) async throws {
        let client = HTTPClient()
        do {
            let issuer = try await FakeIssuer()
            let clock = Clock()
            let keys = KeySet(
                url: issuer.url, algorithms: ["ES256"], client: client, logger: Logger(label: "test"),
                timeout: .milliseconds(300), clock: { clock.now })
            try await body(issuer, keys, clock)
        } catch {
            await client.shutdown()
            throw error
        }
        await client.shutdown()
    }

    private static func failure(_ keys: KeySet, _ id: String) async -> KeySet.Failure? {
        do throws(KeySet.Failure) {
            _ = try await keys.key(id)
            return nil
        } catch {
            return error
        }
    }

    @Test func `nothing is fetched before it is needed, and once for all that need it`() async throws {
        try await Self.run { issuer, keys, _ in
            #expect(await issuer.fetches == 0)
            await withTaskGroup { group in
                for _ in 0..<20 { group.addTask { #expect(await Self.failure(keys, "ES256") == nil) } }
            }
            #expect(await issuer.fetches == 1)
        }
    }

    @Test func `a new key is fetched, once a minute at most`() async throws {
        try await Self.run { issuer, keys, clock in
            #expect(await Self.failure(keys, "ES256") == nil)
            await issuer.rename("ES256", to: "new")
            #expect(await Self.failure(keys, "new") == .unknownKey)
            #expect(await issuer.fetches == 1)
            clock.advance(KeySet.interval)
            #expect(await Self.failure(keys, "new") == nil)
            #expect(await Self.failure(keys, "ES256") == .unknownKey)
            #expect(await issuer.fetches == 2)
        }
    }

    @Test func `keys stay while the issuer is down`() async throws {
        try await Self.run { issuer, keys, clock in
            await issuer.set(.down)
            #expect(await Self.failure(keys, "ES256") == .unavailable("status 503"))
            // Not asked again at once.
            #expect(await Self.failure(keys, "ES256") == .unavailable("status 503"))
            #expect(await issuer.fetches == 1)
            await issuer.set(.up)
            clock.advance(KeySet.retryInterval)
            #expect(await Self.failure(keys, "ES256") == nil)
            await issuer.set(.down)
            clock.advance(KeySet.lifetime)
            #expect(await Self.failure(keys, "ES256") == nil)
            #expect(await Self.failure(keys, "other") == .unknownKey)
            #expect(await issuer.fetches == 3)
        }
    }

    @Test func `an issuer that hangs delays only who needs it`() async throws {
        try await Self.run { issuer, keys, clock in
            #expect(await Self.failure(keys, "ES256") == nil)
            await issuer.set(.hanging)
            clock.advance(KeySet.interval)
            try await withThrowingTaskGroup { group in
                let (ended, continuation) = AsyncStream<String>.makeStream()
                group.addTask {
                    #expect(await Self.failure(keys, "other") == .unknownKey)
                    continuation.yield("other")
                }
                while await issuer.fetches < 2 { await Task.yield() }
                group.addTask {
                    #expect(await Self.failure(keys, "ES256") == nil)
                    continuation.yield("known")
                }
                var order: [String] = []
                for await one in ended.prefix(2) { order.append(one) }
                #expect(order == ["known", "other"])
                try await group.waitForAll()
            }
        }
    }
}
