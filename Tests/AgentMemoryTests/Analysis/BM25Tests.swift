import Testing

@testable import AgentMemory

@Suite struct BM25Tests {
    /// Natural logarithms, worked out by hand: ln(1 + 90.5/10.5), ln(1 + 0.5/10.5), ln(1 +
    /// 0.5/0.5).
    @Test(arguments: [(100, 10, 2.263745), (10, 10, 0.046520), (0, 0, 0.693147)])
    func `inverse document frequency`(documents: Int, containing: Int, expected: Double) {
        let idf = BM25.inverseDocumentFrequency(documents: documents, containing: containing)
        #expect(abs(idf - expected) < 1e-6)
    }

    @Test func `rare words tell more`() {
        let values = (1...1000).map { BM25.inverseDocumentFrequency(documents: 1000, containing: $0) }
        #expect(zip(values, values.dropFirst()).allSatisfy { $0 > $1 })
        #expect(values.allSatisfy { $0 > 0 })
    }

    @Test func `stale counts do not wrap around`() {
        let stale = BM25.inverseDocumentFrequency(documents: 5, containing: 10)
        #expect(stale == BM25.inverseDocumentFrequency(documents: 10, containing: 10))
    }

    @Test(arguments: [
        // At the average length: 2 * 1 * 2.2 / (1 + 1.2).
        (2.0, 1, 10, 10.0, 2.0),
        // Three occurrences: 1 * 3 * 2.2 / (3 + 1.2) = 6.6 / 4.2.
        (1.0, 3, 10, 10.0, 1.571429),
        // Twice the average length: 1 * 1 * 2.2 / (1 + 1.2 * (0.5 + 0.5 * 2)) = 2.2 / 2.8.
        (1.0, 1, 20, 10.0, 0.785714),
        // Half the average length: 2.2 / (1 + 1.2 * 0.75) = 2.2 / 1.9.
        (1.0, 1, 5, 10.0, 1.157895),
    ])
    func `term score`(idf: Double, frequency: Int, length: Int, average: Double, expected: Double) {
        let score = BM25.termScore(
            idf: idf, frequency: frequency, documentLength: length, averageDocumentLength: average)
        #expect(abs(score - expected) < 1e-6)
    }

    @Test func `words that are not there add nothing`() {
        #expect(BM25.termScore(idf: 3, frequency: 0, documentLength: 5, averageDocumentLength: 5) == 0)
        #expect(BM25.termScore(idf: 3, frequency: 0, documentLength: 0, averageDocumentLength: 0) == 0)
    }

    @Test func `one word never scores more than its limit`() {
        let score = BM25.termScore(idf: 1, frequency: 1_000_000, documentLength: 1, averageDocumentLength: 1)
        #expect(score < BM25.k1 + 1)
        #expect(score > BM25.k1 + 0.99)
    }
}
