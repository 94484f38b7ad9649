@testable import AgentMemory
import Testing

/// The order of rule S11 against the formula written out a second time, without regard to speed.
struct BlendedQueryTests {
    private static let vocabulary = ["dog", "cat", "tree", "river", "boat", "sun", "did"]

    /// The same numbers in every run.
    private struct Numbers: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state
        }
    }

    private struct Sample {
        let query = "What did the \"dog\" do with a boat in May 2023?"
        let candidates: [RankingCandidate]
        let bits: [ExactString: TokenBits]
        let tokens: EncodedTokens

        init(seed: UInt64, count: Int) throws {
            var random = Numbers(state: seed)
            let words = TextAnalyzer().query(query).words
            candidates = try (0..<count).map { number in
                let held = words.map { _ in Int.random(in: 0...2, using: &random) }
                let month = Int.random(in: 4...6, using: &random)
                let date = try #require(
                    Timestamp(parsing: "2023-0\(month)-1\(Int.random(in: 0...9, using: &random))T00:00:00Z"))
                return RankingCandidate(
                    id: "m\(number)", distance: Double.random(in: 0...1.5, using: &random), frequencies: held,
                    length: held.reduce(5, +), createdAt: date.advanced(bySeconds: Int64(number % 7)), eventDate: nil,
                    session: number % 5 == 0
                        ? nil : RankingSession(namespace: "n", userID: nil, sessionID: "s\(number % 4)"))
            }
            func bits(_ count: Int) -> TokenBits {
                TokenBits(modelTag: 7, width: 128, words: (0..<2 * count).map { _ in random.next() })
            }
            var known: [ExactString: TokenBits] = [:]
            for candidate in candidates where candidate.id != "m3" { known[ExactString(candidate.id)] = bits(6) }
            self.bits = known
            tokens = EncodedTokens(
                bits: bits(5), words: ["did", "dog", "boat", "boat", "elsewhere"])
        }
    }

    /// The formula, step by step.
    private static func expected(
        _ sample: Sample, alpha: Double, late: Double, context: Double, date: Double
    ) -> [(id: String, value: Double)] {
        let words = TextAnalyzer().query(sample.query).words
        let question = Set(TextAnalyzer().words(in: "what did do"))
        let kept = words.indices.filter { !question.contains(words[$0]) }
        let total = sample.candidates.count
        func idf(_ holding: Int) -> Double {
            BM25.inverseDocumentFrequency(documents: total, containing: holding)
        }
        let idfs = words.indices.map { word in idf(sample.candidates.count { $0.frequencies[word] > 0 }) }
        let average = Double(sample.candidates.map(\.length).reduce(0, +)) / Double(total)
        let keyword = sample.candidates.map { candidate in
            kept.map { word in
                BM25.termScore(
                    idf: idfs[word], frequency: candidate.frequencies[word], documentLength: candidate.length,
                    averageDocumentLength: average)
            }.reduce(0, +)
        }
        let best = keyword.max() ?? 0
        var values: [String: Double] = [:]
        for (position, candidate) in sample.candidates.enumerated() {
            let inMay = candidate.createdAt.iso8601.hasPrefix("2023-05")
            values[candidate.id] =
                alpha * (1 - candidate.distance / 2) + (1 - alpha) * keyword[position] / best + (inMay ? date : 0)
        }
        func order(_ ids: some Sequence<String>) -> [String] {
            ids.sorted { a, b in
                let (one, other) = (values[a] ?? 0, values[b] ?? 0)
                return one != other ? one > other : a < b
            }
        }
        let first = order(values.keys)
        let tier = late > 0 ? Array(first.prefix(200)) : first
        if late > 0 {
            let raw = sample.tokens.words.map { word in
                words.firstIndex(of: TextAnalyzer().words(in: word)[0]).map { idfs[$0] } ?? idf(0)
            }
            let weights = raw.map { $0 / raw.reduce(0, +) }
            func tokens(_ bits: TokenBits) -> [[UInt64]] {
                stride(from: 0, to: bits.words.count, by: 2).map { [bits.words[$0], bits.words[$0 + 1]] }
            }
            func likeness(_ id: String) -> Double? {
                guard let bits = sample.bits[ExactString(id)] else { return nil }
                return zip(tokens(sample.tokens.bits), weights).map { query, weight in
                    weight
                        * (tokens(bits).map { token in
                            1 - 2
                                * Double((token[0] ^ query[0]).nonzeroBitCount + (token[1] ^ query[1]).nonzeroBitCount)
                                / 128
                        }.max() ?? 0)
                }.reduce(0, +)
            }
            let known = tier.compactMap(likeness)
            let mean = known.reduce(0, +) / Double(known.count)
            for id in tier { values[id, default: 0] += late * (likeness(id) ?? mean) }
        }
        let second = order(tier) + first.dropFirst(tier.count)
        let floor = values[second[min(20, second.count) - 1]] ?? 0
        var gains: [String: Double] = [:]
        let byID = Dictionary(uniqueKeysWithValues: sample.candidates.map { ($0.id, $0) })
        for giver in second.prefix(20) {
            guard let session = byID[giver]?.session else { continue }
            let members = sample.candidates.filter { $0.session == session }.sorted { a, b in
                a.createdAt != b.createdAt ? a.createdAt < b.createdAt : a.id < b.id
            }.map(\.id)
            let place = members.firstIndex(of: giver) ?? 0
            for (other, id) in members.enumerated() where other != place && abs(other - place) <= 3 {
                let decay = [1, 0.7, 0.7 * 0.7][abs(other - place) - 1]
                gains[id] = max(gains[id] ?? 0, context * decay * ((values[giver] ?? 0) - floor))
            }
        }
        for (id, gain) in gains { values[id, default: 0] += gain }
        return (order(tier) + order(first.dropFirst(tier.count))).map { ($0, values[$0] ?? 0) }
    }

    @Test(
        arguments: [(12, 1), (60, 2), (450, 3)], [(2.0, 0.4, 0.3), (0, 0.4, 0.3), (2, 0, 0.3), (2, 0.4, 0), (0, 0, 1)])
    func `orders as the formula says`(
        size: (count: Int, seed: UInt64), weights: (late: Double, context: Double, date: Double)
    ) throws {
        let sample = try Sample(seed: size.seed, count: size.count)
        let ranking = try BlendedRanking(
            .hybrid(alpha: 0.7, .bm25std), lateInteraction: weights.late, contextWeight: weights.context,
            dateWeight: weights.date)
        let query = BlendedQuery(sample.query, ranking, metric: .cosine, tokens: sample.tokens)
        let order = query.finish(
            query.rank(CandidateSet(total: size.count, candidates: sample.candidates, containing: nil)),
            bits: sample.bits)
        let expected = Self.expected(
            sample, alpha: 0.7, late: weights.late, context: weights.context, date: weights.date)
        #expect(order.entries.map(\.candidate.id) == expected.map(\.id))
        for (entry, expected) in zip(order.entries, expected) {
            #expect(abs(entry.value - expected.value) < 1e-9)
            #expect(abs(entry.similarity + entry.keyword + entry.date + entry.late + entry.spread - entry.value) < 1e-9)
        }
    }

    @Test func `a query of question words alone is found by them`() throws {
        let ranking = try BlendedRanking(
            .hybrid(alpha: 0.7, .bm25std), lateInteraction: 0, contextWeight: 0, dateWeight: 0.3)
        func keywords(_ text: String) -> [String] {
            BlendedQuery(text, ranking, metric: .cosine, tokens: nil).keywords.map {
                TextAnalyzer().query(text).words[$0]
            }
        }
        #expect(keywords("who is it") == ["it"])
        #expect(keywords("Who was where?") == TextAnalyzer().words(in: "who was where"))
        #expect(keywords("may can will") == ["may", "can", "will"])
    }

    @Test func `weights out of range are refused by name`() {
        let wrong: [(late: Double, context: Double, date: Double, name: String)] = [
            (11, 0, 0, "late_interaction"), (0, 1.1, 0, "context_weight"), (0, 0, -1, "date_weight"),
            (.nan, 0, 0, "late_interaction"),
        ]
        for (late, context, date, name) in wrong {
            let error = #expect(throws: MemoryError.self) {
                try BlendedRanking(.semantic, lateInteraction: late, contextWeight: context, dateWeight: date)
            }
            #expect(error?.message.hasPrefix(name) == true)
        }
    }
}
