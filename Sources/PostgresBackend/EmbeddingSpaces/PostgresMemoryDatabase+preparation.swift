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
            let registry = EmbeddingSpaceRegistry(space: EmbeddingSpace(of: embedder), logger: logger)
            let permitsCodes = space.permitsCodes
            let (own, isCoded) = try await session.withLock(.vectorSpaces) { connection in
                let own = try await registry.settle(on: connection)
                guard permitsCodes else { return (own, false) }
                let codes = VectorCodes(vectors: own.table)
                return (own, try await codes.ensure(on: connection, logger: logger))
            }
            settle(on: own.table, isCoded: isCoded)
            let index = VectorIndex(space: space, logger: logger)
            try await session.withLock(.vectorIndex(of: own.table)) { connection in
                try await index.ensure(on: connection)
            }
            if let advice = try await memoryAdvice() {
                logger.warning("the Postgres server could use more memory", metadata: ["advice": "\(advice)"])
            }
        }
    }
}
