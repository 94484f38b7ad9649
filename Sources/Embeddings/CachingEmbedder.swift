public import AgentMemory
import Synchronization

/// Keeps the vectors of recent texts and requests each text once, for all callers that want it at
/// the same time.
///
/// One cache belongs to one embedder, so that the text alone is the key. Callers that want the same
/// texts share a request; it is cancelled when the last of them is cancelled, and its failure is
/// the failure of all of them.
public final class CachingEmbedder: Embedder {
    public struct Statistics: Sendable, Equatable {
        /// Texts found in the cache.
        public var hits = 0
        /// Texts that were requested, by this caller or, shared, by another.
        public var misses = 0
        /// Of the misses, those that joined a running request.
        public var shared = 0
        /// Vectors in the cache now.
        public var entries = 0
        /// Bytes that they and their keys take, approximately.
        public var bytes = 0
    }

    /// A running request, or one whose result some callers have not fetched yet.
    private struct Flight {
        let keys: [TextKey]
        var task: Task<Void, Never>?
        /// Callers that have neither fetched the result nor given up.
        var interested = 1
        var waiters: [Int: CheckedContinuation<[TextKey: TextEncoding], any Error>] = [:]
        var result: Result<[TextKey: TextEncoding], any Error>?
    }

    private struct State {
        var cache: VectorCache
        var statistics = Statistics()
        var flights: [Int: Flight] = [:]
        /// Of running requests only.
        var flightOfKey: [TextKey: Int] = [:]
        var lastID = 0

        mutating func makeID() -> Int {
            lastID += 1
            return lastID
        }

        mutating func close(_ flight: Flight) {
            for key in flight.keys { flightOfKey[key] = nil }
        }
    }

    public var model: String { base.model }
    public var dimensions: Int { base.dimensions }
    private let base: any Embedder
    private let state: Mutex<State>

    /// - Parameters:
    ///   - maximumEntries: Default: 10,000 vectors.
    ///   - maximumBytes: Of vectors and keys. Default: 64 MiB.
    public init(_ base: any Embedder, maximumEntries: Int = 10_000, maximumBytes: Int = 64 << 20) {
        self.base = base
        state = Mutex(State(cache: VectorCache(maximumEntries: maximumEntries, maximumBytes: maximumBytes)))
    }

    /// Counts since the start.
    public var statistics: Statistics {
        state.withLock { state in
            var statistics = state.statistics
            statistics.entries = state.cache.count
            statistics.bytes = state.cache.bytes
            return statistics
        }
    }

    public func unavailability() async -> String? { await base.unavailability() }

    public var tokenModelTag: UInt32? { base.tokenModelTag }

    public func embed(_ texts: [String]) async throws -> [[Float]] {
        try await encode(texts).map(\.vector)
    }

    public func encode(_ texts: [String]) async throws -> [TextEncoding] {
        try Task.checkCancellation()
        let keys = texts.map(TextKey.init)
        var (found, flights) = board(keys, texts)
        // Results that were not fetched when an error ends the loop are abandoned.
        defer { for flight in flights { leave(flight) } }
        while let flight = flights.last {
            found.merge(try await result(of: flight)) { kept, _ in kept }
            flights.removeLast()
            leave(flight)
        }
        return try keys.map { key in
            guard let encoding = found[key] else {
                throw MemoryError(.internalError, "the embedding cache lost a vector")
            }
            return encoding
        }
    }

    /// The vectors that exist already, and the requests for the rest, one of them started here.
    private func board(_ keys: [TextKey], _ texts: [String]) -> (found: [TextKey: TextEncoding], flights: [Int]) {
        state.withLock { state in
            var found: [TextKey: TextEncoding] = [:]
            var flights: [Int] = []
            var seen: Set<TextKey> = []
            var missing: [(key: TextKey, text: String)] = []
            for (key, text) in zip(keys, texts) where seen.insert(key).inserted {
                if let encoding = state.cache.encoding(for: key) {
                    state.statistics.hits += 1
                    found[key] = encoding
                    continue
                }
                state.statistics.misses += 1
                guard let flight = state.flightOfKey[key] else {
                    missing.append((key, text))
                    continue
                }
                state.statistics.shared += 1
                if !flights.contains(flight) {
                    flights.append(flight)
                    state.flights[flight]?.interested += 1
                }
            }
            guard !missing.isEmpty else { return (found, flights) }
            let id = state.makeID()
            state.flights[id] = Flight(keys: missing.map(\.key))
            for (key, _) in missing { state.flightOfKey[key] = id }
            // Not a child of the caller's task: the caller may be cancelled while others wait for
            // the same texts.
            state.flights[id]?.task = Task { await fly(id, missing) }
            return (found, flights + [id])
        }
    }

    private func fly(_ id: Int, _ missing: [(key: TextKey, text: String)]) async {
        let result: Result<[TextKey: TextEncoding], any Error>
        do {
            let encodings = try await base.checkedEncodings(of: missing.map(\.text))
            result = .success(Dictionary(uniqueKeysWithValues: zip(missing.map(\.key), encodings)))
        } catch {
            result = .failure(error)
        }
        let waiters = state.withLock { state in
            if case .success(let encodings) = result {
                for (key, _) in missing {
                    if let encoding = encodings[key] { state.cache.insert(encoding, for: key) }
                }
            }
            // None if all callers have given up.
            guard var flight = state.flights[id] else {
                return [CheckedContinuation<[TextKey: TextEncoding], any Error>]()
            }
            state.close(flight)
            let waiters = Array(flight.waiters.values)
            flight.waiters = [:]
            flight.result = result
            flight.task = nil
            state.flights[id] = flight
            return waiters
        }
        for waiter in waiters { waiter.resume(with: result) }
    }

    /// Waits for the request; the caller's cancellation ends the waiting, not the request.
    private func result(of flight: Int) async throws -> [TextKey: TextEncoding] {
        let waiter = state.withLock { $0.makeID() }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let known: Result<[TextKey: TextEncoding], any Error>? = state.withLock { state in
                    if let result = state.flights[flight]?.result { return result }
                    // The handler may have run before there was anything to cancel.
                    if Task.isCancelled { return .failure(CancellationError()) }
                    state.flights[flight]?.waiters[waiter] = continuation
                    return nil
                }
                if let known { continuation.resume(with: known) }
            }
        } onCancel: {
            let continuation = state.withLock { $0.flights[flight]?.waiters.removeValue(forKey: waiter) }
            continuation?.resume(throwing: CancellationError())
        }
    }

    /// Leaves a request; the last caller to leave ends it.
    private func leave(_ id: Int) {
        let task: Task<Void, Never>? = state.withLock { state in
            guard var flight = state.flights[id] else { return nil }
            flight.interested -= 1
            if flight.interested > 0 {
                state.flights[id] = flight
                return nil
            }
            if flight.result == nil { state.close(flight) }
            state.flights[id] = nil
            return flight.task
        }
        task?.cancel()
    }
}
