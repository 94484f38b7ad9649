import AgentMemory
import PostgresDriver
import Synchronization

/// Vectors that wait outside of the HNSW index, so that a write does not wait for it.
extension PostgresMemoryDatabase {
    /// Vectors that one transaction moves; they are locked meanwhile.
    private static let movedAtOnce = 32

    /// How many vectors may wait: searches measure all of them.
    var unindexedLimit: Int { unindexedBytes / (4 * max(1, space.dimensions)) }

    /// Where the next vectors are stored. If too many wait, each writer inserts its own into the
    /// index, so that no more come than can be moved.
    var vectorPlace: VectorPlace {
        let space = space
        return VectorPlace(
            table: space.table, hasUnindexed: space.hasUnindexed,
            waits: space.hasUnindexed && space.algorithm == .hnsw
                && unindexed.load(ordering: .relaxed) < unindexedLimit, key: space.key)
    }

    /// Notes that vectors were stored at `place`.
    func noteStored(_ count: Int, at place: VectorPlace) {
        if count > 0 { hasWritten.store(true, ordering: .relaxed) }
        if place.waits { unindexed.add(count, ordering: .relaxed) }
    }

    /// Searches both parts as soon as the owner of the schema has made it possible for servers to
    /// let vectors wait.
    func findUnindexedColumn() async throws {
        let space = space
        guard !space.hasUnindexed, layout == nil else { return }
        let exists = try await database.query(
            UnindexedVectors(vectors: space.table).state, retry: .repeatable, deadline: database.deadline
        ).singleRow().bool(0)
        guard exists else { return }
        var both = space
        both.hasUnindexed = true
        settle(on: both)
    }

    /// Moves the vectors that wait into the index.
    func indexWaiting() async throws {
        let space = space
        guard space.hasUnindexed, space.algorithm == .hnsw else { return }
        // The writes of this server are known; those of others are looked for now and then.
        guard unindexed.load(ordering: .relaxed) > 0 || nextLook.withLock({ $0 <= .now }) else { return }
        nextLook.withLock { $0 = .now + .seconds(5) }
        let vectors = UnindexedVectors(vectors: space.table)
        let limit = unindexedLimit
        var waiting = try await database.query(
            vectors.count(limit: limit.adding(1)), retry: .repeatable, deadline: database.deadline
        ).singleRow().int(0)
        unindexed.store(waiting, ordering: .relaxed)
        while waiting > 0 {
            let start = ContinuousClock.now
            let results = try await database.pipeline(
                vectors.move(limit: Self.movedAtOnce) + [vectors.count(limit: limit.adding(1))], retry: .repeatable,
                deadline: database.deadline, perStatement: database.configuration.timeout)
            waiting = try results[2].singleRow().int(0)
            unindexed.store(waiting, ordering: .relaxed)
            // Another server moves them, or writers hold all that is left.
            guard results[1].affectedRows > 0 else { return }
            // Writers and searches come first as long as the scan of what waits is short.
            if waiting < limit / 2 { try await Task.sleep(for: ContinuousClock.now - start) }
        }
    }
}
