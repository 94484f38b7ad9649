import AgentMemory
import Logging
import RedisDriver
import Synchronization

/// Finds the index over the vectors of this process's embedding model.
final class EmbeddingSpaceSelection: Sendable {
    let registry: EmbeddingSpaceRegistry
    let space: EmbeddingSpace
    private let configuration: RedisMemoryDatabase.Configuration
    private let logger: Logger
    private let fills = Mutex(false)

    init(configuration: RedisMemoryDatabase.Configuration, space: EmbeddingSpace, logger: Logger) {
        registry = EmbeddingSpaceRegistry(indexName: configuration.indexName)
        self.space = space
        self.configuration = configuration
        self.logger = logger
    }

    /// From now on the model's vectors may be incomplete: this process completes them.
    func beginFilling() {
        fills.withLock { $0 = true }
    }

    /// The index that a server searches, or that `agent-memory reembed` fills.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` if the store holds vectors of other
    ///   models only.
    func plan(_ client: RedisClient) async throws -> IndexPlan {
        var emptied: [RecordedSpace] = []
        let contents = try await registry.update(client) { known in
            emptied = []
            guard let known else { return try await firstContents(client) }
            if let own = known.spaces.first(where: { $0.space == space }), own.isReady || fills.withLock(\.self) {
                return nil
            }
            if !fills.withLock(\.self), let own = known.spaces.usable(for: space) {
                logger.notice(
                    "the store has no record of the embedding model of its vectors; they are now recorded as those of the configured one",
                    metadata: ["embedding_model": "\(space)"])
                return known.replacing(own.number, by: space, isReady: true)
            }
            let isEmpty = try await isEmpty(known, client)
            guard isEmpty || fills.withLock(\.self) else { throw known.spaces.refusal(of: space) }
            emptied = isEmpty ? known.spaces : []
            let made = RecordedSpace(number: known.next, space: space, isReady: isEmpty)
            return EmbeddingSpaceRegistry.Contents(next: known.next + 1, spaces: (isEmpty ? [] : known.spaces) + [made])
        }
        guard let own = contents?.spaces.first(where: { $0.space == space }) else {
            // A space that another server has just recorded is checked again.
            return try await plan(client)
        }
        for other in emptied {
            do {
                try await dropIndexes(of: other.number, client)
            } catch let error as RedisError where error.code == .noPermission {
                // It covers no record, and this backend does not query it.
                logger.info("an index of another model is left in place", metadata: ["error": "\(error)"])
            }
        }
        return plan(of: own)
    }

    /// The index over the vectors of a space.
    func plan(of recorded: RecordedSpace) -> IndexPlan {
        IndexPlan(
            name: indexName(recorded.number),
            schema: IndexSchema(
                keyPrefix: configuration.keyPrefix + ":", dimensions: recorded.space.dimensions,
                metric: configuration.distanceMetric, algorithm: configuration.algorithm,
                vectorField: recorded.vectorField))
    }

    private func indexName(_ number: Int) -> String {
        number == 1 ? configuration.indexName : "\(configuration.indexName)_\(number)"
    }

    // MARK: Stores without a record

    /// The first recorded space: the vectors of an index that existed before, or the own model.
    private func firstContents(_ client: RedisClient) async throws -> EmbeddingSpaceRegistry.Contents {
        var first = space
        for name in IndexPlan.names(indexName(1)) {
            if let length = try await IndexState.inspect(name, client)?.dimensions {
                first = EmbeddingSpace(model: nil, dimensions: length)
                break
            }
        }
        return EmbeddingSpaceRegistry.Contents(next: 2, spaces: [RecordedSpace(number: 1, space: first, isReady: true)])
    }

    /// Whether there is no record at all, so that no vector can be lost.
    ///
    /// - Throws: ``MemoryError`` with code `storeUnavailable` while that is not known.
    private func isEmpty(_ known: EmbeddingSpaceRegistry.Contents, _ client: RedisClient) async throws -> Bool {
        guard let other = known.spaces.first(where: \.isReady) else { return false }
        let plan = plan(of: other)
        for name in IndexPlan.names(plan.name) {
            var info = try await IndexState.inspect(name, client)
            if info == nil {
                do {
                    try await client.send(plan.schema.creation(named: name))
                } catch let error as RedisError where error.saysIndexExists {
                    // Another server was faster.
                }
                info = try await IndexState.inspect(name, client)
            }
            // The index of another program, whose vectors are not checked.
            guard let info, try plan.schema.fitness(of: info) == .ours else { return false }
            guard !info.isScanning else {
                throw MemoryError(.storeUnavailable, "the Redis index \(name) is being built: try again later")
            }
            return info.records == 0
        }
        return false
    }

    // MARK: Removing

    /// Drops the indexes that this backend has made over the vectors of a space.
    ///
    /// - Returns: whether another program has an index over them.
    @discardableResult
    func dropIndexes(of number: Int, _ client: RedisClient) async throws -> Bool {
        var isForeign = false
        for name in IndexPlan.names(indexName(number)) {
            guard let info = try await IndexState.inspect(name, client) else { continue }
            if IndexSchema.isOwn(
                info, keyPrefix: configuration.keyPrefix + ":", vectorField: RecordedSpace.vectorField(number))
            {
                do {
                    try await client.send(RedisCommand("FT.DROPINDEX", name))
                } catch let error as RedisError where error.saysIndexIsMissing {
                    // Another process was faster.
                }
            } else {
                isForeign = true
            }
        }
        return isForeign
    }
}

extension EmbeddingSpaceRegistry.Contents {
    /// The same with the model and the state of one space changed.
    func replacing(_ number: Int, by space: EmbeddingSpace, isReady: Bool) -> Self {
        var copy = self
        copy.spaces = spaces.map { recorded in
            recorded.number == number ? RecordedSpace(number: number, space: space, isReady: isReady) : recorded
        }
        return copy
    }
}
