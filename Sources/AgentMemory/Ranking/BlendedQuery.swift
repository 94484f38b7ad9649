/// The query of a blended search (rule S11), and the order of its candidates: a pure function, the
/// same for every backend.
///
/// The constants are those of ``BlendedRanking``; where they come from is in
/// `Documentation/search.md`.
public struct BlendedQuery: Sendable {
    /// Words of the query that count; those after them neither find nor weigh.
    public static let maximumWords = 128

    let ranking: BlendedRanking
    let metric: DistanceMetric
    /// The distinct words of the query.
    let words: [String]
    /// Positions of the words that make the keyword rank.
    let keywords: [Int]
    /// As ``KeywordQuery/phrases``; none in semantic mode, where quotes are punctuation.
    let phrases: [[String]]
    let windows: DateWindows
    let tokens: EncodedTokens?
    /// The position in ``words`` of the word that each token is a piece of; `nil` where it is none
    /// of them.
    private let tokenWords: [Int?]

    /// - Parameters:
    ///   - text: the query.
    ///   - ranking: which parts count, and how much.
    ///   - metric: what the distances of the candidates are.
    ///   - tokens: of the text; without them late interaction is left out.
    ///   - analyzer: the one that made the candidates' words.
    public init(
        _ text: String, _ ranking: BlendedRanking, metric: DistanceMetric, tokens: EncodedTokens?,
        analyzer: TextAnalyzer = TextAnalyzer()
    ) {
        self.ranking = ranking
        self.metric = metric
        let query = analyzer.query(text)
        let words = Array(query.words.prefix(Self.maximumWords))
        self.words = words
        switch ranking.base {
        case .semantic: (keywords, phrases) = ([], [])
        case .hybrid: (keywords, phrases) = (QuestionWords.kept(of: words), query.phrases)
        }
        windows = ranking.dateWeight > 0 ? DateWindows(in: text) : DateWindows(in: "")
        self.tokens = ranking.lateInteraction > 0 ? tokens : nil
        let positions = Dictionary(uniqueKeysWithValues: words.enumerated().map { (ExactString($1), $0) })
        tokenWords =
            self.tokens?.words.map { text -> Int? in
                guard let word = analyzer.words(in: text).first else { return nil }
                // A token of a script without blanks is one letter, the words are pairs of them.
                return positions[ExactString(word)]
                    ?? (word.utf8.count > 1 && word.count == 1 ? words.firstIndex { $0.hasPrefix(word) } : nil)
            } ?? []
    }

    /// What the backend is asked for.
    public func candidates(near vector: [Float], _ query: SearchQuery) -> CandidateQuery {
        CandidateQuery(
            vector: vector, filter: query.filter, phrases: phrases, words: words, keywords: keywords.map { words[$0] },
            depth: query.depth, needsDates: !windows.isEmpty, needsSessions: ranking.contextWeight > 0)
    }

    /// Whether the bits of tokens change the order.
    public var usesTokens: Bool { (tokens?.bits.count ?? 0) > 0 }

    // MARK: Order

    /// The value of every candidate before late interaction, best first, ties by the bytes of the
    /// id.
    public func rank(_ found: CandidateSet) -> BlendedOrder {
        let candidates = found.candidates
        let containing =
            found.containing
            ?? words.indices.map { word in candidates.count { $0.frequencies[word] > 0 } }
        let idf = containing.map { BM25.inverseDocumentFrequency(documents: found.total, containing: $0) }
        let keywordValues = keywordValues(candidates, idf)
        let best = keywordValues.max() ?? 0
        let (similarityWeight, keywordWeight) =
            switch ranking.base {
            case .semantic: (1.0, 0.0)
            // Without a word in common there is nothing but the distance to rank by.
            case .hybrid(let alpha, _): words.isEmpty ? (1, 0) : (alpha, 1 - alpha)
            }
        var entries: [BlendedOrder.Entry] = []
        entries.reserveCapacity(candidates.count)
        for (position, candidate) in candidates.enumerated() {
            var entry = BlendedOrder.Entry(candidate: candidate)
            entry.similarity = similarityWeight * metric.similarity(ofDistance: candidate.distance)
            entry.keyword = best > 0 ? keywordWeight * keywordValues[position] / best : 0
            if windows.contains(candidate.eventDate ?? candidate.createdAt) { entry.date = ranking.dateWeight }
            entry.value = entry.similarity + entry.keyword + entry.date
            entries.append(entry)
        }
        return BlendedOrder(
            entries, matches: found.total, idf: idf, lateDepth: usesTokens ? BlendedRanking.lateDepth : nil)
    }

