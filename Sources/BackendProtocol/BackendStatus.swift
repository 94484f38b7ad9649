public import AgentMemory

/// The status of a call across the border: the numbers of `memory_backend.h`, the words of the
/// Python bridge.
public enum BackendStatus: Int32, Sendable, CaseIterable {
    case ok = 0
    case invalidInput = 1
    case unsupported = 2
    case storeUnavailable = 3
    case timedOut = 4
    case embeddingFailed = 5
    case misconfigured = 6
    case internalError = 7
    case cancelled = 8

    /// As frames of the Python bridge spell it, such as `store_unavailable`.
    public var word: String {
        switch self {
        case .ok: "ok"
        case .invalidInput: "invalid_input"
        case .unsupported: "unsupported"
        case .storeUnavailable: "store_unavailable"
        case .timedOut: "timed_out"
        case .embeddingFailed: "embedding_failed"
        case .misconfigured: "misconfigured"
        case .internalError: "internal_error"
        case .cancelled: "cancelled"
        }
    }

    public init?(word: String) {
        guard let status = Self.allCases.first(where: { $0.word == word }) else { return nil }
        self = status
    }

    /// The status of an error that crosses the border. Codes that a backend never returns become
    /// `internalError`.
    public init(_ error: any Error) {
        guard let error = error as? MemoryError else {
            self = error is CancellationError ? .cancelled : .internalError
            return
        }
        self =
            switch error.code {
            case .invalidInput, .invalidCombination: .invalidInput
            case .unsupported: .unsupported
            case .storeUnavailable: .storeUnavailable
            case .timedOut: .timedOut
            case .embeddingFailed, .embeddingRefused: .embeddingFailed
            case .misconfigured: .misconfigured
            case .internalError, .forbidden, .notFound, .conflict, .preconditionFailed, .languageModelFailed,
                .languageModelRefused, .languageModelRefusedPrompt, .languageModelUnusable:
                .internalError
            }
    }

    /// The error code for this status; `nil` for ``ok`` and ``cancelled``.
    public var errorCode: MemoryError.Code? {
        switch self {
        case .ok, .cancelled: nil
        case .invalidInput: .invalidInput
        case .unsupported: .unsupported
        case .storeUnavailable: .storeUnavailable
        case .timedOut: .timedOut
        case .embeddingFailed: .embeddingFailed
        case .misconfigured: .misconfigured
        case .internalError: .internalError
        }
    }
}
