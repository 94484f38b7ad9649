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
                clock: { clock.now })
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
            await issuer.setDown(true)
            #expect(await Self.failure(keys, "ES256") == .unavailable("status 503"))
            // Not asked again at once.
            #expect(await Self.failure(keys, "ES256") == .unavailable("status 503"))
            #expect(await issuer.fetches == 1)
            await issuer.setDown(false)
            clock.advance(KeySet.retryInterval)
            #expect(await Self.failure(keys, "ES256") == nil)
            await issuer.setDown(true)
            clock.advance(KeySet.lifetime)
            #expect(await Self.failure(keys, "ES256") == nil)
            #expect(await Self.failure(keys, "other") == .unknownKey)
            #expect(await issuer.fetches == 3)
        }
    }
}
