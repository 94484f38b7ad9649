import AgentMemory
import Logging
import RedisDriver
import Synchronization

/// Finds the index to query, creates it if it is missing, and holds queries back while it is being
/// built.
///
/// Its knowledge ends with every new connection, because the server behind it may have restarted,
/// also empty.
final class IndexState: Sendable {
    private struct State {
        /// Increases with every new connection and whenever the index turned out to be missing.
        var epoch = 0
        /// The epoch in which the index was last seen, and its name.
        var seen: (epoch: Int, found: Found)?
        var settings = EngineSettings()
        var search: Task<Found, any Error>?
    }

    private struct Found: Sendable {
        let name: String
        let isComplete: Bool
        let algorithm: RedisMemoryDatabase.Configuration.Algorithm?
        let vectorField: String
        let findsMissingVectors: Bool
    }

    /// An index that can be queried now.
    struct Ready: Sendable {
        let name: String
        /// How its vectors are searched; `nil` if it has none.
        let algorithm: RedisMemoryDatabase.Configuration.Algorithm?
        /// The hash field of its vectors.
        let vectorField: String
        /// Whether it supports queries for records without a vector.
        let findsMissingVectors: Bool
        let epoch: Int
        let settings: EngineSettings
    }

    private let state = Mutex(State())
    private let plan: @Sendable (RedisClient) async throws -> IndexPlan
    private let patience: Duration
    private let limit: Duration
    private let logger: Logger

    /// - Parameters:
    ///   - plan: returns the index to use, at each look-up.
    ///   - patience: how long a call waits for an index that is being built before it is refused.
    ///   - limit: how long one look-up may take.
    init(
        patience: Duration, limit: Duration, logger: Logger,
        plan: @escaping @Sendable (RedisClient) async throws -> IndexPlan
    ) {
        self.plan = plan
        self.patience = patience
        self.limit = limit
        self.logger = logger
    }

    /// Called for a new connection: everything known must be checked again.
    func connected(_ settings: EngineSettings) {
        state.withLock { state in
            state.epoch += 1
            state.settings = settings
        }
    }

    /// Sets the engine's settings again, and reads the values in force.
    ///
    /// - Throws: ``RedisError``.
    func renewSettings(_ client: RedisClient) async throws {
        let settings = EngineSettings(replies: try await client.pipeline(EngineSettings.commands))
        state.withLock { $0.settings = settings }
    }

    /// The requests that the engine's settings make impossible; `nil` if there are none, or before
    /// the first connection.
    var shortcoming: String? {
        state.withLock { $0.epoch == 0 ? nil : $0.settings.shortcoming }
    }

    /// Called if a query found no index.
    func lost(_ ready: Ready) {
        state.withLock { state in
            if state.epoch == ready.epoch { state.epoch += 1 }
        }
    }

    /// Whether a suitable index was ever found.
    var hasFoundIndex: Bool {
        state.withLock { $0.seen != nil }
    }

    /// Whether the knowledge about this index is still valid: there was no new connection since.
    func stands(_ ready: Ready) -> Bool {
        state.withLock { $0.epoch == ready.epoch }
    }

    /// The index, complete.
    ///
    /// - Parameter patience: how long to wait for an index that is being built; `nil` is the usual
    ///   time.
    /// - Throws: ``MemoryError`` `storeUnavailable` while it is being built, `misconfigured` if it
    ///   does not fit; ``RedisError``.
    func ready(_ client: RedisClient, patience: Duration? = nil) async throws -> Ready {
        let start = ContinuousClock.now
        while true {
            do {
                return try await ready(client, complete: true)
            } catch let error as MemoryError where error.code == .storeUnavailable {
                guard let patience, ContinuousClock.now - start < patience else { throw error }
            }
        }
    }

    /// The index, which may still be scanning older hashes: enough for writes.
    func existing(_ client: RedisClient) async throws -> Ready {
        try await ready(client, complete: false)
    }

    private func ready(_ client: RedisClient, complete: Bool) async throws -> Ready {
        // More rounds than connections can be made at once.
        for _ in 0..<32 {
            let known = state.withLock { state -> Ready? in
                guard let (epoch, found) = state.seen, epoch == state.epoch, found.isComplete || !complete else {
                    return nil
                }
                return Ready(
                    name: found.name, algorithm: found.algorithm, vectorField: found.vectorField,
                    findsMissingVectors: found.findsMissingVectors, epoch: state.epoch, settings: state.settings)
            }
            if let known { return known }
            let found = try await look(client)
            if complete, !found.isComplete {
                throw MemoryError(.storeUnavailable, "the Redis index \(found.name) is being built: try again later")
            }
        }
        throw MemoryError(.storeUnavailable, "the connections to Redis break repeatedly")
    }

