/// A record that may be among the best, with what the ranking of rule S11 needs of it.
public struct RankingCandidate: Sendable, Equatable {
    public let id: String
    /// As the engine measures it.
    public let distance: Double
    /// How often the record holds each of ``CandidateQuery/words``.
    public let frequencies: [Int]
    /// The record's number of words, repeated ones included.
    public let length: Int
    /// Any date where ``CandidateQuery/needsDates`` and ``CandidateQuery/needsSessions`` are false.
    public let createdAt: Timestamp
    /// Any date where ``CandidateQuery/needsDates`` is false.
    public let eventDate: Timestamp?
    /// `nil` for a record without a session, and where ``CandidateQuery/needsSessions`` is false.
    public let session: RankingSession?

    public init(
        id: String, distance: Double, frequencies: [Int], length: Int, createdAt: Timestamp, eventDate: Timestamp?,
        session: RankingSession?
    ) {
        self.id = id
        self.distance = distance
        self.frequencies = frequencies
        self.length = length
        self.createdAt = createdAt
        self.eventDate = eventDate
        self.session = session
    }
}

/// The session that a record belongs to: ids are unique within a user and a namespace.
public struct RankingSession: Sendable, Hashable {
    private let namespace: ExactString?
    private let userID: ExactString?
    private let sessionID: ExactString

    /// `nil` without a session id.
    public init?(namespace: String?, userID: String?, sessionID: String?) {
        guard let sessionID else { return nil }
        self.namespace = namespace.map(ExactString.init)
        self.userID = userID.map(ExactString.init)
        self.sessionID = ExactString(sessionID)
    }
}

/// What a backend is asked for: the records that may be among the best.
public struct CandidateQuery: Sendable {
    public let vector: [Float]
    public let filter: MemoryFilter
    /// Every one of them must stand in a candidate; as ``KeywordQuery/phrases``.
    public let phrases: [[String]]
    /// The words whose frequencies are wanted.
    public let words: [String]
    /// Those of ``words`` by which records are found in addition to the nearest ones; none where
    /// only similarity finds.
    public let keywords: [String]
    public let depth: SearchDepth
    /// Whether the query names a date, with which those of the candidates are compared.
    public let needsDates: Bool
    /// Whether neighbours in a session matter, which are in the order of their creation.
    public let needsSessions: Bool

    /// How many candidates of each kind, the nearest and the best by keyword; `nil` is every
    /// matching record, which it is in the exact zone.
    ///
    /// - Parameter matches: how many records match the filter and have the phrases.
    public func poolSize(matches: Int) -> Int? {
        guard matches > SearchDepth.exactZone else { return nil }
        return switch depth {
        case .shallow: matches < 10_000 ? 200 : 400
        case .deep: 1000
        case .full: nil
        }
    }
}

/// The candidates of a search.
public struct CandidateSet: Sendable {
    /// How many records match the filter and have the phrases.
    public let total: Int
    public let candidates: [RankingCandidate]
    /// How many of the matching records hold each of ``CandidateQuery/words``; `nil` where the
    /// candidates are all matching records, which are counted then.
    public let containing: [Int]?

    public init(total: Int, candidates: [RankingCandidate], containing: [Int]?) {
        self.total = total
        self.candidates = candidates
        self.containing = containing
    }
}
