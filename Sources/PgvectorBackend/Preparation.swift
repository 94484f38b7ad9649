import AgentMemory
import Synchronization

/// Sees to it that the schema is prepared once, by one task of this process, before anything uses it.
final class Preparation: Sendable {
    private enum Phase {
        case needed(last: MemoryError?)
        case running
        case done
    }

    private struct State {
        var phase = Phase.needed(last: nil)
        var hasSucceeded = false
    }

    private let state = Mutex(State())

    var isDone: Bool {
        state.withLock { if case .done = $0.phase { true } else { false } }
    }

    /// Whether it has succeeded at least once.
    var hasSucceeded: Bool { state.withLock(\.hasSucceeded) }

    /// The schema turned out to be missing.
    func invalidate() {
        state.withLock { if case .done = $0.phase { $0.phase = .needed(last: nil) } }
    }

    /// Runs `work`, again if it was done already; if another task does so now, waits for that first.
    func perform(_ work: () async throws -> Void) async throws {
        while !claim(evenIfDone: true) { try await Task.sleep(for: .milliseconds(20)) }
        try await run(work)
    }

    /// Waits until the schema is prepared; if nobody works on that, starts `work`, which goes on when the caller
    /// gives up.
    ///
    /// - Throws: the ``MemoryError`` of the attempt; `storeUnavailable` if it takes beyond the deadline.
    func wait(until deadline: ContinuousClock.Instant, _ work: @escaping @Sendable () async throws -> Void) async throws
    {
        // One attempt at a time, however many wait: callers that come while one runs share its end.
        if claim(evenIfDone: false) { Task { try await self.run(work) } }
        while true {
            switch state.withLock({ $0.phase }) {
            case .done: return
            case .needed(let last):
                throw last ?? MemoryError(.storeUnavailable, "the schema is missing and must be prepared again")
            case .running: break
            }
            guard .now < deadline else {
                throw MemoryError(.storeUnavailable, "the schema or the vector index is still being prepared")
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// Runs what this task has claimed.
    private func run(_ work: () async throws -> Void) async throws {
        do {
            try await work()
            state.withLock {
                $0.phase = .done
                $0.hasSucceeded = true
            }
        } catch {
            state.withLock { $0.phase = .needed(last: error as? MemoryError) }
            throw error
        }
    }

    /// - Returns: whether the work is now this task's to do.
    private func claim(evenIfDone: Bool) -> Bool {
        state.withLock { state in
            switch state.phase {
            case .running: return false
            case .done where !evenIfDone: return false
            case .done, .needed:
                state.phase = .running
                return true
            }
        }
    }
}
