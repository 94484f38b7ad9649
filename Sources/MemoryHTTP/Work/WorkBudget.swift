import DequeModule
import Synchronization

/// The bytes of large bodies and responses that may be processed at the same time.
///
/// A request for more than the remaining bytes waits in turn, for a bounded time.
final class WorkBudget: Sendable {
    /// The bytes that one request holds; they return to the budget with the last reference.
    final class Share: Sendable {
        private let budget: WorkBudget
        private let held: Mutex<Int>

        fileprivate init(_ budget: WorkBudget, _ bytes: Int) {
            self.budget = budget
            held = Mutex(bytes)
        }

        deinit { budget.release(held.withLock(\.self)) }

        var bytes: Int { held.withLock(\.self) }

        /// Makes the share at least `bytes` large.
        ///
        /// - Throws: ``Exhausted`` after `patience`.
        func grow(to bytes: Int, patience: Duration) async throws(Exhausted) {
            let missing = min(bytes, budget.total) - self.bytes
            guard missing > 0 else { return }
            let more = try await budget.share(missing, patience: patience)
            let taken = more.held.withLock { held in
                defer { held = 0 }
                return held
            }
            held.withLock { $0 += taken }
        }
    }

    /// The remaining budget was too small for too long.
    struct Exhausted: Error {}

    private struct Waiter {
        let id: Int
        let bytes: Int
        let continuation: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var used = 0
        var nextID = 0
        var waiters: Deque<Waiter> = []
        /// Requests that wait or are about to, and those whose wait was cancelled.
        var asking: Set<Int> = []
        var givenUp: Set<Int> = []
    }

    /// All bytes of the budget.
    let total: Int
    private let state = Mutex(State())

    init(bytes: Int) {
        total = bytes
    }

    var used: Int { state.withLock(\.used) }

    /// Takes `bytes` at once, even if fewer remain.
    func overdraw(_ bytes: Int) -> Share {
        state.withLock { $0.used += bytes }
        return Share(self, bytes)
    }

    /// Takes `bytes` once they are available, in the order of the requests. A request for more than
    /// the whole budget gets the whole.
    ///
    /// - Throws: ``Exhausted`` after `patience`.
    func share(_ bytes: Int, patience: Duration) async throws(Exhausted) -> Share {
        let bytes = min(bytes, total)
        let id: Int? = state.withLock { state in
            if state.waiters.isEmpty, state.used + bytes <= total {
                state.used += bytes
                return nil
            }
            state.nextID += 1
            state.asking.insert(state.nextID)
            return state.nextID
        }
        if let id {
            let timeout = Task {
                guard (try? await Task.sleep(for: patience)) != nil else { return }
                giveUp(id)
            }
            defer {
                timeout.cancel()
                state.withLock { state in
                    state.asking.remove(id)
                    state.givenUp.remove(id)
                }
            }
            guard await wait(id, for: bytes) else { throw Exhausted() }
        }
        return Share(self, bytes)
    }

    private func wait(_ id: Int, for bytes: Int) async -> Bool {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let outcome: Bool? = state.withLock { state in
                    if state.givenUp.contains(id) { return false }
                    if state.waiters.isEmpty, state.used + bytes <= total {
                        state.used += bytes
                        return true
                    }
                    state.waiters.append(Waiter(id: id, bytes: bytes, continuation: continuation))
                    return nil
                }
                if let outcome { continuation.resume(returning: outcome) }
            }
        } onCancel: {
            giveUp(id)
        }
    }

    private func giveUp(_ id: Int) {
        let waiter: Waiter? = state.withLock { state in
            guard let index = state.waiters.firstIndex(where: { $0.id == id }) else {
                if state.asking.contains(id) { state.givenUp.insert(id) }
                return nil
            }
            return state.waiters.remove(at: index)
        }
        waiter?.continuation.resume(returning: false)
        // A later request for fewer bytes may be able to continue.
        if waiter != nil { release(0) }
    }

    private func release(_ bytes: Int) {
        let served: [Waiter] = state.withLock { state in
            state.used -= bytes
            var served: [Waiter] = []
            while let first = state.waiters.first, state.used + first.bytes <= total {
                state.used += first.bytes
                served.append(state.waiters.removeFirst())
            }
            return served
        }
        for waiter in served { waiter.continuation.resume(returning: true) }
    }
}
