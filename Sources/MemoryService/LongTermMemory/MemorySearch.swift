public import AgentMemory

/// A search as a client requests it: possibly without a text, possibly with its page re-ordered by
/// recency.
public struct MemorySearch: Sendable, Equatable {
    /// `nil` requests a list.
    public private(set) var query: SearchQuery?
    public let filter: MemoryFilter
    public let page: PageRequest
    /// The weights by which the page is re-ordered; `nil` keeps the engine's order.
    public let recencyBoost: RecencyWeights?
    /// Whether a reranking model orders the first hits; `nil` is yes where there is one.
    public let reranks: Bool?
    /// How many memories on each side of a hit in its session are shown with it; 0 for none.
    public let neighbors: Int
    /// Whether a language model may rewrite the query.
    public var optimizesQuery = false

    /// - Parameters:
    ///   - text: blank or absent requests a list.
    /// - Throws: ``MemoryError`` as ``SearchQuery``, and with code `invalidInput` for a number of
    ///   neighbours that is none of ``SessionNeighbors/reaches``.
    public init(
        text: String?, ranking: SearchQuery.Ranking, filter: MemoryFilter, page: PageRequest,
        recencyBoost: RecencyWeights?, explains: Bool = false, reranks: Bool? = nil, neighbors: Int = 0
    ) throws(MemoryError) {
        guard SessionNeighbors.reaches.contains(neighbors) else {
            throw .invalid(
                "include_neighbors", "include_neighbors must be between 0 and \(SessionNeighbors.reaches.upperBound)")
        }
        if let text, !SearchQuery.isBlank(text) {
            query = try SearchQuery(text: text, ranking: ranking, filter: filter, page: page, explains: explains)
        } else {
            query = nil
        }
        self.filter = filter
        self.page = page
        self.recencyBoost = recencyBoost
        self.reranks = reranks
        self.neighbors = neighbors
    }

    /// The same search for another text; a list has none and stays as it is.
    func searching(for text: String) throws(MemoryError) -> MemorySearch {
        var search = self
        search.query = try query?.searching(for: text)
        return search
    }
}
