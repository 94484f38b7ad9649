/// How the distance of two vectors is measured, under RediSearch's names.
public enum DistanceMetric: String, Sendable, CaseIterable {
    /// 1 - cosine of the angle: 0 to 2.
    case cosine = "COSINE"
    /// The square of the Euclidean distance: 0 and above.
    case l2 = "L2"
    /// 1 - inner product.
    case innerProduct = "IP"

    /// The distance as RediSearch defines it.
    ///
    /// - Precondition: both vectors have the same length.
    public func distance(_ a: [Float], _ b: [Float]) -> Double {
        precondition(a.count == b.count, "vectors of \(a.count) and \(b.count) dimensions cannot be compared")
        var dot = 0.0
        var squareA = 0.0
        var squareB = 0.0
        var squareDifference = 0.0
        for i in a.indices {
            let x = Double(a[i])
            let y = Double(b[i])
            dot += x * y
            squareA += x * x
            squareB += y * y
            squareDifference += (x - y) * (x - y)
        }
        switch self {
        case .cosine: return 1 - dot / (squareA.squareRoot() * squareB.squareRoot())
        case .l2: return squareDifference
        case .innerProduct: return 1 - dot
        }
    }

    /// The substitute distance of a record that has no vector yet: not nearer than any other, and
    /// finite.
    public var farthest: Double {
        switch self {
        case .cosine, .innerProduct: 2
        case .l2: 1e30
        }
    }

    /// A similarity between 0 and 1 for rankings that add it to other values (rules S6, S7): 1 -
    /// distance/2 for cosine and inner product (of unit vectors), 1/(1 + distance) for L2, whose
    /// distance has no upper limit.
    public func similarity(ofDistance distance: Double) -> Double {
        switch self {
        case .cosine, .innerProduct: min(1, max(0, 1 - distance / 2))
        case .l2: 1 / (1 + max(0, distance))
        }
    }
}
