public import AgentMemory

/// A search as a client asks for it: perhaps without a text, perhaps with its page re-ordered by
/// recency.
public struct MemorySearch: Sendable, Equatable {
    /// `nil` asks for a list.
    public let query: SearchQuery?
    public let filter: MemoryFilter
    public let page: PageRequest
    /// The weights by which the page that was found is re-ordered; `nil` leaves the engine's order.
    public let recencyBoost: RecencyWeights?
    /// Whether a reranking model orders the first hits; `nil` is yes where there is one.
    public let reranks: Bool?
    /// How many memories on each side of a hit in its session are shown with it; 0 for none.
    public let neighbors: Int

    /// - Parameters:
    ///   - text: blank or absent asks for a list.
    /// - Throws: ``MemoryError`` as ``SearchQuery``, and with code `invalidInput` for a number of
    ///   neighbours that is none of ``SessionNeighbors/reaches``.
    public init(
        text: String?, ranking: SearchQuery.Ranking, filter: MemoryFilter, page: PageRequest,
        recencyBoost: RecencyWeights?, reranks: Bool? = nil, neighbors: Int = 0
    ) throws(MemoryError) {
        guard SessionNeighbors.reaches.contains(neighbors) else {
            throw .invalid(
                "include_neighbors", "include_neighbors must be between 0 and \(SessionNeighbors.reaches.upperBound)")
        }
        if let text, !SearchQuery.isBlank(text) {
            query = try SearchQuery(text: text, ranking: ranking, filter: filter, page: page)
        } else {
            query = nil
        }
        self.filter = filter
        self.page = page
        self.recencyBoost = recencyBoost
        self.reranks = reranks
        self.neighbors = neighbors
    }
}
