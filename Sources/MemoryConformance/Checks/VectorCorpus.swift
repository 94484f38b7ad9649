import AgentMemory

/// Unit vectors with known neighbours: the kit's own exact scan, with which results of an
/// approximate index are compared.
struct VectorCorpus: Sendable {
    let dimensions: Int
    let count: Int
    /// All vectors, one after the other.
    private let components: [Float]

    /// Vectors that lie in clusters: centres in random directions, and noise of 0.4 of a centre's
    /// length around them, so that the clusters overlap a little. Vector `i` belongs to the cluster
    /// `i % clusters`.
    init(clustered count: Int, clusters: Int, dimensions: Int) {
        self.init(count: count, dimensions: dimensions) { Self.point(in: $0 % clusters, $0, dimensions) }
    }

    /// Hundreds of equal vectors: vector `i` equals every other one with the same `i % distinct`.
    init(repeating distinct: Int, count: Int, dimensions: Int) {
        self.init(count: count, dimensions: dimensions) { Self.point(in: $0 % distinct, $0 % distinct, dimensions) }
    }

    private init(count: Int, dimensions: Int, _ vector: (Int) -> [Float]) {
        self.count = count
        self.dimensions = dimensions
        var components: [Float] = []
        components.reserveCapacity(count * dimensions)
        for index in 0..<count { components += vector(index) }
        self.components = components
    }

    /// A unit vector near the centre of a cluster; the same number gives the same one.
    static func point(in cluster: Int, _ number: Int, _ dimensions: Int) -> [Float] {
        let centre = SteeredEmbedder.unitVector(dimensions: dimensions, seed: UInt64(cluster) &* 7919 &+ 1)
        let noise = SteeredEmbedder.unitVector(dimensions: dimensions, seed: UInt64(number) &* 104_729 &+ 1_000_003)
        let sum = (0..<dimensions).map { centre[$0] + 0.4 * noise[$0] }
        let norm = sum.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return sum.map { $0 / norm }
    }

    subscript(index: Int) -> [Float] {
        Array(components[index * dimensions..<(index + 1) * dimensions])
    }

    /// The cosine distance of every vector to a unit vector.
    func distances(to query: [Float]) -> [Double] {
        components.withUnsafeBufferPointer { components in
            query.withUnsafeBufferPointer { query in
                (0..<count).map { index in
                    var dot: Float = 0
                    var position = index * dimensions
                    for value in query {
                        dot += value * components[position]
                        position += 1
                    }
                    return 1 - Double(dot)
                }
            }
        }
    }
}
