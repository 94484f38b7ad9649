/// A backend that can embed its records again with another model while servers with the old model
/// keep running.
///
/// The vectors of each model are stored apart. A write of a text makes the vector of the writer's
/// model and removes the record's vectors of other models. An outdated vector therefore becomes a
/// missing one, and these calls fill in what is missing. All calls are about the model of the
/// backend's own embedder; none of them needs ``Store/prepare()``. Several processes may run them
/// at the same time.
public protocol ReembeddableDatabase: MemoryVectorDatabase {
    /// Records the model as not ready, unless it is recorded already, and creates the place for its
    /// vectors.
    ///
    /// - Returns: all recorded models, this one included.
    func beginReembedding() async throws -> [RecordedSpace]

    /// The progress so far.
    func reembeddingProgress() async throws -> ReembeddingProgress

    /// Embeds records that lack a vector, and stores each vector if the record's text is still the
    /// one that was embedded.
    ///
    /// - Parameters:
    ///   - position: 0, or where the last step of the same pass ended.
    ///   - limit: how many records at most.
    func embedMissing(from position: Int, limit: Int) async throws -> ReembeddingStep

    /// Creates the vector index, or waits until it is complete; searches of other models continue
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
    /// Those that have one now; the others were changed at the same time.
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
/// It can be stopped at any time and started again: it makes only what is missing.
public struct Reembedding: Sendable {
    private let database: any ReembeddableDatabase
    private let batchSize: Int

    /// A run of the command on `database`, which embeds and writes `batchSize` texts at a time.
    public init(_ database: any ReembeddableDatabase, batchSize: Int) {
        self.database = database
        self.batchSize = batchSize
    }

    /// Progress of the run.
    public enum Event: Sendable {
        /// With all recorded models.
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
        // What was written while the index was created.
        try await embedAll(&progress, tell)
        try await database.finishReembedding()
        tell(.progress(try await database.reembeddingProgress()))
    }

    /// Removes the vectors of all other models, and then makes the vectors that are missing: texts
    /// that servers with those models stored last would not be found otherwise.
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

    /// Runs passes until nothing is missing. If servers keep writing, it stops after three passes
    /// that found hardly anything. Servers that start with the new model make the rest as part of
    /// their maintenance.
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
