import Foundation

/// The rank value of one record in keyword search, by each scorer that a request can name.
///
/// BM25STD is the rank of rule S5. The others rank the same matches by the formula that RediSearch
/// has under that name. Redis runs RediSearch's own functions, some of which also divide by the
/// distance between the words, so that only BM25STD guarantees the same order in every store.
///
/// Source: RediSearch, `src/ext/default.c`.
public struct KeywordRank: Sendable {
    /// A word of the query that the record contains.
    public struct Word: Sendable {
        /// The word's ``BM25/inverseDocumentFrequency(documents:containing:)``.
        public let idf: Double
        /// How often the record contains it; at least 1.
        public let frequency: Int

        public init(idf: Double, frequency: Int) {
            self.idf = idf
            self.frequency = frequency
        }
    }

    /// The divisor of BM25STD.TANH before the hyperbolic tangent: the default of RediSearch's
    /// BM25STD_TANH_FACTOR.
    public static let tanhFactor = 4.0

    /// The rank value of a record.
    ///
    /// - Parameters:
    ///   - scorer: the formula.
    ///   - words: the words of the query that the record contains, each once.
    ///   - documentLength: the record's number of words, repeated ones included.
    ///   - average: the average number of words of all records in the store.
    /// - Returns: 0 if the record contains no word of the query.
    public static func value(
        _ scorer: TextScorer, words: [Word], documentLength: Int, averageDocumentLength average: Double
    ) -> Double {
        guard !words.isEmpty, documentLength > 0, average > 0 else { return 0 }
        func sum(_ term: (_ idf: Double, _ frequency: Double) -> Double) -> Double {
            words.reduce(0) { $0 + term($1.idf, Double($1.frequency)) }
        }
        func standard() -> Double {
            words.reduce(0) { sum, word in
                sum
                    + BM25.termScore(
                        idf: word.idf, frequency: word.frequency, documentLength: documentLength,
                        averageDocumentLength: average)
            }
        }
        let most = Double(words.map(\.frequency).max() ?? 1)
        switch scorer {
        // NORM divides by the best rank, as the score of every hit does.
        case .bm25std, .bm25stdNorm: return standard()
        case .bm25stdTanh: return tanh(standard() / tanhFactor)
        case .bm25: return sum { $0 * $1 / ($1 + BM25.k1 * (1 - BM25.b + BM25.b * average)) }
        case .tfidf: return sum { $0 * $1 } / most
        case .tfidfDocnorm: return sum { $0 * $1 } / Double(documentLength)
        case .dismax: return most
        // A document score, the same for every record. HAMMING is not among ``TextScorer/offered``.
        case .docscore, .hamming: return 1
        }
    }
}
