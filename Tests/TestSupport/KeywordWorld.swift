public import AgentMemory

/// Records of few words that depend on a seed, and what keyword searches must find among them, by
/// the formula.
public struct KeywordWorld {
    public var random: SplitMix
    /// By id, as a test has stored them.
    public var records: [String: MemoryRecord] = [:]
    private let isEqual: Bool

    /// - Parameters:
    ///   - seed: equal seeds make equal texts.
    ///   - isEqual: whether all words are as frequent.
    public init(seed: UInt64, isEqual: Bool) {
        random = SplitMix(seed: seed)
        self.isEqual = isEqual
    }

    private static let words = (0..<60).map { "w\($0)x" }

    private mutating func word() -> String {
        let (a, b) = (Int.random(in: 0..<60, using: &random), Int.random(in: 0..<60, using: &random))
        return Self.words[isEqual ? a % 20 : min(a, b) * min(a, b) / 60]
    }

    /// Up to 14 words.
    public mutating func text() -> String {
        // Now and then without a word.
        let count = Int.random(in: 0...14, using: &random)
        return count == 0 ? "?!" : (0..<count).map { _ in word() }.joined(separator: " ")
    }

    /// One of 150 ids, of one of four users.
    public mutating func record() throws -> MemoryRecord {
        try MemoryRecord(
            id: "r\(Int.random(in: 0..<150, using: &random))", text: text(),
            userID: "u\(Int.random(in: 0..<4, using: &random))")
    }

    /// Words, now and then an unknown one, or a phrase.
    public mutating func query() -> String {
        var words = (0..<Int.random(in: 1...9, using: &random)).map { _ in word() }
        if Int.random(in: 0..<6, using: &random) == 0 { words.append("unknown") }
        if Int.random(in: 0..<5, using: &random) == 0 { words.append("\"\(word()) \(word())\"") }
        return words.joined(separator: " ")
    }

    /// Nothing, one user, or all but one.
    public mutating func filter() throws -> MemoryFilter {
        guard Bool.random(using: &random) else { return .everything }
        let user = "u\(Int.random(in: 0..<4, using: &random))"
        return MemoryFilter(tags: [
            .userID: Bool.random(using: &random)
                ? try TagCondition(field: .userID, eq: user) : try TagCondition(field: .userID, ne: user)
        ])
    }

    /// The ids of the matches with their ranks, best first.
    public func ranking(_ text: String, _ filter: MemoryFilter) -> [(id: String, rank: Double)] {
        let analyzer = TextAnalyzer()
        let query = analyzer.query(text)
        let documents = records.mapValues { analyzer.words(in: $0.text) }
        let average = Double(documents.values.reduce(0) { $0 + $1.count }) / Double(max(1, documents.count))
        let idf = query.words.map { word in
            BM25.inverseDocumentFrequency(
                documents: documents.count, containing: documents.values.count { $0.contains(word) })
        }
        var ranks: [(id: String, rank: Double)] = []
        for (id, words) in documents where words.contains(where: query.words.contains) {
            guard let record = records[id], query.phrases.allSatisfy(words.containsRun) else { continue }
            if let condition = filter.tags[.userID] {
                let isOfUser = condition.all.contains(record.userID ?? "")
                guard condition.all.isEmpty ? !condition.none.contains(record.userID ?? "") : isOfUser else {
                    continue
                }
            }
            let held = query.words.indices.compactMap { position -> KeywordRank.Word? in
                let frequency = words.count { $0 == query.words[position] }
                return frequency > 0 ? .init(idf: idf[position], frequency: frequency) : nil
            }
            ranks.append(
                (
                    id,
                    KeywordRank.value(
                        .bm25std, words: held, documentLength: words.count, averageDocumentLength: average)
                ))
        }
        return ranks.sorted { ($1.rank, $0.id) < ($0.rank, $1.id) }
    }
}
