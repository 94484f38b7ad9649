import AgentMemory
import BackendProtocol
import Synchronization

/// The calls that wait for a result from beyond the border, by number. Each call ends exactly once,
/// whatever the other side does: with its result, at its deadline, or when its task is cancelled.
final class PendingCalls: Sendable {
    /// The reply to a call.
    struct Reply: Sendable {
        enum Content: Sendable {
            /// Unparsed.
            case text([UInt8])
            /// `nil` if it was not JSON.
            case value(JSONValue?)
        }

        /// A number of ``BackendStatus``, if the backend follows the protocol.
        let status: Int32
        let content: Content
    }

    /// The use of a reply.
    enum Reception: Sendable, Equatable {
        case taken
        /// The call had ended before: a second reply, or a late one.
        case late
        case neverMade
    }

    private struct Call {
        let continuation: CheckedContinuation<Reply, any Error>
        let operation: BackendOperation
        let backend: String
        let giveUp: @Sendable (UInt64) -> Void
        var deadline: ContinuousClock.Instant
        /// While the server embeds for this call, its clock is stopped.
        var embeddings = 0
        var embeddingSince: ContinuousClock.Instant?
        /// Why the embedding service refuses permanently; the border has no status for that.
        var refusal: MemoryError?
        /// Whether the other side has the call, and so can be told that it is abandoned.
        var isStarted = false
        /// The server's task for the call; cancelled when the call ends.
        var work: [Task<Void, Never>] = []
    }

    private struct State {
        var lastNumber: UInt64 = 0
        var calls: [UInt64: Call] = [:]
        /// Whether a task checks for expired calls.
        var isWatched = false
    }

    private let state = Mutex(State())
    /// Of each call, without its embeddings.
    let timeout: Duration

    /// - Parameter timeout: of each call, without its embeddings.
    init(timeout: Duration) {
        self.timeout = timeout
    }

    /// Sends a call and waits for its end.
    ///
    /// - Parameters:
    ///   - backend: its name, for errors.
    ///   - send: gets the call's number; must not block.
    ///   - giveUp: gets the number of a call that was started and then abandoned; must not block.
    /// - Throws: ``MemoryError`` with code `timedOut`; `CancellationError`; what ``failAll(_:)``
    ///   was given.
    func perform(
        _ operation: BackendOperation, backend: String, send: @Sendable (UInt64) -> Void,
        giveUp: @escaping @Sendable (UInt64) -> Void
    ) async throws -> Reply {
        let number = state.withLock { state in
            state.lastNumber += 1
            return state.lastNumber
        }
        let cancel: @Sendable () -> Void = { self.abandon(number, .failure(CancellationError())) }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                state.withLock {
                    $0.calls[number] = Call(
                        continuation: continuation, operation: operation, backend: backend, giveUp: giveUp,
                        deadline: .now + timeout)
                }
                // Cancelled before the call was registered.
                if Task.isCancelled { return cancel() }
                startWatch()
                send(number)
            }
        } onCancel: {
            cancel()
        }
    }

    /// The other side is about to get the call.
    ///
    /// - Returns: the milliseconds that the call has left; `nil` if it has ended already.
    func start(_ number: UInt64) -> Int? {
        state.withLock { state in
            guard let deadline = state.calls[number]?.deadline else { return nil }
            state.calls[number]?.isStarted = true
            return max(1, Int((deadline - .now) / .milliseconds(1)))
        }
    }

    /// Cancels the task when the call ends; at once if it has ended. An unknown number (0) lets it
    /// run.
    func end(_ task: Task<Void, Never>, with number: UInt64) {
        let isKept = state.withLock { state in
            guard state.calls[number] != nil else { return number == 0 || number > state.lastNumber }
            state.calls[number]?.work.append(task)
            return true
        }
        if !isKept { task.cancel() }
    }

    /// Completes a call with its reply.
    func answer(_ number: UInt64, _ reply: Reply) -> Reception {
        let refusal = state.withLock { $0.calls[number]?.refusal }
        var result: Result<Reply, any Error> = .success(reply)
        if let refusal, reply.status == BackendStatus.embeddingFailed.rawValue { result = .failure(refusal) }
        if end(number, result) { return .taken }
        return state.withLock { number > 0 && number <= $0.lastNumber } ? .late : .neverMade
    }

    /// Ends every call with `error`.
    func failAll(_ error: MemoryError) {
        for number in state.withLock({ Array($0.calls.keys) }) { _ = end(number, .failure(error)) }
    }

    /// The server starts to embed for a call; its clock stops. Numbers of ended calls are ignored.
    func beginEmbedding(_ number: UInt64) {
        state.withLock { state in
            guard var call = state.calls[number] else { return }
            call.embeddings += 1
            if call.embeddings == 1 { call.embeddingSince = .now }
            state.calls[number] = call
        }
    }

    /// The server could not embed for a call. If that is permanent, the call fails with this error
    /// if the backend passes it on.
    func embeddingFailed(_ number: UInt64, _ error: any Error) {
        guard let error = error as? MemoryError, error.code == .embeddingRefused else { return }
        state.withLock { $0.calls[number]?.refusal = error }
    }

    /// The server has embedded for a call.
    func endEmbedding(_ number: UInt64) {
        state.withLock { state in
            guard var call = state.calls[number], call.embeddings > 0 else { return }
            call.embeddings -= 1
            if call.embeddings == 0, let since = call.embeddingSince {
                call.deadline += ContinuousClock.now - since
                call.embeddingSince = nil
            }
            state.calls[number] = call
        }
    }

    private func end(_ number: UInt64, _ result: Result<Reply, any Error>) -> Bool {
        guard let call = state.withLock({ $0.calls.removeValue(forKey: number) }) else { return false }
        for task in call.work { task.cancel() }
        call.continuation.resume(with: result)
        return true
    }

    /// Ends a call that the other side may still be processing, and notifies it.
    private func abandon(_ number: UInt64, _ result: Result<Reply, any Error>) {
        let call = state.withLock { $0.calls[number] }
        if end(number, result), let call, call.isStarted { call.giveUp(number) }
    }

    /// Ensures that a task watches the deadlines of all calls. One task for all, and only while
    /// there are calls: a timer for each would cost more than the rest of a short call.
    private func startWatch() {
        let isNew = state.withLock { state in
            defer { state.isWatched = true }
            return !state.isWatched
        }
        guard isNew else { return }
        Task {
            // Calls may take this much longer than they should.
            let pause = min(max(timeout / 20, .milliseconds(5)), .milliseconds(50))
            repeat { try? await Task.sleep(for: pause) } while endOverdue()
        }
    }

    /// Ends the expired calls.
    ///
    /// - Returns: whether there are others to watch.
    private func endOverdue() -> Bool {
        let now = ContinuousClock.now
        let (overdue, isWatched) = state.withLock { state in
            // While the server embeds for a call, the embedding's own deadline applies.
            let overdue = state.calls.filter { $1.embeddings == 0 && $1.deadline <= now }
            state.isWatched = overdue.count < state.calls.count
            return (overdue, state.isWatched)
        }
        for (number, call) in overdue {
            let error = MemoryError(
                .timedOut, "the backend \(call.backend) did not respond to \(call.operation.rawValue) within \(timeout)"
            )
            abandon(number, .failure(error))
        }
        return isWatched
    }
}
