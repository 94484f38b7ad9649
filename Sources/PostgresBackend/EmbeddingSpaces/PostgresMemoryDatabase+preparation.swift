import AgentMemory
import Logging
import PostgresDriver

extension PostgresMemoryDatabase {
    public func prepare() async throws {
        try await preparation.perform(evenIfDone: true) { try await prepareNow(evenIfDone: true) }
    }

    /// - Parameter evenIfDone: whether to check the tables again after they were created.
    func prepareNow(evenIfDone: Bool) async throws {
        try await database.prepare(evenIfDone: evenIfDone)
        try await mappingPreparation(hasSucceeded: preparation.hasSucceeded) {
            let session = database.session
            let registry = EmbeddingSpaceRegistry(
                space: EmbeddingSpace(of: embedder), layout: layout, logger: logger)
            let permitsCodes = space.permitsCodes && layout == nil
            let (own, isCoded) = try await session.withLock(.vectorSpaces) { connection in
                let own = try await registry.settle(on: connection)
                var isCoded = false
                if permitsCodes {
                    isCoded = try await VectorCodes(vectors: own.table).ensure(on: connection, logger: logger)
                }
                try await database.settleRowSecurity(on: connection)
                return (own, isCoded)
            }
            var settled = space
            (settled.table, settled.isCoded) = (own.table, isCoded)
            let unindexed = UnindexedVectors(vectors: own.table)
            settled = try await session.withLock(.vectorIndex(of: own.table)) { [settled] connection in
                var settled = settled
                if layout == nil {
                    settled.hasUnindexed = try await unindexed.ensure(
                        on: connection, creates: settled.algorithm == .hnsw, logger: logger)
                }
                try await VectorIndex(space: settled, logger: logger).ensure(on: connection)
                return settled
            }
            settle(on: settled)
            let indexes = MemoryIndexes(logger: logger)
            if try await session.withConnection({ try await !indexes.missing(on: $0).isEmpty }) {
                try await session.withLock(.memoryIndexes) { try await indexes.ensure(on: $0) }
            }
            if let advice = try await memoryAdvice() {
                logger.warning("the Postgres server could use more memory", metadata: ["advice": "\(advice)"])
            }
        }
    }
}
