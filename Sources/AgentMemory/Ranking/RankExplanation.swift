/// What the score of a hit is made of. Parts that a ranking does not have are 0.
///
/// Of a blended ranking (rule S11) each part comes with its weight; their sum is the value, and the
/// score is that divided by the best one.
public struct RankExplanation: Sendable, Equatable {
    /// `nil` where the engine tells only the sum.
    public let similarity: Double?
    /// `nil` where the engine tells only the sum.
    public let keyword: Double?
    /// The words of the query that the record holds and that count, as the analyser gives them.
    public let words: [String]
    public let recency: Double
    public let date: Double
    public let late: Double
    public let spread: Double
    /// The id of the neighbouring record in the session that gave ``spread``.
    public let spreadFrom: String?

    init(_ entry: BlendedOrder.Entry, words: [String]) {
        similarity = entry.similarity
        keyword = entry.keyword
        self.words = words
        recency = 0
        date = entry.date
        late = entry.late
        spread = entry.spread
        spreadFrom = entry.giver
    }

    /// Of a hit that an engine has ranked by one of the other rankings.
    public init(_ hit: SearchHit, ranking: SearchQuery.Ranking, text: String, analyzer: TextAnalyzer = TextAnalyzer()) {
        let score = hit.score ?? 0
        var (similarity, keyword): (Double?, Double?) = (0, 0)
        var recency = 0.0
        var findsWords = false
        switch ranking {
        case .semantic, .blended: similarity = score
        case .semanticWithRecency(let weights):
            let part = weights.semantic * DistanceMetric.cosine.similarity(ofDistance: hit.distance)
            similarity = part
            recency = score - part
        case .keyword:
            keyword = score
            findsWords = true
        case .hybrid:
            (similarity, keyword) = (nil, nil)
            findsWords = true
        }
        self.similarity = similarity
        self.keyword = keyword
        self.recency = recency
        if findsWords {
            let held = Set(analyzer.words(in: hit.record.text).map(ExactString.init))
            words = analyzer.query(text).words.filter { held.contains(ExactString($0)) }
        } else {
            words = []
        }
        date = 0
        late = 0
        spread = 0
        spreadFrom = nil
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
