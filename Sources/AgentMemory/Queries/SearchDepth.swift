/// How far down a ranking a search reaches, which decides how many candidates an approximate engine
/// must look at.
///
/// The candidates depend on the depth alone, never on limit or offset within it: so pages of one
/// depth fit together (rule P5).
public enum SearchDepth: Sendable, Equatable, CaseIterable {
    /// offset + limit up to 100
    case shallow
    /// up to 1,000
    case deep
    /// beyond: the engine scans exactly, however slow that is
    case full

    public init(_ page: PageRequest) {
        switch page.end {
        case ...100: self = .shallow
        case ...1000: self = .deep
        default: self = .full
        }
    }

    /// A filter that matches at most this many records is in the exact zone: it is answered by an
    /// exact scan (rule S4).
    public static let exactZone = 1000

    /// The most candidates at one distance with which the answer of a graph index (HNSW) is
    /// trusted; with more of them every match is measured.
    ///
    /// A record of the graph has this many links in its lowest layer: twice M, whose default is 16
    /// in RediSearch and in pgvector. All links of equal vectors may lead to one another, so that a
    /// search neither leaves nor reaches them.
    public static let trustedEquals = 32

    /// Candidates of a plain semantic search; `nil` is all.
    public var semanticCandidates: Int? {
        switch self {
        case .shallow: 100
        case .deep: 1000
        case .full: nil
        }
    }

    /// Candidates of each of the two lists of a hybrid search (rule S6); `nil` is all.
    public var hybridCandidates: Int? {
        switch self {
        case .shallow: 200
        case .deep: 1000
        case .full: nil
        }
    }

    /// Nearest candidates that recency re-orders (rule S7); `nil` is all.
    public var recencyCandidates: Int? {
        switch self {
        case .shallow: 400
        case .deep: 4000
        case .full: nil
        }
    }
}
