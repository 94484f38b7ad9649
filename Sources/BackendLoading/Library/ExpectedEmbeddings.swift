import AgentMemory
import BackendProtocol
import Synchronization

/// The embeddings that a backend will probably request: those of the texts in the request.
///
/// A request for them through the server's threads and back costs more than the rest of a short
/// call. So if a backend has requested them once in an operation, they are computed before its next
/// call. A backend that never requests them, because it embeds by other means, causes no cost; one
/// that stops requesting them is noticed at the first call.
final class ExpectedEmbeddings: Sendable {
    private struct Expectation {
        let operation: BackendOperation
        let texts: [String]
        /// `nil` if they were not computed in advance.
        let vectors: [[Float]]?
        var wasAsked = false
    }

    private struct State {
        /// Operations in which the backend requested the embeddings of the texts.
        var asking: Set<BackendOperation> = []
        var calls: [UInt64: Expectation] = [:]
    }

    private let state = Mutex(State())

    /// The vectors of `texts`, if they are likely to be needed.
    ///
    /// - Throws: the embedder's error: then the call would fail too.
    func vectors(
        of texts: [String], for operation: BackendOperation, by embedder: any Embedder
    ) async throws -> [[Float]]? {
        guard !texts.isEmpty, state.withLock({ $0.asking.contains(operation) }) else { return nil }
        return try await embedder.checkedEmbeddings(of: texts)
    }

    /// Starts the call with this number.
    func begin(_ call: UInt64, _ operation: BackendOperation, texts: [String], vectors: [[Float]]?) {
        guard !texts.isEmpty else { return }
        state.withLock { $0.calls[call] = Expectation(operation: operation, texts: texts, vectors: vectors) }
    }

    /// The vectors that were computed in advance, if the backend requests exactly these texts.
    func take(_ call: UInt64, texts: [String]) -> [[Float]]? {
        state.withLock { state in
            guard let expectation = state.calls[call],
                expectation.texts.map(ExactString.init) == texts.map(ExactString.init)
            else { return nil }
            state.calls[call]?.wasAsked = true
            state.asking.insert(expectation.operation)
            return expectation.vectors
        }
    }

    /// The call has ended.
    func end(_ call: UInt64) {
        state.withLock { state in
            guard let expectation = state.calls.removeValue(forKey: call) else { return }
            if expectation.vectors != nil, !expectation.wasAsked { state.asking.remove(expectation.operation) }
        }
    }
}
