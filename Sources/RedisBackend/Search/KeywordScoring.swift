import AgentMemory

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The meaning of a scorer's name.
struct KeywordScoring: Sendable {
    /// The scorer that the engine runs. Two are computed from BM25STD, so that they work on every
    /// version: their order is the same, and only the relation of the values differs.
    let engineName: String
    private let isTanh: Bool

    init(_ scorer: TextScorer) {
        switch scorer {
        case .bm25stdNorm: engineName = TextScorer.bm25std.rawValue
        case .bm25stdTanh: engineName = TextScorer.bm25std.rawValue
        default: engineName = scorer.rawValue
        }
        isTanh = scorer == .bm25stdTanh
    }

    /// Whether the value that the engine sorts by is the sum of BM25 over the words.
    var isSum: Bool { engineName == TextScorer.bm25std.rawValue }

    /// The rank value of a row; 0 without one.
    func rank(_ row: SearchRow?) -> Double {
        guard let score = row?.score, score.isFinite else { return 0 }
        return isTanh ? tanh(score / KeywordRank.tanhFactor) : score
    }
}
