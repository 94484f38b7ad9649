/// What the score of a hit is made of. Parts that a ranking does not have are 0.
///
/// Of a blended ranking (rule S11) each part comes with its weight; their sum is the value, and the
/// score is that divided by the best one.
public struct RankExplanation: Sendable, Equatable {
    /// `nil` where the engine tells only the sum, which loaded backends do.
    public let similarity: Double?
    /// `nil` where the engine tells only the sum.
    public let keyword: Double?
    /// The words of the query that the record holds and that count, as the analyser gives them.
    public let words: [String]
    public let recency: Double
    public let date: Double
    /// `nil` where late interaction was asked for and there was nothing to compare: no model for
    /// tokens, or a backend that does not keep their bits.
    public let late: Double?
    public let spread: Double
    /// The id of the neighbouring record in the session that gave ``spread``.
    public let spreadFrom: String?

    /// - Parameter isLateMissing: whether late interaction was asked for and could not be computed.
    init(_ entry: BlendedOrder.Entry, words: [String], isLateMissing: Bool) {
        similarity = entry.similarity
        keyword = entry.keyword
        self.words = words
        recency = 0
        date = entry.date
        late = isLateMissing ? nil : entry.late
        spread = entry.spread
        spreadFrom = entry.giver
    }

    /// Of a hit that an engine has ranked by one of the other rankings, and told its score.
    ///
    /// - Parameters:
    ///   - hit: with its record and its score.
    ///   - ranking: the one that gave the score.
    ///   - text: of the query.
    ///   - analyzer: the one that made the words of the record.
    public init(_ hit: SearchHit, ranking: SearchQuery.Ranking, text: String, analyzer: TextAnalyzer = TextAnalyzer()) {
        let score = hit.score ?? 0
        var (similarity, keyword): (Double?, Double?) = (0, 0)
        var recency = 0.0
        var heldWords: [String] = []
        switch ranking {
        case .semantic, .blended: similarity = score
        case .semanticWithRecency(let weights):
            let part = weights.semantic * DistanceMetric.cosine.similarity(ofDistance: hit.distance)
            similarity = part
            recency = score - part
        case .keyword:
            keyword = score
            heldWords = Self.words(of: text, in: hit.record, analyzer)
        case .hybrid:
            (similarity, keyword) = (nil, nil)
            heldWords = Self.words(of: text, in: hit.record, analyzer)
        }
        self.init(similarity: similarity, keyword: keyword, words: heldWords, recency: recency)
    }

    /// Of a hit of a classic hybrid ranking (rule S6), by an engine that knows the whole value.
    ///
    /// - Parameters:
    ///   - record: of the hit.
    ///   - value: the sum of both parts, each with its weight.
    ///   - similarity: the part of the similarity; the rest is the keyword rank's.
    ///   - text: of the query.
    ///   - analyzer: the one that made the words of the record.
    public init(
        hybrid record: MemoryRecord, value: Double, similarity: Double, text: String,
        analyzer: TextAnalyzer = TextAnalyzer()
    ) {
        self.init(
            similarity: similarity, keyword: max(0, value - similarity),
            words: Self.words(of: text, in: record, analyzer), recency: 0)
    }

    private init(similarity: Double?, keyword: Double?, words: [String], recency: Double) {
        self.similarity = similarity
        self.keyword = keyword
        self.words = words
        self.recency = recency
        date = 0
        late = 0
        spread = 0
        spreadFrom = nil
    }

    /// The words of the query that the record holds.
    private static func words(of text: String, in record: MemoryRecord, _ analyzer: TextAnalyzer) -> [String] {
        let held = Set(analyzer.words(in: record.text).map(ExactString.init))
        return analyzer.query(text).words.filter { held.contains(ExactString($0)) }
    }

    /// Writes the object that the API shows.
    func write(to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("similarity", similarity)
            writer.member("keyword", keyword)
            writer.member("words", words)
            writer.member("recency", recency)
            writer.member("date", date)
            writer.member("late_interaction", late)
            writer.member("context", spread)
            writer.member("context_from", spreadFrom)
        }
    }
}
