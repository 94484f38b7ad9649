/// A store of long-term memories with vector search: what every backend implements, built in or
/// loaded.
///
/// ``Store/name`` is the name that the factory setting uses. ``Store/health()`` has the components
/// `store` and `index`.
///
/// The project's contract (`Documentation/contract.md`) defines the operations, rule by rule;
/// the conformance kit checks them. Values that reach a backend are valid by construction, so a
/// backend checks nothing about them again.
///
/// All calls may run at the same time. Each call ends within the deadline that the backend was
/// configured with, and a cancelled task ends its call early with `CancellationError`; every other
/// failure is a ``MemoryError``.
public protocol MemoryVectorDatabase: Store {
    /// What the backend can do in addition to semantic search and filters. A request for a
    /// capability that it does not have is refused with code `unsupported`, never ignored.
    var capabilities: BackendCapabilities { get }

    /// Stores records whole, replacing those whose id exists; of an id given twice the last one
    /// counts. All or nothing.
    ///
    /// - Returns: the ids in the order given, one for each input record. Searchable once returned.
    func add(_ records: [MemoryRecord]) async throws -> [String]

    /// A ranked page of the matching records with the exact total.
    func search(_ query: SearchQuery) async throws -> Page<SearchHit>

    /// A page of the matching records, newest first, with the exact total.
    func list(_ query: ListQuery) async throws -> Page<MemoryRecord>

    /// How many records match.
    func count(_ filter: MemoryFilter) async throws -> Int

    /// The memories around stored ones in their sessions, one bounded read for all of them (rule
    /// S10).
    ///
    /// - Parameters:
    ///   - records: as they are stored.
    ///   - reach: how many on each side; of ``SessionNeighbors/reaches``.
    /// - Returns: one for each record, in their order.
    func neighbors(of records: [MemoryRecord], reach: Int) async throws -> [SessionNeighbors]

    /// Removes records.
    ///
    /// - Returns: how many there were; unknown ids are ignored and a repeated id counts once.
    func delete(_ ids: [String]) async throws -> Int

    /// Changes single fields, each record atomically against updates of its other fields; all or
    /// nothing per call. Embeds again only if the text changes; computes the memory hash again if
    /// one of its fields changes.
    ///
    /// - Returns: how many records changed. An unknown id is not created and not counted. A record
    ///   whose ``RecordChanges/Access`` is not due is not counted either.
    func update(_ updates: [RecordUpdate]) async throws -> Int
}

/// What a backend can do in addition to the core.
public struct BackendCapabilities: Sendable, Equatable {
    public let keywordSearch: Bool
    public let hybridSearch: Bool
    /// Recency ranking inside the backend (rule S7).
    public let serverSideRecency: Bool
    public let distanceThreshold: Bool
    /// Whether filters may have conditions on metadata (rule F11).
    public let metadataFilters: Bool
    /// Whether records may have ``MemoryRecord/expiresAt`` (chapter X). An ``ExpiringDatabase``
    /// leaves the hiding to ``CheckedDatabase``; any other backend does it itself.
    public let expiry: Bool
    /// Whether ``MemoryVectorDatabase/search(_:)`` takes the ranking `blended`. For other backends
    /// ``CheckedDatabase`` finds the candidates by their semantic and their keyword search.
    public internal(set) var blendedSearch: Bool
    /// Whether the backend is an ``OpaqueBytesDatabase``: it keeps what late interaction compares.
    public let opaqueBytes: Bool
    /// The scorers that keyword and hybrid search accept; `bm25std` is always among them if there
    /// is keyword search.
    public let textScorers: Set<TextScorer>

    public init(
        keywordSearch: Bool = true, hybridSearch: Bool = true, serverSideRecency: Bool = true,
        distanceThreshold: Bool = true, metadataFilters: Bool = false, expiry: Bool = false,
        blendedSearch: Bool = false, opaqueBytes: Bool = false, textScorers: Set<TextScorer> = [.bm25std]
    ) {
        self.keywordSearch = keywordSearch
        self.hybridSearch = hybridSearch
        self.serverSideRecency = serverSideRecency
        self.distanceThreshold = distanceThreshold
        self.metadataFilters = metadataFilters
        self.expiry = expiry
        self.blendedSearch = blendedSearch
        self.opaqueBytes = opaqueBytes
        self.textScorers = textScorers
    }

    /// Refuses a filter that needs a capability the backend does not have.
    ///
    /// - Throws: ``MemoryError`` with code `unsupported` that names the parameter.
    public func check(_ filter: MemoryFilter, backend: String) throws(MemoryError) {
        guard !metadataFilters, !filter.metadata.isEmpty else { return }
        throw MemoryError(
            .unsupported, "the backend \(backend) does not support filters on metadata", path: [.key("metadata")])
    }

    /// Refuses an expiry that the backend would not heed.
    ///
    /// - Throws: ``MemoryError`` with code `unsupported` that names the parameter.
    func checkExpiry(isGiven: Bool, backend: String) throws(MemoryError) {
        guard isGiven, !expiry else { return }
        throw MemoryError(
            .unsupported, "the backend \(backend) does not support expires_at", path: [.key("expires_at")])
    }

    /// Refuses a query that needs a capability the backend does not have.
    ///
    /// - Throws: ``MemoryError`` with code `unsupported` that names the parameter.
    public func check(_ ranking: SearchQuery.Ranking, backend: String) throws(MemoryError) {
        func refuse(_ field: String, _ what: String) -> MemoryError {
            MemoryError(.unsupported, "the backend \(backend) does not support \(what)", path: [.key(field)])
        }
        switch ranking {
        case .semantic(let threshold):
            if threshold != nil, !distanceThreshold { throw refuse("distance_threshold", "distance_threshold") }
        case .semanticWithRecency:
            if !serverSideRecency { throw refuse("server_side_recency", "server_side_recency") }
        case .keyword(let scorer):
            if !keywordSearch { throw refuse("search_mode", "keyword search") }
            if !textScorers.contains(scorer) { throw refuse("text_scorer", "the text scorer \(scorer.rawValue)") }
        case .blended(let ranking):
            if !blendedSearch { throw refuse("search_mode", "blended ranking") }
            guard case .hybrid(let alpha, let scorer) = ranking.base else { return }
            try check(.hybrid(alpha: alpha, scorer), backend: backend)
        case .hybrid(_, let scorer):
            if !hybridSearch { throw refuse("search_mode", "hybrid search") }
            if !textScorers.contains(scorer) { throw refuse("text_scorer", "the text scorer \(scorer.rawValue)") }
        }
    }
}
