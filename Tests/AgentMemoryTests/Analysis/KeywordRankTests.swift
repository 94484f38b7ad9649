import AgentMemory
import Testing

@Suite struct KeywordRankTests {
    /// Two words of the query, once and three times in a record of eight words; records have four
    /// on average.
    private static func value(_ scorer: TextScorer) -> Double {
        KeywordRank.value(
            scorer, words: [.init(idf: 2, frequency: 1), .init(idf: 0.5, frequency: 3)], documentLength: 8,
            averageDocumentLength: 4)
    }

    // Worked out by hand from RediSearch's formulas, with k1 = 1.2 and b = 0.5: 2 * 2.2 / 2.8 + 0.5
    // * 6.6 / 4.8, and so on.
    @Test(
        arguments: [
            (TextScorer.bm25std, 2.2589285714285716), (.bm25stdNorm, 2.2589285714285716),
            (.bm25stdTanh, 0.5114800427430973),
            (.bm25, 0.75), (.tfidf, 1.1666666666666667), (.tfidfDocnorm, 0.4375), (.dismax, 3), (.docscore, 1),
        ] as [(TextScorer, Double)])
    func formulas(_ scorer: TextScorer, _ expected: Double) {
        #expect(abs(Self.value(scorer) - expected) < 1e-12)
    }

    @Test func `every scorer that is offered has a formula`() {
        #expect(TextScorer.offered.count == 8)
        for scorer in TextScorer.offered {
            #expect(KeywordRank.value(scorer, words: [], documentLength: 8, averageDocumentLength: 4) == 0)
            #expect(Self.value(scorer) > 0)
        }
    }
}
