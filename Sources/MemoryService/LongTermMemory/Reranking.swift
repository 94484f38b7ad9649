public import AgentMemory
public import Logging

/// Orders the best hits of a search by a reranking model.
///
/// The first ``depth`` hits of the whole order are reranked, whatever page is asked for, so that
/// pages fit together; those after them follow in the order that they had. If the model does not
/// answer, all keep the order that they had.
public struct Reranking: Sendable {
    /// How many hits are reranked.
    public static let depth = 50

    /// What became of it, for one search.
    public enum Outcome: Sendable, Equatable {
        /// With the model's value for each reranked hit of the page, by its id.
        case done([ExactString: Double])
        /// The order is that of the search, for this reason.
        case left(String)
    }

    private let reranker: any Reranker
    private let logger: Logger

    public init(by reranker: any Reranker, logger: Logger) {
        self.reranker = reranker
        self.logger = logger
    }

    /// The model's name.
    public var model: String { reranker.model }

    /// The part of the readiness that concerns the model; searches work without it.
    public func health() async -> ComponentHealth {
        ComponentHealth("reranker", version: reranker.model, warning: await reranker.unavailability())
    }

    /// One page of a search whose first hits are reranked.
    ///
    /// - Parameter search: searches for one page.
    func page(
        of query: SearchQuery, _ search: (SearchQuery) async throws -> Page<SearchHit>
    ) async throws -> (page: Page<SearchHit>, outcome: Outcome) {
        let page = query.page
        guard page.offset < Self.depth else {
            return (try await search(query), .left("only the first \(Self.depth) hits of a search are reranked"))
        }
        let beginning = try await search(
            query.paged(by: PageRequest(limit: max(Self.depth, page.end))))
        var hits = beginning.items
        let outcome = try await rerank(&hits, for: query.text)
        let shown = Array(hits.dropFirst(page.offset).prefix(page.limit))
        let nextOffset = hits.count > page.end ? page.end : beginning.nextOffset
        return (Page(items: shown, total: beginning.total, nextOffset: nextOffset), outcome.only(shown))
    }

    private func rerank(_ hits: inout [SearchHit], for query: String) async throws -> Outcome {
        let best = hits.prefix(Self.depth)
        let scores: [Double]
        do {
            scores = try await reranker.checkedScores(of: best.map(\.record.text), for: query)
        } catch let error as MemoryError {
            logger.warning("a search was not reranked", metadata: ["error": "\(error)"])
            // Without the message, which may quote the service.
            return .left(
                error.code == .timedOut
                    ? "the reranking model did not answer in time" : "the reranking model failed; the log says why")
        }
        // Swift's sort promises no stability, the position does.
        let order = scores.indices.sorted { scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1 }
        hits.replaceSubrange(..<best.count, with: order.map { best[$0] })
        return .done(
            Dictionary(zip(best.map { ExactString($0.record.id) }, scores), uniquingKeysWith: { first, _ in first }))
    }
}

extension SearchQuery.Ranking {
    /// Whether a reranking model orders the hits unless the request says otherwise: with recency in
    /// the ranking, an order by the texts alone is not what was asked for.
    var canBeReranked: Bool {
        if case .semanticWithRecency = self { false } else { true }
    }
}

extension Reranking.Outcome {
    /// The model's value for a hit; `nil` if it was not reranked.
    public func score(of hit: SearchHit) -> Double? {
        guard case .done(let scores) = self else { return nil }
        return scores[ExactString(hit.record.id)]
    }

    /// Without the values of hits that are not shown.
    fileprivate func only(_ hits: [SearchHit]) -> Reranking.Outcome {
        guard case .done(let scores) = self else { return self }
        let shown = Set(hits.map { ExactString($0.record.id) })
        return .done(scores.filter { shown.contains($0.key) })
    }
}
