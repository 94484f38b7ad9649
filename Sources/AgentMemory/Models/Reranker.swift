/// Says how well texts answer a query, by reading both together: a cross-encoder. Which model
/// answers is decided where the server is put together.
public protocol Reranker: Sendable {
    /// The model's name as messages show it.
    var model: String { get }

    /// One value for each text, in their order; the greater, the better. Values of one query can be
    /// compared, whatever call they come from.
    ///
    /// It ends within the deadline that the reranker was configured with.
    ///
    /// - Throws: ``MemoryError`` with code `timedOut` when that has passed, `internalError` for
    ///   every other failure; `CancellationError`.
    func scores(of texts: [String], for query: String) async throws -> [Double]

    /// Whether the model can answer now; `nil` when it can, otherwise why not, in one sentence
    /// without secrets.
    func unavailability() async -> String?
}

extension Reranker {
    /// ``scores(of:for:)`` with the answer checked: one finite value for each text.
    ///
    /// - Throws: ``MemoryError`` with code `internalError` that names the model.
    public func checkedScores(of texts: [String], for query: String) async throws -> [Double] {
        guard !texts.isEmpty else { return [] }
        let scores = try await scores(of: texts, for: query)
        guard scores.count == texts.count else {
            throw MemoryError(
                .internalError, "the reranking model \(model) answered \(scores.count) values for \(texts.count) texts")
        }
        guard scores.allSatisfy(\.isFinite) else {
            throw MemoryError(.internalError, "the reranking model \(model) answered a value that is not finite")
        }
        return scores
    }
}