    /// Looks for the index; concurrent calls share the result. The look-up has a deadline of its
    /// own, and each caller stops waiting at that of its call, or when it is cancelled.
    private func look(_ client: RedisClient) async throws -> Found {
        let task = state.withLock { state -> Task<Found, any Error> in
            if let search = state.search { return search }
            let search = Task {
                defer { self.state.withLock { $0.search = nil } }
                return try await RedisClient.$deadline.withValue(.now + self.limit) { try await self.find(client) }
            }
            state.search = search
            return search
        }
        let (answers, answer) = AsyncStream<Result<Found, any Error>>.makeStream()
        Task {
            answer.yield(await task.result)
            answer.finish()
        }
        let timer = RedisClient.deadline.map { deadline in
            Task {
                try await Task.sleep(until: deadline, clock: .continuous)
                answer.yield(.failure(RedisError(.timedOut, "the Redis server did not respond in time")))
            }
        }
        defer { timer?.cancel() }
        for await first in answers { return try first.get() }
        throw CancellationError()
    }

    private func find(_ client: RedisClient) async throws -> Found {
        let start = ContinuousClock.now
        while true {
            let epoch = state.withLock { $0.epoch }
            let plan = try await plan(client)
            let info = try await findOrCreate(plan, client)
            let found = Found(
                name: info.name, isComplete: !info.isScanning, algorithm: info.algorithm,
                vectorField: (plan.schema as? IndexSchema)?.vectorField ?? RecordHash.vector,
                findsMissingVectors: info.findsMissingVectors)
            state.withLock { state in
                // A connection that was made meanwhile may lead to another server.
                if state.epoch == epoch { state.seen = (epoch, found) }
            }
            guard !found.isComplete, ContinuousClock.now - start < patience else { return found }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// The index under the planned name if it belongs to this backend or there is none, else one
    /// next to it.
    private func findOrCreate(_ plan: IndexPlan, _ client: RedisClient) async throws -> IndexInfo {
        let candidates = IndexPlan.names(plan.name)
        for candidate in candidates {
            let info = try await inspectOrCreate(candidate, plan.schema, client)
            switch try plan.schema.fitness(of: info) {
            case .ours:
                for addition in plan.schema.additions(to: info) {
                    do {
                        try await client.send(addition)
                    } catch let error as RedisError where error.saysFieldExists {
                        // Another server was faster.
                    }
                }
                return info
            case .foreign:
                logger.info("leaving a foreign Redis index alone", metadata: ["index": "\(candidate)"])
            }
        }
        throw MemoryError(
            .misconfigured,
            "the Redis indexes \(candidates.joined(separator: " and ")) both belong to another program: choose another index name"
        )
    }

    private func inspectOrCreate(
        _ name: String, _ schema: any SearchIndex, _ client: RedisClient
    ) async throws -> IndexInfo {
        if let info = try await Self.inspect(name, client) { return info }
        do {
            try await client.send(schema.creation(named: name))
            logger.info("created a Redis index", metadata: ["index": "\(name)"])
        } catch let error as RedisError where error.saysIndexExists {
            // Another server was faster: its index is the same.
        }
        guard let info = try await Self.inspect(name, client) else {
            throw MemoryError(.storeUnavailable, "the Redis index \(name) disappears repeatedly")
        }
        return info
    }

    /// `nil` if there is no such index.
    static func inspect(_ name: String, _ client: RedisClient) async throws -> IndexInfo? {
        do {
            let reply = try await client.send(RedisCommand("FT.INFO", name), isRead: true)
            guard let info = IndexInfo(name: name, reply: reply) else {
                throw MemoryError(.internalError, "FT.INFO returned something unknown")
            }
            return info
        } catch let error as RedisError where error.saysIndexIsMissing {
            return nil
        }
    }

    /// The state of the index, for a readiness response.
    func unavailability(_ client: RedisClient) async throws -> String? {
        let ready = try await existing(client)
        guard let info = try await Self.inspect(ready.name, client) else {
            lost(ready)
            return "the Redis index \(ready.name) is missing"
        }
        guard info.isScanning else { return nil }
        return "the Redis index \(ready.name) is being built: \(Int(info.progress * 100)) % done"
    }
}
