import AgentMemory
import PostgresDriver

/// How vectors are compared and indexed: all SQL that depends on dimensions, metric and algorithm.
struct VectorSpace: Sendable, Equatable {
    /// The kind of vector index.
    enum Algorithm: String, Sendable {
        case hnsw, flat
    }

    let dimensions: Int
    let metric: DistanceMetric
    let algorithm: Algorithm
    /// The table of the vectors.
    var table = "memory_embeddings"
    /// The column that this table shares with `memories`.
    var key = "number"
    /// Whether the table of codes exists and may be read.
    var isCoded = false
    /// Whether vectors may wait outside of the HNSW index, in a column of their own.
    var hasUnindexed = false

    /// The vector of the alias `e`.
    var storedVector: String { hasUnindexed ? "coalesce(e.embedding, e.\(UnindexedVectors.column))" : "e.embedding" }

    /// Whether the vectors have codes, which are near each other where the angle is small. Below
    /// 256 dimensions too many of them must be measured exactly; above 2,000 an entry of the index
    /// has no room for one with the longest id, user and namespace.
    var permitsCodes: Bool { algorithm == .hnsw && metric == .cosine && (256...2000).contains(dimensions) }

    /// pgvector's limit for an index on `vector`; above it the index holds half-precision values.
    static let maximumFullPrecision = 2000
    /// pgvector's limit for an index on `halfvec`.
    static let maximumIndexed = 4000
    /// pgvector's limit for a `vector`.
    static let maximumStored = 16_000

    private var usesHalfPrecision: Bool { dimensions > Self.maximumFullPrecision }

    private var indexedType: String { usesHalfPrecision ? "halfvec(\(dimensions))" : "vector(\(dimensions))" }

    private var operatorSymbol: String {
        switch metric {
        case .cosine: "<=>"
        case .l2: "<->"
        case .innerProduct: "<#>"
        }
    }

    private var operatorClass: String {
        let prefix = usesHalfPrecision ? "halfvec" : "vector"
        return switch metric {
        case .cosine: "\(prefix)_cosine_ops"
        case .l2: "\(prefix)_l2_ops"
        case .innerProduct: "\(prefix)_ip_ops"
        }
    }

    /// The name contains all that the index depends on, so that a change of a setting is detected.
    var indexName: String {
        indexPrefix + "\(metric.rawValue.lowercased())_\(usesHalfPrecision ? "half_" : "")\(dimensions)"
    }

    /// From this many vectors on the graph is built with ``wideConstruction``.
    static let wideFrom = 200_000

    /// `ef_construction` of a large index: how many candidates an insertion compares before it
    /// connects a vector. pgvector's default is 64; then an insertion may end in a cluster that is
    /// not its own, and searches do not find that vector however broad they are. The more clusters
    /// there are, the more often: `Documentation/performance.md` has the figures.
    static let wideConstruction = 128

    /// - Parameter count: of the vectors that are there when it is built.
    func indexDefinition(ofVectors count: Int) -> String {
        let options = count >= Self.wideFrom ? " WITH (\(Self.wideOption))" : ""
        return "\(indexName) ON \(table) USING hnsw ((embedding::\(indexedType)) \(operatorClass))\(options)"
    }

    static var wideOption: String { "ef_construction = \(wideConstruction)" }

    /// The name of the constraint that excludes vectors of another length.
    var constraintName: String { Self.constraintPrefix + String(dimensions) }
    /// The name of the same one for vectors outside of the index.
    var unindexedConstraintName: String { "\(constraintName)_\(UnindexedVectors.column)" }

    static let constraintPrefix = "memory_embeddings_dimensions_"

    /// The length of the stored vectors, if the error says that it differs from this server's (rule
    /// E2).
    func otherDimensions(in error: PostgresError) -> Int? {
        let text = error.underlying ?? ""
        switch error.sqlState {
        case "23514":
            guard let prefix = text.firstRange(of: Self.constraintPrefix) else { return nil }
            return Int(text[prefix.upperBound...].prefix(while: \.isNumber))
        case "22000":
            guard text.contains("different vector dimensions") || text.contains("different halfvec dimensions") else {
                return nil
            }
            return text.split { !$0.isNumber }.compactMap { Int($0) }.first { $0 != dimensions }
        default: return nil
        }
    }

    var indexPrefix: String { "\(table)_hnsw_" }

    /// The distance as the contract defines it, of the alias `e` and a bound vector.
    func distance(to vector: String) -> String {
        switch metric {
        case .cosine: "\(storedVector) <=> \(vector)"
        case .l2: "(\(storedVector) <-> \(vector)) ^ 2"
        case .innerProduct: "1 + (\(storedVector) <#> \(vector))"
        }
    }

    /// The expression that the index orders by; the cast must be the one of the index.
    func indexedOrder(to vector: String) -> String {
        "(e.embedding::\(indexedType)) \(operatorSymbol) \(vector)::\(indexedType)"
    }

    /// A similarity between 0 and 1 as ``DistanceMetric/similarity(ofDistance:)`` computes it.
    func similarity(ofDistance distance: String) -> String {
        switch metric {
        case .cosine, .innerProduct: "least(1, greatest(0, 1 - \(distance) / 2))"
        case .l2: "1 / (1 + greatest(0, \(distance)))"
        }
    }
}
