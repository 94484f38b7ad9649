import AgentMemory

extension MemoryError {
    /// What a client can do after a write whose response was lost.
    enum Advice: String {
        case again = "sending the same request again does no harm"
        case againWithIDs = "sending the same request again does no harm if its messages have ids"
    }

    /// Runs a write, and completes an error of the store or the embedding service with whether the
    /// write may have been done.
    static func tellingOutcome<Value: Sendable>(
        _ advice: Advice, _ write: () async throws -> Value
    ) async throws -> Value {
        do {
            return try await write()
        } catch let error as MemoryError {
            switch error.code {
            case .storeUnavailable, .timedOut, .embeddingFailed, .embeddingRefused, .languageModelFailed,
                .languageModelRefused, .languageModelRefusedPrompt, .languageModelUnusable:
                throw error.tellingOutcome(advice)
            case .invalidInput, .invalidCombination, .forbidden, .notFound, .conflict, .preconditionFailed,
                .unsupported,
                .misconfigured, .internalError:
                throw error
            }
        }
    }

    private func tellingOutcome(_ advice: Advice) -> MemoryError {
        let outcome =
            mayHaveBeenDone
            ? "it is not known whether anything was written, and \(advice.rawValue)" : "nothing was written"
        return MemoryError(
            code, "\(message); \(outcome)", path: path, underlying: underlying, mayHaveBeenDone: mayHaveBeenDone)
    }

    /// Runs a step without writes, of a call that writes later.
    static func beforeAnyWrite<Value: Sendable>(_ read: () async throws -> Value) async throws -> Value {
        do {
            return try await read()
        } catch let error as MemoryError {
            throw error.beforeAnyWrite
        }
    }
}
