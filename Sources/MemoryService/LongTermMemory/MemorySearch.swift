public import AgentMemory

/// A search as a client requests it: possibly without a text, possibly with its page re-ordered by
/// recency.
public struct MemorySearch: Sendable, Equatable {
    /// `nil` requests a list.
    public let query: SearchQuery?
    public let filter: MemoryFilter
    public let page: PageRequest
    /// The weights by which the page is re-ordered; `nil` keeps the engine's order.
    public let recencyBoost: RecencyWeights?

    /// - Parameters:
    ///   - text: blank or absent requests a list.
    /// - Throws: ``MemoryError`` as ``SearchQuery``.
    public init(
        text: String?, ranking: SearchQuery.Ranking, filter: MemoryFilter, page: PageRequest,
        recencyBoost: RecencyWeights?, explains: Bool = false
    ) throws(MemoryError) {
        if let text, !SearchQuery.isBlank(text) {
            query = try SearchQuery(text: text, ranking: ranking, filter: filter, page: page, explains: explains)
        } else {
            query = nil
        }
        self.filter = filter
        self.page = page
        self.recencyBoost = recencyBoost
    }
}
