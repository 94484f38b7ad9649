import AgentMemory
import HTTPClient
import JWTKit
import Logging

/// The public keys of an issuer (RFC 7517), by their ids.
///
/// Nothing is fetched before a token needs it. A key that is known is used without waiting; from
/// ``lifetime`` on, the set is fetched again meanwhile. A key that is not known makes the set be
/// fetched again, once a minute at most; only who needs that key waits. While the issuer does not
/// answer, the keys stay.
actor KeySet {
    /// Why there is no key.
    enum Failure: Error, Equatable {
        case unknownKey
        /// No set was ever fetched, with the reason.
        case unavailable(String)
    }

    /// A key with each of the accepted algorithms that it can be used with.
    struct Key: Sendable {
        fileprivate let algorithms: [String: any JWTAlgorithm]

        /// Whether the signature is that of the key, by the algorithm that the token names.
        func verifies(_ token: SignedToken) -> Bool {
            guard let algorithm = algorithms[token.algorithm] else { return false }
            return (try? algorithm.verify(token.signature, signs: token.signed)) ?? false
        }
    }

    static let lifetime: Duration = .seconds(3600)
    static let interval: Duration = .seconds(60)
    /// After a set could not be fetched.
    static let retryInterval: Duration = .seconds(5)

    private let url: String
    private let shownURL: String
    private let algorithms: [String]
    private let client: HTTPClient
    private let timeout: Duration
    private let logger: Logger
    private let clock: @Sendable () -> ContinuousClock.Instant
    private var keys: [ExactString: Key]?
    private var fetchedAt: ContinuousClock.Instant?
    private var attemptedAt: ContinuousClock.Instant?
    private var failure: String?
    private var fetch: Task<Void, Never>?

    /// - Parameters:
    ///   - shownURL: the URL without its secrets, for the log; `nil` if it has none.
    ///   - timeout: how long one fetch may take.
    init(
        url: String, shownAs shownURL: String? = nil, algorithms: [String], client: HTTPClient, logger: Logger,
        timeout: Duration = .seconds(10),
        clock: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.url = url
        self.shownURL = shownURL ?? url
        self.algorithms = algorithms
        self.client = client
        self.timeout = timeout
        self.logger = logger
        self.clock = clock
    }

    func key(_ id: String) async throws(Failure) -> Key {
        if let known = keys?[ExactString(id)] {
            if let fetchedAt, clock() >= fetchedAt + Self.lifetime { startFetch() }
            return known
        }
        startFetch()
        await fetch?.value
        guard let keys else { throw .unavailable(failure ?? "it has not been fetched") }
        guard let key = keys[ExactString(id)] else { throw .unknownKey }
        return key
    }

    /// Unless one runs, or has run just now.
    private func startFetch() {
        guard fetch == nil else { return }
        let pause = failure == nil ? Self.interval : Self.retryInterval
        if let attemptedAt, clock() < attemptedAt + pause { return }
        attemptedAt = clock()
        fetch = Task { await self.load() }
    }

    private func load() async {
        do throws(HTTPClientError) {
            let response = try await client.send(HTTPClient.Request(method: .get, url: url, timeout: timeout))
            guard response.status == 200 else { throw HTTPClientError(.other, "status \(response.status)") }
            guard let set = (try? JSONValue(parsing: response.body))?["keys"]?.arrayValue else {
                throw HTTPClientError(.other, "the answer is not a set of keys")
            }
            keys = await Self.keys(of: set, for: algorithms)
            fetchedAt = clock()
            failure = nil
        } catch {
            failure = error.message
            logger.warning(
                "the keys of the issuer cannot be fetched", metadata: ["url": "\(shownURL)", "error": "\(error)"])
        }
        fetch = nil
    }

    /// Those that this server can use: keys of other kinds, or for encryption, are left out.
    private static func keys(of set: [JSONValue], for algorithms: [String]) async -> [ExactString: Key] {
        var keys: [ExactString: Key] = [:]
        for value in set where value["use"]?.stringValue.map({ $0 == "sig" }) ?? true {
            guard let id = value["kid"]?.stringValue, var key = try? JWK(json: value.jsonText) else { continue }
            let own = key.algorithm?.rawValue
            var usable: [String: any JWTAlgorithm] = [:]
            for name in algorithms where own == nil || own == name {
                key.algorithm = JWK.Algorithm(rawValue: name)
                let collection = JWTKeyCollection()
                guard (try? await collection.add(jwk: key)) != nil else { continue }
                usable[name] = try? await collection.getKey(alg: name)
            }
            if !usable.isEmpty { keys[ExactString(id)] = Key(algorithms: usable) }
        }
        return keys
    }
}
