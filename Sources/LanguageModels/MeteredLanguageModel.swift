public import AgentMemory
import ModelServices
import Synchronization

/// A language model whose cost is bounded and counted: calls at the same time, tokens an hour, and
/// no calls for a while after several have failed.
///
/// A call that would exceed a bound fails at once with `languageModelFailed`: searches go on
/// without the model.
public final class MeteredLanguageModel: LanguageModel {
    /// So many failures one after another end the calls for ``pause``.
    static let failuresUntilPause = 5
    static let pause = Duration.seconds(30)
    /// Namespaces that are counted by themselves; further ones are counted together.
    static let maximumNamespaces = 1000

    private struct State {
        var calls = 0
        var meter = HourlyMeter()
        var usage: [UsageKey: UsageCount] = [:]
        var failures = 0
        var restsUntil: Duration?
    }

    public var model: String { wrapped.model }

    private let wrapped: any AnsweringModel
    private let concurrency: Int
    private let tokensPerHour: Int?
    private let budgetName: String
    private let clock: ServiceClock
    private let state = Mutex(State())

    init(
        _ wrapped: any AnsweringModel, concurrency: Int, tokensPerHour: Int?, budgetName: String, clock: ServiceClock
    ) {
        self.wrapped = wrapped
        self.concurrency = concurrency
        self.tokensPerHour = tokensPerHour
        self.budgetName = budgetName
        self.clock = clock
    }

    public func answer(_ request: LanguageRequest) async throws -> LanguageAnswer {
        try begin()
        do {
            let answer = try await wrapped.answer(request)
            end(request, tokens: answer.tokens, failed: false)
            return answer
        } catch {
            // A call that was given up says nothing about the service.
            end(request, tokens: TokenCount(), failed: !(error is CancellationError))
            throw error
        }
    }

    public func unavailability() async -> String? {
        let budget = state.withLock { boundReached(&$0)?.message }
        return if let budget { budget } else { await wrapped.unavailability() }
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

    private func begin() throws(MemoryError) {
        let refusal = state.withLock { state -> MemoryError? in
            if let reached = boundReached(&state) { return reached }
            guard state.calls < concurrency else {
                return MemoryError(
                    .languageModelFailed, "the language model \(model) answers \(concurrency) calls already")
            }
            state.calls += 1
            return nil
        }
        if let refusal { throw refusal }
    }

    private func boundReached(_ state: inout State) -> MemoryError? {
        let now = clock.elapsed()
        if let end = state.restsUntil, now < end {
            return MemoryError(
                .languageModelFailed,
                "the language model \(model) failed \(Self.failuresUntilPause) times in a row; it is asked again in \((end - now).components.seconds + 1) s"
            )
        }
        if let tokensPerHour, state.meter.total(at: now) >= tokensPerHour {
            return MemoryError(
                .languageModelFailed, "the \(tokensPerHour) tokens of an hour are used up (\(budgetName))")
        }
        return nil
    }

    private func end(_ request: LanguageRequest, tokens: TokenCount, failed: Bool) {
        state.withLock { state in
            let now = clock.elapsed()
            state.calls -= 1
            state.meter.add(tokens, at: now)
            var key = UsageKey(task: request.task, namespace: request.namespace.map(ExactString.init))
            if state.usage[key] == nil, state.usage.count >= Self.maximumNamespaces {
                key = UsageKey(task: request.task, namespace: ExactString("(others)"))
            }
            var count = state.usage[key] ?? UsageCount()
            count.calls += 1
            count.failures += failed ? 1 : 0
            count.tokens = count.tokens + tokens
            state.usage[key] = count
            state.failures = failed ? state.failures + 1 : 0
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

/// The tokens of the last 60 minutes, minute by minute.
struct HourlyMeter {
    private var minutes: [Int: TokenCount] = [:]

    mutating func add(_ tokens: TokenCount, at time: Duration) {
        let minute = Int(time.components.seconds / 60)
        minutes[minute] = (minutes[minute] ?? TokenCount()) + tokens
        forget(before: minute)
    }

    mutating func total(at time: Duration) -> Int {
        forget(before: Int(time.components.seconds / 60))
        return minutes.values.reduce(TokenCount(), +).total
    }

    private mutating func forget(before minute: Int) {
        minutes = minutes.filter { $0.key > minute - 60 }
    }
}
