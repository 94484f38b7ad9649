public import AgentMemory

/// What a search found.
public struct FoundMemories: Sendable {
    public let page: Page<SearchHit>
    /// `nil` where nothing was to be reranked: there is no such model, the request wants none, or
    /// it asks for a list.
    public let reranking: Reranking.Outcome?
    /// What became of the query; `nil` where the request did not ask for that, or for no
    /// explanation.
    public let optimization: QueryOptimization.Outcome?
    /// Those of each hit of the page, in the order of the hits; `nil` where they were not asked
    /// for.
    public let neighbors: [SessionNeighbors]?

    public var items: [SearchHit] { page.items }
    public var total: Int { page.total }
    public var nextOffset: Int? { page.nextOffset }
}
