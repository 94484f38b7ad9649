import Foundation

/// The rank function of keyword search: Okapi BM25 with the constants of RediSearch's `BM25STD`
/// scorer.
///
/// The score of a record is the sum of
/// ``termScore(idf:frequency:documentLength:averageDocumentLength:)`` over the query's distinct
/// words, so that every backend ranks alike. Quoted phrases only decide which records match.
///
/// Source: RediSearch, `src/ext/default.c` (`CalculateBM25Std`, `bm25StdRecursive`) and
/// `CalculateIDF_BM25` (`src/inverted_index.h` in 2.10, the `idf` crate in 8.8), which cite
/// https://en.wikipedia.org/wiki/Okapi_BM25. Up to 2.10 RediSearch uses the b = 0.5 that is used
/// here, from 8.0 on 0.75. It holds its constants as 32-bit floats, so that its scores agree with
/// these to about seven digits.
public struct BM25: Sendable {
    /// How soon further occurrences of one word stop adding to the score.
    public static let k1 = 1.2

    /// How much a document's length counts: 0 not at all, 1 in full proportion.
    public static let b = 0.5

    /// The weight of a word; the fewer documents contain it, the larger: `ln(1 + (documents -
    /// containing + 0.5) / (containing + 0.5))`, which is never negative.
    ///
    /// - Parameters:
    ///   - documents: the number of documents in the whole store, independent of the query's
    ///     filter.
    ///   - containing: the number of those that contain the word. A number above `documents`, which
    ///     separately kept statistics can show for a moment, counts as `documents`, as in
    ///     RediSearch 8.
    public static func inverseDocumentFrequency(documents: Int, containing: Int) -> Double {
        let total = Double(max(documents, containing))
        let holding = Double(containing)
        return log(1 + (total - holding + 0.5) / (holding + 0.5))
    }

    /// What one word adds to the score of one document: `idf * f * (k1 + 1) / (f + k1 * (1 - b + b
    /// * length / average))`.
    ///
    /// - Parameters:
    ///   - idf: the word's ``inverseDocumentFrequency(documents:containing:)``.
    ///   - frequency: how often the document contains the word, not normalised.
    ///   - documentLength: the document's number of words, repeated ones included.
    ///   - averageDocumentLength: the sum of the lengths of all documents in the store divided by
    ///     their number.
    /// - Returns: 0 if the document does not contain the word.
    public static func termScore(
        idf: Double, frequency: Int, documentLength: Int, averageDocumentLength: Double
    ) -> Double {
        // An average of zero means that no document contains any word.
        guard frequency > 0, averageDocumentLength > 0 else { return 0 }
        let occurrences = Double(frequency)
        let relativeLength = Double(documentLength) / averageDocumentLength
        return idf * occurrences * (k1 + 1) / (occurrences + k1 * (1 - b + b * relativeLength))
    }
}
