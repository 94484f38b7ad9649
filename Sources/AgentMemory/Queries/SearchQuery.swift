/// A ranked search: what to look for, how to rank, among which records, and which page.
public struct SearchQuery: Sendable, Equatable {
    /// How the matching records are ranked; each case has its own parameters.
    public enum Ranking: Sendable, Equatable {
        /// Nearest first. `distanceThreshold` keeps records with dist <= threshold (0 or more).
        case semantic(distanceThreshold: Double?)
        /// Nearest and freshest first (rule S7), computed by the backend.
        case semanticWithRecency(RecencyWeights)
        /// By the words they share with the query (rule S5).
        case keyword(TextScorer)
        /// alpha * similarity + (1 - alpha) * relative keyword rank (rule S6); alpha between 0 and
        /// 1.
        case hybrid(alpha: Double, TextScorer)
        /// By all that speaks for a record (rule S11).
        case blended(BlendedRanking)

        /// Whether the core ranks candidates of the backend.
        public var isBlended: Bool {
            if case .blended = self { true } else { false }
        }
    }

    /// Never blank: a search without a text is a list (rule S1).
    public let text: String
    public let ranking: Ranking
    public let filter: MemoryFilter
    public let page: PageRequest
    /// Whether the hits of a blended ranking say what their values are made of.
    public let explains: Bool

    /// - Throws: ``MemoryError`` with code `invalidInput` for a blank text, an alpha outside 0...1,
    ///   or a threshold that is negative or not finite.
    public init(
        text: String, ranking: Ranking, filter: MemoryFilter = .everything, page: PageRequest, explains: Bool = false
    ) throws(MemoryError) {
        guard !Self.isBlank(text) else { throw .invalid("text", "text must not be empty") }
        guard !text.utf8.contains(0) else { throw .invalid("text", "text must not contain the NUL character") }
        switch ranking {
        case .semantic(let threshold?):
            guard threshold.isFinite, threshold >= 0 else {
                throw .invalid("distance_threshold", "distance_threshold must be a number from 0 on")
            }
        case .hybrid(let alpha, _):
            guard (0...1).contains(alpha) else {
                throw .invalid("hybrid_alpha", "hybrid_alpha must be between 0 and 1")
            }
        case .semantic(nil), .semanticWithRecency, .keyword, .blended: break
        }
        self.text = text
        self.ranking = ranking
        self.filter = filter
        self.page = page
        self.explains = explains
    }

    /// The same search among other records.
    public func filtered(by filter: MemoryFilter) throws(MemoryError) -> SearchQuery {
        try SearchQuery(text: text, ranking: ranking, filter: filter, page: page, explains: explains)
    }

    /// The same search for another text.
    public func searching(for text: String) throws(MemoryError) -> SearchQuery {
        try SearchQuery(text: text, ranking: ranking, filter: filter, page: page, explains: explains)
    }

    /// Another page of the same search.
    public func paged(by page: PageRequest) throws(MemoryError) -> SearchQuery {
        try SearchQuery(text: text, ranking: ranking, filter: filter, page: page, explains: explains)
    }

    /// Whether a search for `text` is a list (rule S1).
    public static func isBlank(_ text: String) -> Bool { FieldRules.isBlank(text) }

    public var depth: SearchDepth { SearchDepth(page) }
}

/// An ordered enumeration of the matching records: created_at descending, then id ascending by
/// bytes (rule P1).
public struct ListQuery: Sendable, Equatable {
    public let filter: MemoryFilter
    public let page: PageRequest

    public init(filter: MemoryFilter = .everything, page: PageRequest) {
        self.filter = filter
        self.page = page
    }
}

/// The scoring functions that RediSearch names. `bm25std` is what the contract means by keyword
/// rank (``KeywordRank``); a backend says in its capabilities which others it has.
public enum TextScorer: String, Sendable, CaseIterable, Hashable {
    case bm25std = "BM25STD"
    case bm25 = "BM25"
    case bm25stdNorm = "BM25STD.NORM"
    case bm25stdTanh = "BM25STD.TANH"
    case tfidf = "TFIDF"
    case tfidfDocnorm = "TFIDF.DOCNORM"
    case dismax = "DISMAX"
    case docscore = "DOCSCORE"
    case hamming = "HAMMING"

    /// The scorers that the backends of this package accept, the same in each. HAMMING compares
    /// payloads, which records do not have.
    public static let offered = Set(allCases).subtracting([.hamming])
}

/// One record of a search result.
public struct SearchHit: Sendable, Equatable {
    public enum ScoreType: String, Sendable {
        case semantic, keyword, hybrid
    }

    public let record: MemoryRecord
    /// The engine's distance in semantic mode, 1 - score in the others, 0 in a list.
    public let distance: Double
    /// 0 to 1, or `nil` in a list.
    public let score: Double?
    public let scoreType: ScoreType?
    /// What the score is made of, where the query asked for it.
    public let explanation: RankExplanation?

    /// A hit of a list, which has no rank.
    public init(listed record: MemoryRecord) {
        self.record = record
        distance = 0
        score = nil
        scoreType = nil
        explanation = nil
    }

    /// A hit by vector distance: score = max(0, 1 - distance), never above 1 (rule S2).
    public init(_ record: MemoryRecord, distance: Double) {
        self.record = record
        self.distance = distance
        score = min(1, max(0, 1 - distance))
        scoreType = .semantic
        explanation = nil
    }

    /// A hit by a rank relative to the best one, 0 to 1; dist = 1 - score (rules S5, S6).
    public init(_ record: MemoryRecord, relativeScore: Double, _ type: ScoreType) {
        self.record = record
        distance = 1 - relativeScore
        score = relativeScore
        scoreType = type
        explanation = nil
    }

    /// The same hit with what its score is made of.
    public func explained(by explanation: RankExplanation) -> SearchHit {
        SearchHit(record, distance: distance, score: score, scoreType: scoreType, explanation: explanation)
    }

    /// A hit with all that it has: of a blended ranking, or as another server answered it.
    public init(
        _ record: MemoryRecord, distance: Double, score: Double?, scoreType: ScoreType?,
        explanation: RankExplanation? = nil
    ) {
        self.record = record
        self.distance = distance
        self.score = score
        self.scoreType = scoreType
        self.explanation = explanation
    }

    /// A hit whose score is not a function of its distance (rule S7).
    public init(_ record: MemoryRecord, distance: Double, recencyScore: Double) {
        self.record = record
        self.distance = distance
        score = recencyScore
        scoreType = .semantic
        explanation = nil
    }
}
