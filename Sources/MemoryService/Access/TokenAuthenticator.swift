public import AgentMemory
public import Logging
public import ServiceLifecycle
import Synchronization

/// Recognises access tokens by their hash.
///
/// Remembers what the store said, also of tokens that it does not know, so that a request costs a
/// hash and a look-up in memory. ``run()`` asks once a second for the store's revision, and forgets
/// everything once that has changed; where the last answer is too old, each request asks the store.
/// A token that is removed is therefore refused everywhere within ``trust`` at most.
public final class TokenAuthenticator: Authenticator, Service {
    /// How often the revision of the store is read.
    static let interval: Duration = .seconds(1)
    /// How long what is remembered holds after the revision was last read.
    static let trust: Duration = .seconds(4)
    /// How long anything is remembered at most.
    static let longest: Duration = .seconds(60)
    /// Tokens that are remembered at most, known or not.
    static let capacity = 50_000
    /// Microseconds between two notes of a token's use.
    private static let useInterval: Int64 = 60_000_000

    private let store: any TokenStore
    private let logger: Logger
    private let now: @Sendable () -> Timestamp
    private let state = Mutex(State())

    private struct State {
        var remembered: [String: Remembered] = [:]
        /// Counts how often everything was forgotten: what was read before is not remembered after.
        var epoch = 0
        var revision: Int?
        var trustedUntil = ContinuousClock.now
        /// Whether anything was asked since the revision was last read.
        var isInUse = false
        var uses: [String: Timestamp] = [:]
    }

    private struct Remembered {
        let token: AccessToken?
        let readAt: ContinuousClock.Instant
        var notedAt: Timestamp?
    }

    /// - Parameter now: the clock that expiry is measured against.
    public init(store: any TokenStore, logger: Logger, now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }) {
        self.store = store
        self.logger = logger
        self.now = now
    }

    public func caller(presenting secret: String) async throws(AuthenticationFailure) -> Caller {
        let hash = AccessToken.hash(ofSecret: secret)
        guard let token = try await token(hash) else {
            throw AuthenticationFailure(.refused, "Invalid token", subject: AccessToken.subject(ofHash: hash))
        }
        let now = now()
        guard !token.hasExpired(at: now) else {
            throw AuthenticationFailure(.refused, "Token has expired", subject: token.caller.subject)
        }
        noteUse(hash, at: now)
        return token.caller
    }

    private func token(_ hash: String) async throws(AuthenticationFailure) -> AccessToken? {
        let start = ContinuousClock.now
        let (known, epoch) = state.withLock { state -> (Remembered?, Int) in
            state.isInUse = true
            guard start < state.trustedUntil, let known = state.remembered[hash], start < known.readAt + Self.longest
            else { return (nil, state.epoch) }
            return (known, state.epoch)
        }
        if let known { return known.token }
        let token: AccessToken?
        do {
            token = try await store.token(hash: hash)
        } catch {
            throw AuthenticationFailure(
                .unavailable, "tokens cannot be checked now: \((error as? MemoryError)?.message ?? "the store failed")",
                subject: AccessToken.subject(ofHash: hash), underlying: "\(error)")
        }
        state.withLock { state in
            guard state.epoch == epoch else { return }
            if state.remembered.count >= Self.capacity { state.remembered.removeAll(keepingCapacity: true) }
            state.remembered[hash] = Remembered(token: token, readAt: start, notedAt: token?.lastUsedAt)
        }
        return token
    }

    private func noteUse(_ hash: String, at now: Timestamp) {
        state.withLock { state in
            guard state.uses[hash] == nil,
                state.remembered[hash]?.notedAt.map({ now.microseconds - $0.microseconds >= Self.useInterval }) ?? true
            else { return }
            state.remembered[hash]?.notedAt = now
            state.uses[hash] = now
        }
    }

    /// Follows the store's revision, and writes down when tokens were used, until the server shuts
    /// down.
    public func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            var saysFailure = true
            while !Task.isCancelled {
                do {
                    try await refresh()
                    saysFailure = true
                } catch is CancellationError {
                    break
                } catch {
                    if saysFailure { logger.warning("access tokens cannot be read", metadata: ["error": "\(error)"]) }
                    saysFailure = false
                }
                try? await Task.sleep(for: Self.interval)
            }
        }
    }

    /// One turn of ``run()``.
    func refresh() async throws {
        let (isInUse, uses) = state.withLock { state in
            defer {
                state.isInUse = false
                state.uses = [:]
            }
            return (state.isInUse, state.uses)
        }
        if isInUse {
            let start = ContinuousClock.now
            let revision = try await store.revision()
            state.withLock { state in
                if state.revision != revision {
                    state.remembered = [:]
                    state.epoch += 1
                    state.revision = revision
                }
                state.trustedUntil = start + Self.trust
            }
        }
        // What cannot be written is dropped: it is a statistic.
        if !uses.isEmpty { try await store.noteUse(uses) }
    }
}
