import AgentMemory
import Synchronization

/// The limits that all language models of a server share: calls at the same time, and tokens an
/// hour.
final class LanguageLimits: Sendable {
    private struct State {
        var calls = 0
        var meter = HourlyMeter()
    }

    private let concurrency: Int
    private let tokensPerHour: Int?
    private let budgetName: String
    private let state = Mutex(State())

    /// - Parameters:
    ///   - tokensPerHour: `nil` for no limit.
    ///   - budgetName: how messages name it.
    init(concurrency: Int, tokensPerHour: Int?, budgetName: String) {
        self.concurrency = concurrency
        self.tokensPerHour = tokensPerHour
        self.budgetName = budgetName
    }

    /// Counts a call that begins.
    ///
    /// - Throws: ``SharedRefusal`` with code `languageModelFailed` if a limit is reached.
    func begin(at now: Duration, model: String) throws(SharedRefusal) {
        let refusal = state.withLock { state -> MemoryError? in
            if let error = usedUp(&state, at: now) { return error }
            guard state.calls < concurrency else {
                return MemoryError(
                    .languageModelFailed,
                    "the language model \(model) cannot be asked: \(concurrency) calls run already")
            }
            state.calls += 1
            return nil
        }
        if let refusal { throw SharedRefusal(error: refusal) }
    }

    /// Counts a call that has ended.
    func end(_ tokens: TokenCount, at now: Duration) {
        state.withLock { state in
            state.calls -= 1
            state.meter.add(tokens, at: now)
        }
    }

    /// The tokens of the last hour, and their limit.
    func hour(at now: Duration) -> (used: Int, limit: Int?) {
        (state.withLock { $0.meter.total(at: now) }, tokensPerHour)
    }

    /// The error of calls if the tokens of an hour are used up.
    func usedUp(at now: Duration) -> MemoryError? {
        state.withLock { usedUp(&$0, at: now) }
    }

    private func usedUp(_ state: inout State, at now: Duration) -> MemoryError? {
        guard let tokensPerHour, state.meter.total(at: now) >= tokensPerHour else { return nil }
        return MemoryError(
            .languageModelFailed, "the \(tokensPerHour) tokens of an hour are used up (\(budgetName))")
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
