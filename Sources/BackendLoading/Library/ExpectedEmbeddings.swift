import AgentMemory
import BackendProtocol
import Synchronization

/// The embeddings that a backend will most likely ask for: those of the texts in the request.
///
/// When it asks, the way through the server's threads and back costs more than all else about a
/// short call. So what a backend has asked for once with an operation is made before its next call,
/// and is there when it asks. A backend that never asks, because it embeds by other means, costs
/// nothing; one that stops asking is noticed with the first call.
final class ExpectedEmbeddings: Sendable {
    private struct Expectation {
        let operation: BackendOperation
        let texts: [String]
        /// `nil` where they were not made in advance.
        let vectors: [[Float]]?
        var wasAsked = false
    }

    private struct State {
        /// Operations with which the backend asked for the texts of the request.
        var asking: Set<BackendOperation> = []
        var calls: [UInt64: Expectation] = [:]
    }

    private let state = Mutex(State())

    /// The vectors of `texts`, if they are worth making before the call.
    ///
    /// - Throws: what the embedder throws: then the call would fail, too.
    func vectors(
        of texts: [String], for operation: BackendOperation, by embedder: any Embedder
    ) async throws -> [[Float]]? {
        guard !texts.isEmpty, state.withLock({ $0.asking.contains(operation) }) else { return nil }
        return try await embedder.checkedEmbeddings(of: texts)
    }

    /// The call with this number begins.
    func begin(_ call: UInt64, _ operation: BackendOperation, texts: [String], vectors: [[Float]]?) {
        guard !texts.isEmpty else { return }
        state.withLock { $0.calls[call] = Expectation(operation: operation, texts: texts, vectors: vectors) }
    }

    /// The vectors that were made in advance, if the backend asks for just these texts.
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
