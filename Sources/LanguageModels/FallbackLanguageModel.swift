public import AgentMemory
public import ModelServices

/// A language model with another one that is asked where it has no answer.
///
/// The second model gets the time that is left, which is half of it at least: the first one has no
/// more. Each counts its calls by itself. What both are bound by (calls at the same time, tokens an
/// hour, whose texts may be sent) does not lead to the second.
///
/// An error about one prompt is a reason: another model may have an answer, and where the service
/// refuses every prompt in this way, such as one without credit, it has. If neither has one, the
/// error that comes back is about the prompt if that of one of them is, so that one message that a
/// model refuses does not hold up others for as long as the other model is down.
public struct FallbackLanguageModel: LanguageModel {
    private let first: MeteredLanguageModel
    private let second: MeteredLanguageModel
    private let clock: ServiceClock

    /// - Parameters:
    ///   - first: asked first; views know both by its name.
    ///   - second: another model with the same limits and the same reach.
    ///   - clock: of the time limits.
    public init(_ first: MeteredLanguageModel, else second: MeteredLanguageModel, clock: ServiceClock = .real) {
        self.first = first
        self.second = second
        self.clock = clock
    }

    public var model: String { first.model }
    public var reach: LanguageReach { first.reach }

    public func answer(_ request: LanguageRequest) async throws -> LanguageAnswer {
        do {
            return try await answerOfEither(request)
        } catch let refusal as SharedRefusal {
            throw refusal.error
        }
    }

    private func answerOfEither(_ request: LanguageRequest) async throws -> LanguageAnswer {
        let end = clock.elapsed() + request.timeLimit
        let failure: MemoryError
        do {
            return try await first.attempt(request.limited(to: request.timeLimit / 2))
        } catch let error as MemoryError where error.isOfLanguageModel {
            failure = error
        }
        // A call that was given up may also end with another error.
        try Task.checkCancellation()
        let left = end - clock.elapsed()
        guard left > .zero else { throw failure }
        do {
            return try await second.attempt(request.limited(to: left))
        } catch let error as MemoryError where error.isOfLanguageModel {
            throw Self.failure(failure, error)
        }
    }

    /// The error of a call that neither model has answered.
    private static func failure(_ first: MemoryError, _ second: MemoryError) -> MemoryError {
        if let ofPrompt = [first, second].first(where: \.concernsPrompt) { return ofPrompt }
        return MemoryError(
            // Both must refuse the key before only another setting helps.
            first.code == second.code ? first.code : .languageModelFailed, "\(first.message); \(second.message)")
    }

    public func unavailability() async -> String? {
        guard let first = await first.unavailability(), let second = await second.unavailability() else { return nil }
        return first == second ? first : "\(first); \(second)"
    }

    public var usage: [LanguageUsage] { first.usage + second.usage }
}

extension MemoryError {
    /// Whether another model may answer what this one did not.
    fileprivate var isOfLanguageModel: Bool {
        switch code {
        case .languageModelFailed, .languageModelRefused, .languageModelRefusedPrompt, .languageModelUnusable,
            .timedOut:
            true
        case .invalidInput, .invalidCombination, .forbidden, .notFound, .conflict, .preconditionFailed, .unsupported,
            .storeUnavailable, .embeddingFailed, .embeddingRefused, .misconfigured, .internalError:
            false
        }
    }
}
