public import AgentMemory
import Metering
import ModelServices
import Synchronization

/// A language model whose cost is bounded and counted: calls at the same time, tokens an hour, and
/// no calls for a while after several have failed.
///
/// A call that would exceed a bound fails at once with `languageModelFailed`: searches go on
/// without the model. A text that no model may be sent is refused, where who asks has not left it
/// out.
public final class MeteredLanguageModel: LanguageModel {
    /// So many failures one after another end the calls for ``pause``.
    static let failuresUntilPause = 5
    static let pause = Duration.seconds(30)
    /// Namespaces that are counted by themselves; further ones are counted together.
    static let maximumNamespaces = 1000

    private struct State {
        var usage: [UsageKey: UsageCount] = [:]
        var failures = 0
        var restsUntil: Duration?
        var inWork = 0
        var durations: [LanguageTask: DurationHistogram] = [:]
    }

    public var model: String { wrapped.model }
    public let reach: LanguageReach

    private let wrapped: any AnsweringModel
    private let limits: LanguageLimits
    private let clock: ServiceClock
    private let state = Mutex(State())

    init(
        _ wrapped: any AnsweringModel, limits: LanguageLimits, reach: LanguageReach = .everything,
        clock: ServiceClock
    ) {
        self.wrapped = wrapped
        self.limits = limits
        self.reach = reach
        self.clock = clock
    }

    public func answer(_ request: LanguageRequest) async throws -> LanguageAnswer {
        do {
            return try await attempt(request)
        } catch let refusal as SharedRefusal {
            throw refusal.error
        }
    }

    /// As ``answer(_:)``.
    ///
    /// - Throws: ``SharedRefusal`` for what holds for all models of the server.
    func attempt(_ request: LanguageRequest) async throws -> LanguageAnswer {
        let start = try begin(request)
        do {
            let answer = try await wrapped.answer(request)
            end(request, since: start, .answered, tokens: answer.tokens)
            return answer
        } catch {
            end(request, since: start, Outcome(error))
            throw error
        }
    }

    /// What a call says about the service.
    private enum Outcome {
        case answered
        /// It does not work.
        case failed
        /// It works, and has no answer to this prompt: other prompts need not rest for it.
        case refusedPrompt
        /// Nothing: the call was given up.
        case cancelled

        init(_ error: any Error) {
            self =
                switch error {
                case is CancellationError: .cancelled
                case let error as MemoryError where error.concernsPrompt: .refusedPrompt
                default: .failed
                }
        }
    }

    public func unavailability() async -> String? {
        let reason = rest()?.message ?? limits.usedUp(at: clock.elapsed())?.message
        return if let reason { reason } else { await wrapped.unavailability() }
    }

    public var usage: [LanguageUsage] {
        state.withLock(\.usage).map { key, count in
            LanguageUsage(
                model: model, task: key.task, namespace: key.namespace?.value, calls: count.calls,
                failures: count.failures,
                tokens: count.tokens)
        }.sorted { a, b in
            let (first, second) = (ExactString(a.namespace ?? ""), ExactString(b.namespace ?? ""))
            return a.task != b.task ? a.task.rawValue < b.task.rawValue : first < second
        }
    }

    /// Whether the model is not asked now, whatever the request.
    var isResting: Bool { rest() != nil || wrapped.isPaused }

    /// The tokens of the last hour, and their limit.
    var hour: (used: Int, limit: Int?) { limits.hour(at: clock.elapsed()) }

    /// Calls that have begun and not ended.
    var callsInWork: Int { state.withLock(\.inWork) }

    /// Of the ended calls with all their attempts, by task.
    var durations: [LanguageTask: DurationHistogram] { state.withLock(\.durations) }

    /// - Returns: when the call has begun.
    /// - Throws: ``SharedRefusal``; ``MemoryError`` if this model cannot be asked now.
    private func begin(_ request: LanguageRequest) throws -> Duration {
        guard reach.contains(request) else { throw SharedRefusal.outOfReach }
        if let error = rest() ?? wrapped.refusal(of: request) { throw error }
        let now = clock.elapsed()
        try limits.begin(at: now, model: model)
        state.withLock { $0.inWork += 1 }
        return now
    }

    /// Why the model is not asked now, if it failed too often.
    private func rest() -> MemoryError? {
        let now = clock.elapsed()
        guard let end = state.withLock(\.restsUntil), now < end else { return nil }
        return MemoryError(
            .languageModelFailed,
            "the language model \(model) failed \(Self.failuresUntilPause) times in a row; it is asked again in \((end - now).components.seconds + 1) s"
        )
    }

    private func end(
        _ request: LanguageRequest, since start: Duration, _ outcome: Outcome, tokens: TokenCount = TokenCount()
    ) {
        let now = clock.elapsed()
        limits.end(tokens, at: now)
        state.withLock { state in
            state.inWork -= 1
            state.durations[request.task, default: DurationHistogram(DurationHistogram.boundsOfCalls)]
                .record(now - start)
            var key = UsageKey(task: request.task, namespace: request.namespace.map(ExactString.init))
            if state.usage[key] == nil, state.usage.count >= Self.maximumNamespaces {
                key = UsageKey(task: request.task, namespace: ExactString("(others)"))
            }
            var count = state.usage[key] ?? UsageCount()
            count.calls += 1
            if outcome == .failed || outcome == .refusedPrompt { count.failures += 1 }
            count.tokens = count.tokens + tokens
            state.usage[key] = count
            switch outcome {
            case .answered: state.failures = 0
            case .failed: state.failures += 1
            case .refusedPrompt, .cancelled: break
            }
            guard state.failures >= Self.failuresUntilPause else { return }
            state.failures = 0
            state.restsUntil = now + Self.pause
        }
    }

    private struct UsageKey: Hashable {
        let task: LanguageTask
        let namespace: ExactString?
    }

    private struct UsageCount {
        var calls = 0
        var failures = 0
        var tokens = TokenCount()
    }
}
