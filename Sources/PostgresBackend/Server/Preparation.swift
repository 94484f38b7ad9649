import AgentMemory
import Synchronization

/// Ensures that a part of the store is prepared once, by one task of this process, before it is
/// used.
///
/// One preparation may depend on another: if the lower one must be repeated, so must the upper one.
final class Preparation: Sendable {
    private enum Phase {
        case needed(last: MemoryError?)
        case running
        /// - Parameter basis: the ``invalidations`` of the preparation that this one depends on.
        case done(basis: Int)
    }

    private struct State {
        var phase = Phase.needed(last: nil)
        var hasSucceeded = false
        /// Why the last attempt failed, until one succeeds.
        var failure: MemoryError?
        var invalidations = 0
    }

    private let base: Preparation?
    private let state = Mutex(State())

    init(on base: Preparation? = nil) {
        self.base = base
    }

    var isDone: Bool {
        let basis = base?.invalidations ?? 0
        return state.withLock { Self.isDone($0.phase, basis) }
    }

    /// Whether it has succeeded at least once.
    var hasSucceeded: Bool { state.withLock(\.hasSucceeded) }

    /// Why it is not done, for operators: the failure of the last attempt, also while the next one
    /// runs.
    var reason: String {
        state.withLock(\.failure).map { "not prepared: \($0.message)" } ?? "still being prepared"
    }

    private var invalidations: Int { state.withLock(\.invalidations) }

    /// The schema turned out to be missing, so that this and what it depends on must be prepared
    /// again.
    func invalidate() {
        base?.invalidate()
        state.withLock { state in
            guard case .done = state.phase else { return }
            state.phase = .needed(last: nil)
            state.invalidations += 1
        }
    }

    /// Runs `work`; if another task does so now, waits for that first.
    ///
    /// - Parameter evenIfDone: whether to run it again after it has succeeded.
    func perform(evenIfDone: Bool, _ work: () async throws -> Void) async throws {
        while !claim(evenIfDone: evenIfDone) {
            if !evenIfDone, isDone { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        try await run(work)
    }

    /// Waits until the work is done; if it is not in progress, starts `work`, which continues if
    /// the caller is cancelled.
    ///
    /// - Throws: the ``MemoryError`` of the attempt; `storeUnavailable` if it takes longer than the
    ///   deadline.
    func wait(until deadline: ContinuousClock.Instant, _ work: @escaping @Sendable () async throws -> Void) async throws
    {
        // One attempt at a time: concurrent callers share its result.
        if claim(evenIfDone: false) { Task { try await self.run(work) } }
        while !isDone {
            switch state.withLock({ $0.phase }) {
            case .needed(let last?): throw last
            case .needed, .done:
                throw MemoryError(.storeUnavailable, "the schema is missing and must be prepared again")
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
        let basis = base?.invalidations ?? 0
        do {
            try await work()
            state.withLock {
                $0.phase = .done(basis: basis)
                $0.hasSucceeded = true
                $0.failure = nil
            }
        } catch {
            state.withLock {
                $0.phase = .needed(last: error as? MemoryError)
                $0.failure = error as? MemoryError ?? $0.failure
            }
            throw error
        }
    }

    /// - Returns: whether the work is now this task's to do.
    private func claim(evenIfDone: Bool) -> Bool {
        let basis = base?.invalidations ?? 0
        return state.withLock { state in
            if case .running = state.phase { return false }
            if !evenIfDone, Self.isDone(state.phase, basis) { return false }
            state.phase = .running
            return true
        }
    }

    private static func isDone(_ phase: Phase, _ basis: Int) -> Bool {
        if case .done(let made) = phase { made == basis } else { false }
    }
}
