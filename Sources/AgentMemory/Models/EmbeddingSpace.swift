/// What vectors must share to be comparable: the model that made them, and their length.
public struct EmbeddingSpace: Sendable, Hashable, CustomStringConvertible {
    /// As the settings spell it; `nil` for vectors that were stored before models were put on
    /// record.
    public let model: String?
    /// The length of every vector.
    public let dimensions: Int

    public init(model: String?, dimensions: Int) {
        self.model = model
        self.dimensions = dimensions
    }

    public init(of embedder: any Embedder) {
        self.init(model: embedder.model, dimensions: embedder.dimensions)
    }

    /// Such as `local/hashing-64 (64 dimensions)`.
    public var description: String {
        "\(model ?? "a model that is not recorded") (\(dimensions) dimensions)"
    }
}

/// A space as a store has it on record.
public struct RecordedSpace: Sendable, Equatable {
    /// 1 for the first space of a store. A number is never used twice, so that a server that knows
    /// an old space cannot write into a new one.
    public let number: Int
    public let space: EmbeddingSpace
    /// Whether servers may search in it: `false` until `agent-memory reembed` has filled it.
    public let isReady: Bool

    public init(number: Int, space: EmbeddingSpace, isReady: Bool) {
        self.number = number
        self.space = space
        self.isReady = isReady
    }
}

extension Sequence where Element == RecordedSpace {
    /// The space that a server with this model searches and writes; `nil` if there is none yet.
    ///
    /// Vectors without a recorded model count as the server's own if their length fits, because
    /// nothing more is known about them.
    public func usable(for space: EmbeddingSpace) -> RecordedSpace? {
        if let own = first(where: { $0.space == space }) { return own.isReady ? own : nil }
        return first { $0.isReady && $0.space.model == nil && $0.space.dimensions == space.dimensions }
    }

    /// Why a server with this model must not start on the store, and what to do about it.
    public func refusal(of space: EmbeddingSpace) -> MemoryError {
        if contains(where: { $0.space == space && !$0.isReady }) {
            return MemoryError(
                .misconfigured,
                """
                the store does not have all vectors of the embedding model \(space) yet: `agent-memory reembed` is at work or was \
                interrupted; run it (again) with this model, it goes on where it stopped
                """, setting: .embeddingModel)
        }
        let stored = filter(\.isReady).map { "\($0.space)" }.joined(separator: " and ")
        return MemoryError(
            .misconfigured,
            """
            the store holds vectors of the embedding model \(stored), and the server is set to \(space), to which they mean nothing: \
            set the embedding model back, or run `agent-memory reembed` with the new one first \
            (servers with the old one may go on meanwhile)
            """, setting: .embeddingModel)
    }
}
