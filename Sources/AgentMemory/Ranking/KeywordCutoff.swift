/// Which records can be among the best by BM25, judged by nothing but the words that they hold: so
/// that a search looks only at those, and not at every record with a common word.
///
/// A word adds at most ``Word/bound`` to a record's value, so the words of a record bound the whole
/// value. The idea is that of MaxScore (Turtle and Flood: "Query Evaluation: Strategies and
/// Optimizations", 1995), with sets of words in place of single ones, because the engines intersect
/// their lists of records quickly.
public struct KeywordCutoff: Sendable {
    /// A word of the query.
    public struct Word: Sendable {
        /// What it adds to the value of any record at most.
        public let bound: Double
        /// The part of the records that hold it; 0 only if none does.
        public let share: Double

        /// - Parameters:
        ///   - idf: its ``BM25/inverseDocumentFrequency(documents:containing:)``.
        ///   - most: how often a record holds it at most.
        ///   - average: the average number of words of all records.
        ///   - share: the part of the records that hold it.
        public init(idf: Double, most: Int, average: Double, share: Double) {
            // A record has at least as many words as it holds this one. With the word alone, more
            // of it adds more; a little is added for what rounding may take.
            let largest = BM25.termScore(
                idf: idf, frequency: most, documentLength: most, averageDocumentLength: average)
            bound = share > 0 ? largest * (1 + 1e-9) : 0
            self.share = min(1, max(0, share))
        }

        /// A word whose weight follows from how many records hold it.
        ///
        /// - Parameters:
        ///   - holding: how many records hold it.
        ///   - records: of how many.
        ///   - most: how often a record holds it at most.
        ///   - average: the average number of words of all records.
        public init(holding: Int, of records: Int, most: Int, average: Double) {
            self.init(
                idf: BM25.inverseDocumentFrequency(documents: records, containing: holding), most: most,
                average: average, share: Double(holding) / Double(max(1, records, holding)))
        }
    }

    /// A part of the matching records that holds the best of them.
    public struct Level: Sendable, Equatable {
        /// Positions of words: the part is of the records that hold all words of one of the sets.
        public let sets: [[Int]]
        /// Every other record has a value below this.
        public let reach: Double
        /// How many records the part has, if words were independent of each other.
        public let estimate: Double
    }

    /// More sets than this make a level: each is a scan of the index.
    private static let mostSets = 12
    /// The words with the largest bounds that are told apart; of the others every record counts as
    /// holding all.
    private static let mostHeads = 8
    /// How many records a first look takes; from one look to the next they are multiplied.
    public static let standardLook = 1000
    private static let growth = 16.0

    private let firstLook: Double
    private let records: Double
    /// Positions of words with their bounds and shares, by bound, largest first.
    private let heads: [(position: Int, word: Word)]
    /// The sum of the bounds of the words after the heads.
    private let rest: Double
    /// How many records match at most.
    private let matches: Double

    /// - Parameters:
    ///   - words: of the query, in its order.
    ///   - records: how many there are in the store.
    ///   - firstLook: how many records a first look takes, in addition to twice those wanted.
    public init(_ words: [Word], records: Int, firstLook: Int = standardLook) {
        self.firstLook = Double(firstLook)
        let sorted = words.enumerated().map { (position: $0.offset, word: $0.element) }
            .sorted { ($0.word.bound, $1.position) > ($1.word.bound, $0.position) }
        heads = Array(sorted.prefix(Self.mostHeads))
        rest = sorted.dropFirst(Self.mostHeads).reduce(0) { $0 + $1.word.bound }
        self.records = Double(records)
        matches = min(self.records, words.reduce(0) { $0 + $1.share } * self.records)
    }

    /// Ranks a part of the matching records after the other, until no record outside of it can be
    /// among the best.
    ///
    /// - Parameters:
    ///   - limit: how many of the best are wanted.
    ///   - rank: ranks a part, or all that match if there is none, and returns how many records of
    ///     it were found, and the value of the last of the best `limit` of them.
    public func ranking(
        limit: Int, _ rank: (Level?) async throws -> (found: Int, last: Double)
    ) async throws {
        var level = firstLevel(limit: limit)
        while let part = level {
            let (found, last) = try await rank(part)
            guard found >= limit else {
                level = self.level(after: part, limit: limit)
                continue
            }
            if last >= part.reach { return }
            level = self.level(reaching: last)
            if level?.sets == part.sets { return }
        }
        _ = try await rank(nil)
    }

    /// The part to look at first for the best `limit` records; `nil` if it is all that match.
    public func firstLevel(limit: Int) -> Level? { level(size: firstLook + 2 * Double(limit)) }

    /// The part to look at if `level` has fewer records than are wanted; `nil` if it is all that
    /// match.
    public func level(after level: Level, limit: Int) -> Level? {
        let next = self.level(size: max(firstLook + 2 * Double(limit), level.estimate) * Self.growth)
        return next.flatMap { $0.estimate > level.estimate ? $0 : nil }
    }

    /// The records that can have at least this value; `nil` if they are nearly all that match.
    public func level(reaching value: Double) -> Level? {
        for count in stride(from: heads.count, to: 0, by: -1) {
            let tail = heads.dropFirst(count).reduce(rest) { $0 + $1.word.bound }
            guard value > tail else { return nil }
            guard let sets = sets(of: count, reaching: value - tail) else { continue }
            guard !sets.isEmpty else { return nil }
            let estimate = sets.reduce(0) { sum, set in
                sum + set.reduce(records) { $0 * heads[$1].word.share }
            }
            guard estimate < matches / 2 else { return nil }
            return Level(
                sets: sets.map { $0.map { heads[$0].position }.sorted() }, reach: value, estimate: estimate)
        }
        return nil
    }

    /// The smallest sets of the first words whose bounds add up to `value`; `nil` if there are too
    /// many of them.
    private func sets(of count: Int, reaching value: Double) -> [[Int]]? {
        var sets: [[Int]] = []
        for mask in 1..<(1 << count) {
            let set = (0..<count).filter { mask & (1 << $0) != 0 }
            let sum = set.reduce(0) { $0 + heads[$1].word.bound }
            // The last one is the smallest.
            guard sum >= value, let last = set.last, sum - heads[last].word.bound < value else { continue }
            guard sets.count < Self.mostSets else { return nil }
            sets.append(set)
        }
        return sets
    }

    /// The largest part of about so many records.
    private func level(size: Double) -> Level? {
        guard matches > size, !heads.isEmpty else { return nil }
        // All sums of bounds, smallest first.
        var values = [rest]
        for head in heads { values += values.map { $0 + head.word.bound } }
        // Sums in another order differ in their last digits.
        values = values.map { $0 * (1 - 1e-9) }.sorted()
        var best: Level?
        var (low, high) = (0, values.count)
        while low < high {
            let middle = (low + high) / 2
            if let level = level(reaching: values[middle]), level.estimate <= size {
                best = level
                high = middle
            } else {
                low = middle + 1
            }
        }
        return best ?? values.last.flatMap { level(reaching: $0) }
    }
}
