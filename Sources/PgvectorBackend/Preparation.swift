import AgentMemory
import Synchronization

/// Sees to it that the schema is prepared once, by one task of this process, before anything uses it.
final class Preparation: Sendable {
    private enum State {
        case needed(last: MemoryError?)
        case running
        case done
    }

    private let state = Mutex(State.needed(last: nil))

    var isDone: Bool {
        state.withLock { if case .done = $0 { true } else { false } }
    }

    /// The schema turned out to be missing.
    func invalidate() {
        state.withLock { if case .done = $0 { $0 = .needed(last: nil) } }
    }

    /// Runs `work`; if another task does so now, waits for it first.
    ///
    /// - Parameter onlyIfNeeded: nothing is run if the other task has succeeded.
    func perform(onlyIfNeeded: Bool = false, _ work: () async throws -> Void) async throws {
        while true {
            switch claim(onlyIfNeeded: onlyIfNeeded) {
            case .done: return
            case .running: try await Task.sleep(for: .milliseconds(20))
            case .needed:
                do {
                    try await work()
                    return state.withLock { $0 = .done }
                } catch {
                    state.withLock { $0 = .needed(last: error as? MemoryError) }
                    throw error
                }
            }
        }
    }

    /// Waits until the schema is prepared; if nobody works on that, starts `work`, which goes on when the caller
    /// gives up.
    ///
    /// - Throws: the ``MemoryError`` of the attempt; `storeUnavailable` if it takes beyond the deadline.
    func wait(until deadline: ContinuousClock.Instant, _ work: @escaping @Sendable () async throws -> Void) async throws
    {
        // What failed before this call is no news.
        state.withLock { if case .needed = $0 { $0 = .needed(last: nil) } }
        Task { try? await self.perform(onlyIfNeeded: true, work) }
        while true {
            switch state.withLock({ $0 }) {
            case .done: return
            case .needed(let last?): throw last
            case .needed, .running: break
            }
            guard .now < deadline else {
                throw MemoryError(.storeUnavailable, "the schema or the vector index is still being prepared")
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// The state before; if work was needed, it is now this task's to do.
    private func claim(onlyIfNeeded: Bool) -> State {
        state.withLock { state in
            switch state {
            case .running: return .running
            case .done where onlyIfNeeded: return .done
            case .done, .needed:
                state = .running
                return .needed(last: nil)
            }
        }
    }
}
