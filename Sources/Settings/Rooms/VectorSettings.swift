public import AgentMemory

/// The vector index, in both stores.
public struct VectorSettings: SettingsRoom {
    public static let title = "Vectors"

    public enum Algorithm: Sendable { case hnsw, flat }

    public let metric = Setting<DistanceMetric>.choice(
        "REDISVL_DISTANCE_METRIC", ["COSINE": .cosine, "L2": .l2, "IP": .innerProduct], default: .cosine,
        "The distance of vectors, in every store.")
    public let algorithm = Setting<Algorithm>.choice(
        "REDISVL_INDEXING_ALGORITHM", ["HNSW": .hnsw, "FLAT": .flat], default: .hnsw,
        "The kind of index, in Redis and Postgres.")
    public let dimensions = Setting<Int?>.int(
        "REDISVL_VECTOR_DIMENSIONS", in: 1...32_768, defaultInWords: "the model's",
        "The length of vectors; needed for an unknown model.")
}
