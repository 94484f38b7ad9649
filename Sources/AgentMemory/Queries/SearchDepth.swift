/// How far down a ranking a search reaches; this decides how many candidates an approximate engine
/// must examine.
///
/// The candidates depend on the depth alone, never on limit or offset within it, so that pages of
/// one depth fit together (rule P5).
public enum SearchDepth: Sendable, Equatable, CaseIterable {
    /// offset + limit up to 100.
    case shallow
    /// offset + limit up to 1,000.
    case deep
    /// offset + limit above 1,000: the engine scans exactly, however slow that is.
    case full

    public init(_ page: PageRequest) {
        switch page.end {
        case ...100: self = .shallow
        case ...1000: self = .deep
        default: self = .full
        }
    }

    /// A filter that matches at most this many records is in the exact zone: an exact scan finds
    /// its results (rule S4).
    public static let exactZone = 1000

    /// The most candidates at one distance with which the result of a graph index (HNSW) is
    /// trusted. With more of them every match is measured.
    ///
    /// A record of the graph has this many links in its lowest layer: twice M, whose default is 16
    /// in RediSearch and in pgvector. All links of equal vectors may lead to one another, so that a
    /// search neither leaves nor reaches them.
    public static let trustedEquals = 32

    /// Candidates of a plain semantic search; `nil` means all.
    public var semanticCandidates: Int? {
        switch self {
        case .shallow: 100
        case .deep: 1000
        case .full: nil
        }
    }

    /// Candidates of each of the two lists of a hybrid search (rule S6); `nil` means all.
    public var hybridCandidates: Int? {
        switch self {
        case .shallow: 200
        case .deep: 1000
        case .full: nil
        }
    }

    /// Nearest candidates that recency re-orders (rule S7); `nil` means all.
    public var recencyCandidates: Int? {
        switch self {
        case .shallow: 400
        case .deep: 4000
        case .full: nil
        }
    }
}