    /// BM25 of each candidate over the matching records.
    private func keywordValues(_ candidates: [RankingCandidate], _ idf: [Double]) -> [Double] {
        guard case .hybrid(_, let scorer) = ranking.base, !candidates.isEmpty else {
            return [Double](repeating: 0, count: candidates.count)
        }
        let average = Double(candidates.reduce(0) { $0 + $1.length }) / Double(candidates.count)
        return candidates.map { candidate in
            let held = keywords.compactMap { word -> KeywordRank.Word? in
                let frequency = candidate.frequencies[word]
                return frequency > 0 ? KeywordRank.Word(idf: idf[word], frequency: frequency) : nil
            }
            return KeywordRank.value(
                scorer, words: held, documentLength: candidate.length, averageDocumentLength: average)
        }
    }

    /// The final order.
    ///
    /// - Parameters:
    ///   - order: the order by everything else.
    ///   - bits: of the records that ``BlendedOrder/lateIDs`` names, as far as they have some.
    public func finish(_ order: BlendedOrder, bits: [ExactString: TokenBits]) -> BlendedOrder {
        var order = order
        if usesTokens { addLateInteraction(to: &order, bits) }
        if ranking.contextWeight > 0 { order.spread(share: ranking.contextWeight) }
        return order
    }

    /// For each token of the query the likest token of the record, weighed by how rare the token's
    /// word is among the matching records.
    ///
    /// A record without bits (one of another server, or one that is yet to get them) counts as the
    /// average of the others: it neither gains nor loses by them.
    private func addLateInteraction(to order: inout BlendedOrder, _ bits: [ExactString: TokenBits]) {
        guard let query = tokens?.bits else { return }
        let rarest = BM25.inverseDocumentFrequency(documents: order.matches, containing: 0)
        let raw = tokenWords.map { $0.map { order.idf[$0] } ?? rarest }
        let sum = raw.reduce(0, +)
        let weights = sum > 0 ? raw.map { $0 / sum } : raw.map { _ in 1 / Double(raw.count) }
        let values = order.lateIDs.map { id in
            bits[ExactString(id)].flatMap { LateInteraction.value(of: $0, to: query, weights: weights) }
        }
        let known = values.compactMap(\.self)
        guard !known.isEmpty else { return }
        let average = known.reduce(0, +) / Double(known.count)
        order.addLate(values.map { ranking.lateInteraction * ($0 ?? average) })
    }
}

/// The comparison of two texts token by token (Khattab and Zaharia: "ColBERT", 2020), by the signs
/// of their states.
enum LateInteraction {
    /// The weighted sum over the query's tokens of the greatest likeness to one of the record's,
    /// where likeness is 1 - 2 * (bits that differ) / width: between -1 and 1.
    ///
    /// - Returns: `nil` where the two cannot be compared, or the record has no token.
    static func value(of record: TokenBits, to query: TokenBits, weights: [Double]) -> Double? {
        guard record.width == query.width, record.modelTag == query.modelTag, record.count > 0 else { return nil }
        let width = record.width / 64
        return record.words.withUnsafeBufferPointer { record in
            query.words.withUnsafeBufferPointer { query in
                var sum = 0.0
                for (token, weight) in weights.enumerated() {
                    let first = token * width
                    var least = Int.max
                    var start = 0
                    while start < record.count {
                        var differing = 0
                        for word in 0..<width {
                            differing &+= (query[first &+ word] ^ record[start &+ word]).nonzeroBitCount
                        }
                        least = min(least, differing)
                        start &+= width
                    }
                    sum += weight * (1 - 2 * Double(least) / Double(width * 64))
                }
                return sum
            }
        }
    }
}
