/// A backend that can make the vectors of its records anew with another embedding model while
/// servers with the old one go on.
///
/// The vectors of each model lie apart. A write of a text makes the vector of the writer's model
/// and removes the record's vectors of other models, so that what is out of date is missing, and
/// what is missing is made here. All calls are about the model of the backend's own embedder; none
/// of them needs ``MemoryVectorDatabase/prepare()``. Several processes may do the same at once.
public protocol ReembeddableDatabase: MemoryVectorDatabase {
    /// Puts the model on record, not ready, unless it is there already, and makes a place for its
    /// vectors.
    ///
    /// - Returns: all models on record, this one among them.
    func beginReembedding() async throws -> [RecordedSpace]

    /// How far the work is.
    func reembeddingProgress() async throws -> ReembeddingProgress

    /// Embeds records that lack a vector, and stores each vector if the record's text is still the
    /// one that was embedded.
    ///
    /// - Parameters:
    ///   - position: 0, or where the last step of the same pass ended.
    ///   - limit: how many records at most.
    func embedMissing(from position: Int, limit: Int) async throws -> ReembeddingStep

    /// Makes the vector index, or waits until it is complete; searches of other models go on
    /// meanwhile.
    func indexReembedded() async throws

    /// Lets servers with the model use it.
    func finishReembedding() async throws

    /// Removes the vectors and indexes of all other models. Servers that still use them are refused
    /// by the store from then on.
    ///
    /// - Returns: the models whose vectors were removed.
    /// - Throws: ``MemoryError`` with code `misconfigured` if the model is not on record as ready.
    func dropOtherSpaces() async throws -> [EmbeddingSpace]
}

/// How many records have a vector of the new model.
public struct ReembeddingProgress: Sendable, Equatable {
    public var done: Int
    /// How many records there are.
    public var total: Int

    public init(done: Int, total: Int) {
        self.done = done
        self.total = total
    }
}

/// What one call of ``ReembeddableDatabase/embedMissing(from:limit:)`` did.
public struct ReembeddingStep: Sendable, Equatable {
    /// Records without a vector that were looked at.
    public let found: Int
    /// Those that have one now; the others were changed at the same moment.
    public let embedded: Int
    /// Where the next step of the pass begins.
    public let position: Int
    /// Whether the pass has ended with this step.
    public let isLast: Bool

    public init(found: Int, embedded: Int, position: Int, isLast: Bool) {
        self.found = found
        self.embedded = embedded
        self.position = position
        self.isLast = isLast
    }
}

/// The whole of `agent-memory reembed`: from a model that the store does not know to one that
/// servers can use.
///
/// It can be ended at any moment, and begun again: only what is missing is made.
public struct Reembedding: Sendable {
    private let database: any ReembeddableDatabase
    private let batchSize: Int

    /// - Parameter batchSize: texts that are embedded and written together.
    public init(_ database: any ReembeddableDatabase, batchSize: Int) {
        self.database = database
        self.batchSize = batchSize
    }

    /// What is told while it runs.
    public enum Event: Sendable {
        /// With all models that are on record.
        case began([RecordedSpace])
        case progress(ReembeddingProgress)
        case indexing
    }

    /// - Throws: ``MemoryError``; `CancellationError` between two batches.
    public func run(_ tell: @Sendable (Event) -> Void) async throws {
        tell(.began(try await database.beginReembedding()))
        var progress = try await database.reembeddingProgress()
        tell(.progress(progress))
        try await embedAll(&progress, tell)
        tell(.indexing)
        try await database.indexReembedded()
        // What was written while the index was made.
        try await embedAll(&progress, tell)
        try await database.finishReembedding()
        tell(.progress(try await database.reembeddingProgress()))
    }

    /// Removes what all other models have, and makes the vectors that are missing then: what their
    /// servers stored last, nobody else would find.
    ///
    /// - Returns: the models whose vectors were removed.
    /// - Throws: as ``ReembeddableDatabase/dropOtherSpaces()``; ``MemoryError``;
    ///   `CancellationError`.
    public func dropOthers() async throws -> [EmbeddingSpace] {
        let dropped = try await database.dropOtherSpaces()
        var progress = ReembeddingProgress(done: 0, total: 0)
        try await embedAll(&progress) { _ in }
        return dropped
    }

    /// Until nothing is missing; where servers go on writing, until three passes have found hardly
    /// anything. The rest is made by the upkeep of the servers that start with the new model.
    private func embedAll(_ progress: inout ReembeddingProgress, _ tell: (Event) -> Void) async throws {
        var shortPasses = 0
        while shortPasses < 3 {
            let before = progress.done
            let found = try await database.embedMissing(batchSize: batchSize) { step in
                progress.done += step.embedded
                progress.total = max(progress.total, progress.done)
                tell(.progress(progress))
            }
            if found == 0 { return }
            shortPasses = found <= batchSize || progress.done == before ? shortPasses + 1 : 0
        }
    }
}

extension ReembeddableDatabase {
    /// One pass over the records that lack a vector.
    ///
    /// - Returns: how many there were.
    @discardableResult
    public func embedMissing(batchSize: Int, _ tell: (ReembeddingStep) -> Void = { _ in }) async throws -> Int {
        var found = 0
        var position = 0
        while true {
            try Task.checkCancellation()
            let step = try await embedMissing(from: position, limit: batchSize)
            found += step.found
            position = step.position
            if step.found > 0 { tell(step) }
            if step.isLast { return found }
        }
    }
}
