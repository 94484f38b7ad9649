import AgentMemory
import Metering
import ModelServices
import Synchronization

/// Measures how long the calls of a model take, with all their attempts.
final class TimedLanguageModel: AnsweringModel {
    private struct State {
        var inWork = 0
        var durations: [LanguageTask: DurationHistogram] = [:]
    }

    private let base: any AnsweringModel
    private let clock: ServiceClock
    private let state = Mutex(State())

    init(_ base: any AnsweringModel, clock: ServiceClock) {
        self.base = base
        self.clock = clock
    }

    var model: String { base.model }
    var isPaused: Bool { base.isPaused }
    /// Calls that have begun and not ended.
    var callsInWork: Int { state.withLock(\.inWork) }
    /// Of ended calls, by task.
    var durations: [LanguageTask: DurationHistogram] { state.withLock(\.durations) }

    func answer(_ request: LanguageRequest) async throws -> LanguageAnswer {
        let start = clock.elapsed()
        state.withLock { $0.inWork += 1 }
        defer {
            let duration = clock.elapsed() - start
            state.withLock { state in
                state.inWork -= 1
                state.durations[request.task, default: DurationHistogram(DurationHistogram.boundsOfCalls)]
                    .record(duration)
            }
        }
        return try await base.answer(request)
    }

    func refusal(of request: LanguageRequest) -> MemoryError? { base.refusal(of: request) }
    func unavailability() async -> String? { await base.unavailability() }
}
