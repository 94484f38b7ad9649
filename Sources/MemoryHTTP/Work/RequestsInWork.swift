import Hummingbird
public import ServiceLifecycle
import Synchronization

/// Bounds how many requests are processed at the same time, and how long each may take.
///
/// A request counts from the moment its body is complete, so that clients that send slowly take no
/// place. It counts until its work has ended: what goes on after its deadline, because a store does
/// not react to the cancellation, keeps its place.
///
/// Deadlines hold while the service runs.
public final class RequestsInWork: Service {
    public struct Limits: Sendable {
        /// Requests that are processed at the same time; default 1024. Others get 503.
        public var count = 1024
        /// How long a request may take once its body is complete; default 300 s. Then it gets 503
        /// and is cancelled.
        public var timeout: Duration = .seconds(300)
        /// How answers name ``count`` and ``timeout``, as the operator can set them.
        public var names = (count: "count", timeout: "timeout")

        public init() {}
    }

    private struct Waiting {
        let deadline: ContinuousClock.Instant
        let answer: CheckedContinuation<Response, any Error>
        var work: Task<Void, Never>?
    }

    private struct State {
        var inWork = 0
        var lastID = 0
        /// The requests that have no answer yet.
        var waiting: [Int: Waiting] = [:]
        var refusals = (full: 0, late: 0)
    }

    private let limits: Limits
    private let state = Mutex(State())

    public init(limits: Limits = Limits()) {
        self.limits = limits
    }

    /// Requests that got 503 since the start: those without a place, and those whose time was over.
    var refusals: (full: Int, late: Int) { state.withLock(\.refusals) }

    /// Answers requests whose time is over, until the server shuts down.
    public func run() async throws {
        let interval = max(.milliseconds(10), min(.seconds(1), limits.timeout / 20))
        try? await cancelWhenGracefulShutdown {
            while true {
                try await Task.sleep(for: interval)
                self.endOverdue()
            }
        }
    }

    /// Processes a request whose body is complete.
    ///
    /// - Parameter executor: what it runs on.
    /// - Returns: the response of `operation`, or 503 if there is no place or the time is over.
    /// - Throws: what `operation` throws.
    func process(
        on executor: any TaskExecutor, _ operation: @escaping @Sendable () async throws -> Response
    ) async throws -> Response {
        let id: Int? = state.withLock { state in
            guard state.inWork < limits.count else {
                state.refusals.full += 1
                return nil
            }
            state.inWork += 1
            state.lastID += 1
            return state.lastID
        }
        guard let id else { return full }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                state.withLock { state in
                    state.waiting[id] = Waiting(deadline: .now + limits.timeout, answer: continuation)
                }
                let work = Task(executorPreference: executor) {
                    let result: Result<Response, any Error>
                    do { result = .success(try await operation()) } catch { result = .failure(error) }
                    let waiting = self.state.withLock { state in
                        state.inWork -= 1
                        return state.waiting.removeValue(forKey: id)
                    }
                    waiting?.answer.resume(with: result)
                }
                state.withLock { $0.waiting[id]?.work = work }
                // Cancelled before the handler below could find the task.
                if Task.isCancelled { work.cancel() }
            }
        } onCancel: {
            state.withLock { $0.waiting[id]?.work }?.cancel()
        }
    }

    private func endOverdue() {
        let now = ContinuousClock.now
        let overdue = state.withLock { state in
            let overdue = state.waiting.filter { $0.value.deadline <= now }
            for id in overdue.keys { state.waiting[id] = nil }
            state.refusals.late += overdue.count
            return overdue.values
        }
        for request in overdue {
            request.work?.cancel()
            request.answer.resume(returning: late)
        }
    }

    private var full: Response {
        var response = Response.error(
            .serviceUnavailable,
            "the server has as many requests in work as it may (\(limits.names.count)); try again in a moment")
        response.headers[.retryAfter] = "1"
        return response
    }

    private var late: Response {
        .error(
            .serviceUnavailable,
            "the request took longer than it may (\(limits.names.timeout)); a write may have been done or not")
    }
}
