import AgentMemory
import Logging
import ReferenceBackend
import Synchronization
import Testing

@testable import MemoryService

@Suite struct TokenAuthenticatorTests {
    /// A store that counts its look-ups, and can be down.
    private final class CountedStore: TokenStore {
        let store = ReferenceTokenStore()
        private let state = Mutex((lookups: 0, isDown: false))
        let name = "counted"

        var lookups: Int { state.withLock(\.lookups) }
        func setDown(_ isDown: Bool) { state.withLock { $0.isDown = isDown } }

        func token(hash: String) async throws -> AccessToken? {
            let isDown = state.withLock { state in
                state.lookups += 1
                return state.isDown
            }
            if isDown { throw MemoryError(.storeUnavailable, "the store is down", underlying: "details") }
            return await store.token(hash: hash)
        }

        func add(_ token: AccessToken) async throws { try await store.add(token) }
        func tokens(hashPrefix: String, page: PageRequest) async throws -> Page<AccessToken> {
            await store.tokens(hashPrefix: hashPrefix, page: page)
        }
        func remove(hash: String) async throws -> Bool { await store.remove(hash: hash) }
        func replace(hash: String, expiringAt end: Timestamp, with token: AccessToken) async throws -> Bool {
            try await store.replace(hash: hash, expiringAt: end, with: token)
        }
        func noteUse(_ uses: [String: Timestamp]) async throws { await store.noteUse(uses) }
        func revision() async throws -> Int { await store.revision() }
        func prepare() async throws {}
        func close() async {}
        func health() async -> [ComponentHealth] { [] }
    }

    private static let created = Timestamp(parsing: "2026-01-01T12:00:00Z") ?? .earliest

    private let store = CountedStore()
    private let authenticator: TokenAuthenticator
    private let clock = Clock()

    private final class Clock: Sendable {
        private let time = Mutex(created)
        var now: Timestamp { time.withLock(\.self) }
        func advance(_ seconds: Int64) { time.withLock { $0 = $0.advanced(bySeconds: seconds) } }
    }

    init() {
        let clock = clock
        authenticator = TokenAuthenticator(store: store, logger: Logger(label: "test"), now: { clock.now })
    }

    private func add(_ secret: String) async throws -> AccessToken {
        let token = AccessToken(
            hash: AccessToken.hash(ofSecret: secret), description: secret, rights: .read, createdAt: Self.created)
        try await store.add(token)
        return token
    }

    private func failure(_ secret: String) async -> AuthenticationFailure? {
        do throws(AuthenticationFailure) {
            _ = try await authenticator.caller(presenting: secret)
            return nil
        } catch {
            return error
        }
    }

    @Test func `secrets have 256 bits in the alphabet of URLs, and a known hash`() {
        let secrets = Set((0..<100).map { _ in AccessToken.newSecret() })
        #expect(secrets.count == 100)
        #expect(secrets.allSatisfy { $0.wholeMatch(of: /[A-Za-z0-9_-]{43}/) != nil })
        #expect(
            AccessToken.hash(ofSecret: "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }

    @Test func `a token is looked up once, known or not, while nothing changes`() async throws {
        let token = try await add("a")
        _ = try await authenticator.caller(presenting: "a")
        // Nothing is trusted before the revision was read.
        _ = try await authenticator.caller(presenting: "a")
        #expect(store.lookups == 2)
        try await authenticator.refresh()
        for _ in 0..<5 {
            #expect(try await authenticator.caller(presenting: "a") == token.caller)
            #expect(await failure("b")?.message == "Invalid token")
        }
        #expect(store.lookups == 4)
    }

    @Test func `a removed token is refused after the next look at the revision`() async throws {
        let token = try await add("a")
        _ = try await authenticator.caller(presenting: "a")
        try await authenticator.refresh()
        _ = try await authenticator.caller(presenting: "a")
        _ = try await store.remove(hash: token.hash)
        _ = try await authenticator.caller(presenting: "a")
        try await authenticator.refresh()
        #expect(await failure("a")?.message == "Invalid token")
    }

    @Test func `a store that is down does not make a token wrong, and what is known still works`() async throws {
        _ = try await add("a")
        _ = try await authenticator.caller(presenting: "a")
        try await authenticator.refresh()
        _ = try await authenticator.caller(presenting: "a")
        store.setDown(true)
        #expect(await failure("a") == nil)
        let failure = await failure("b")
        #expect(failure?.reason == .unavailable && failure?.message.contains("details") == false)
        #expect(failure?.subject == "token " + AccessToken.hash(ofSecret: "b").prefix(12))
    }

    @Test func `the last use is written once a minute`() async throws {
        let token = try await add("a")
        func used() async throws -> Timestamp? { try await store.token(hash: token.hash)?.lastUsedAt }
        _ = try await authenticator.caller(presenting: "a")
        try await authenticator.refresh()
        #expect(try await used() == Self.created)
        clock.advance(30)
        _ = try await authenticator.caller(presenting: "a")
        try await authenticator.refresh()
        #expect(try await used() == Self.created)
        clock.advance(30)
        _ = try await authenticator.caller(presenting: "a")
        try await authenticator.refresh()
        #expect(try await used() == Self.created.advanced(bySeconds: 60))
    }
}
