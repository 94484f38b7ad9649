import AgentMemory
import TestSupport
import Testing

/// Cut-offs against the values of all records.
struct KeywordCutoffTests {
    private struct Store {
        let records: [[Int]]
        let cutoff: KeywordCutoff
        let idf: [Double]
        let average: Double
        let query: [Int]

        init(_ random: inout SplitMix, equal: Bool) {
            let vocabulary = Int.random(in: 2...30, using: &random)
            let longest = Int.random(in: 1...25, using: &random)
            let records = (0..<Int.random(in: 1...200, using: &random)).map { _ in
                (0..<Int.random(in: 0...longest, using: &random)).map { _ in
                    let word = Int.random(in: 0..<vocabulary, using: &random)
                    // The smaller of two is much more often a small one.
                    return equal ? word : min(word, Int.random(in: 0..<vocabulary, using: &random) / 3)
                }
            }
            let query = Array((0..<vocabulary).shuffled(using: &random).prefix(Int.random(in: 1...14, using: &random)))
            (self.records, self.query) = (records, query)
            let count = records.count
            let average = Double(records.reduce(0) { $0 + $1.count }) / Double(count)
            let holding = query.map { word in records.count { $0.contains(word) } }
            let idf = holding.map { BM25.inverseDocumentFrequency(documents: count, containing: $0) }
            (self.average, self.idf) = (average, idf)
            cutoff = KeywordCutoff(
                query.indices.map { position in
                    KeywordCutoff.Word(
                        idf: idf[position],
                        most: records.map { record in record.count { $0 == query[position] } }.max() ?? 1,
                        average: average, share: Double(holding[position]) / Double(count))
                }, records: count, firstLook: Int.random(in: 0...20, using: &random))
        }

        func value(_ record: [Int]) -> Double {
            query.indices.reduce(0) { sum, position in
                sum
                    + BM25.termScore(
                        idf: idf[position], frequency: record.count { $0 == query[position] },
                        documentLength: record.count, averageDocumentLength: average)
            }
        }

        func isIn(_ level: KeywordCutoff.Level, _ record: [Int]) -> Bool {
            level.sets.contains { set in set.allSatisfy { record.contains(query[$0]) } }
        }
    }

    @Test(arguments: [false, true]) func `no record outside of a level has its value`(equal: Bool) {
        var random = SplitMix(seed: equal ? 1 : 2)
        var levels = 0
        for _ in 0..<500 {
            let store = Store(&random, equal: equal)
            let limit = Int.random(in: 1...10, using: &random)
            var level = store.cutoff.firstLevel(limit: limit)
            for value in store.records.map(store.value).shuffled(using: &random).prefix(5) {
                guard let reaching = store.cutoff.level(reaching: value) else { continue }
                #expect(store.records.allSatisfy { store.value($0) < value || store.isIn(reaching, $0) })
            }
            while let part = level {
                levels += 1
                #expect(store.records.allSatisfy { store.value($0) < part.reach || store.isIn(part, $0) })
                #expect(!part.sets.isEmpty)
                let next = store.cutoff.level(after: part, limit: limit)
                if let next { #expect(next.estimate > part.estimate) }
                level = next
            }
        }
        #expect(levels > 100)
    }

    @Test func `two rare words leave the common ones aside`() throws {
        func word(_ share: Double) -> KeywordCutoff.Word {
            KeywordCutoff.Word(
                idf: BM25.inverseDocumentFrequency(documents: 1_000_000, containing: Int(share * 1_000_000)), most: 2,
                average: 17, share: share)
        }
        let cutoff = KeywordCutoff([word(1), word(0.03), word(1), word(0.03), word(0.9)], records: 1_000_000)
        let level = try #require(cutoff.firstLevel(limit: 10))
        #expect(level.sets == [[1, 3]])
        #expect(cutoff.firstLevel(limit: 1_000_000) == nil)
    }

    @Test func `everything is looked at where few records match`() {
        let rare = KeywordCutoff.Word(idf: 9, most: 1, average: 17, share: 0.0001)
        #expect(KeywordCutoff([rare, rare], records: 1_000_000).firstLevel(limit: 10) == nil)
        #expect(KeywordCutoff([], records: 0).firstLevel(limit: 10) == nil)
    }
}
