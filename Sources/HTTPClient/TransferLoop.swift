import CCurl
import Logging
import Synchronization
import SystemThreads

/// The thread that runs libcurl's multi handle, and the mailbox that leads to it.
///
/// `@unchecked` for the variables about pending and active requests: only the loop's thread touches
/// them, and there is one such thread at a time, since a new one starts only after the old one, as
/// its last step, set `State.multi` to `nil` under the lock.
final class TransferLoop: @unchecked Sendable {
    private enum Command {
        case start(QueuedRequest)
        case cancel(Int)
    }

    private struct State {
        /// The running thread's handle: a holder of the lock may wake it.
        var multi: UnsafeMutableRawPointer?
        var isStopping = false
        var commands: [Command] = []
        /// Requests that were submitted and have no response yet.
        var unanswered = 0
        var stopWaiters: [@Sendable () -> Void] = []
    }

    private let configuration: HTTPClient.Configuration
    private let logger: Logger
    private let state = Mutex(State())
    /// In order of arrival, `pending[firstPending...]`; those before it have been started.
    private var pending: [QueuedRequest] = []
    private var firstPending = 0
    /// The earliest time at which a waiting request expires; `nil` if none waits.
    private var nextExpiry: ContinuousClock.Instant?
    private var active: [UnsafeMutableRawPointer: Transfer] = [:]

    init(configuration: HTTPClient.Configuration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
    }

    /// Runs the request, now or in its turn; its completion is called exactly once.
    func submit(_ request: QueuedRequest) {
        let refusal: HTTPClientError? = state.withLock { state in
            if state.isStopping { return HTTPClientError(.shutDown, "the HTTP client is shut down") }
            let limit = configuration.maximumConcurrentTransfers + configuration.maximumQueuedRequests
            guard state.unanswered < limit else {
                return HTTPClientError(.queueFull, "\(state.unanswered) requests are waiting already")
            }
            if let multi = state.multi {
                curl_multi_wakeup(multi)
            } else {
                guard let multi = makeMulti() else { return HTTPClientError(.other, "libcurl cannot be set up") }
                // Passed to one thread only, and never used by this one again without the lock.
                let address = UInt(bitPattern: multi)
                guard SystemThread.start({ self.run(UnsafeMutableRawPointer(bitPattern: address)!) }) else {
                    curl_multi_cleanup(multi)
                    return HTTPClientError(.other, "no thread can be started")
                }
                state.multi = multi
            }
            state.unanswered += 1
            state.commands.append(.start(request))
            return nil
        }
        if let refusal { request.completion(.failure(refusal)) }
    }

    /// Ends the request, if it has no response yet.
    func cancel(_ id: Int) {
        state.withLock { state in
            guard let multi = state.multi else { return }
            state.commands.append(.cancel(id))
            curl_multi_wakeup(multi)
        }
    }

    /// Ends every request and the thread, then calls `completion`.
    func stop(then completion: (@Sendable () -> Void)?) {
        let isDone = state.withLock { state in
            state.isStopping = true
            guard let multi = state.multi else { return true }
            if let completion { state.stopWaiters.append(completion) }
            curl_multi_wakeup(multi)
            return false
        }
        if isDone { completion?() }
    }

    private static let globalSetUp: CURLcode = curl_global_init(Int(CURL_GLOBAL_SSL | CURL_GLOBAL_WIN32))

    private func makeMulti() -> UnsafeMutableRawPointer? {
        guard Self.globalSetUp == CURLE_OK, let multi = curl_multi_init() else { return nil }
        curl_multi_setopt_long(multi, CURLMOPT_MAXCONNECTS, configuration.maximumConcurrentTransfers)
        return multi
    }

    // MARK: The loop's thread

    private func run(_ multi: UnsafeMutableRawPointer) {
        logger.trace("starting the transfer thread")
        var idleSince: ContinuousClock.Instant?
        while true {
            let (commands, isStopping) = state.withLock { state in
                defer { state.commands = [] }
                return (state.commands, state.isStopping)
            }
            for command in commands {
                switch command {
                case .start(let request):
                    pending.append(request)
                    nextExpiry = min(nextExpiry ?? request.deadline, request.deadline)
                case .cancel(let id): remove(id, from: multi)
                }
            }
            if isStopping { failAll(on: multi) }
            expirePending()
            startPending(on: multi)
            var running: Int32 = 0
            let status = curl_multi_perform(multi, &running)
            if status != CURLM_OK {
                logger.error("libcurl failed", metadata: ["reason": "\(String(cString: curl_multi_strerror(status)))"])
                failAll(on: multi, HTTPClientError(.other, "the HTTP client failed"))
            }
            finishDone(on: multi)

            let isIdle = active.isEmpty && firstPending == pending.count
            if !isIdle { idleSince = nil } else if idleSince == nil { idleSince = .now }
            if isIdle, isStopping || idleSince! + configuration.idleTimeout <= .now, leave(multi, isStopping) { return }
            // A slot may have become free: the next round fills it without waiting.
            if firstPending < pending.count, active.count < configuration.maximumConcurrentTransfers { continue }
            curl_multi_poll(multi, nil, 0, pollTimeout(idleSince), nil)
        }
    }

    /// - Returns: Whether the thread ends; `false` if new work has arrived.
    private func leave(_ multi: UnsafeMutableRawPointer, _ isStopping: Bool) -> Bool {
        let waiters: [@Sendable () -> Void]? = state.withLock { state in
            let hasStarts = state.commands.contains { if case .start = $0 { true } else { false } }
            guard !hasStarts, state.isStopping == isStopping else { return nil }
            // Under the lock: no thread may wake a handle that was removed.
            curl_multi_cleanup(multi)
            state.multi = nil
            state.commands = []
            defer { state.stopWaiters = [] }
            return state.stopWaiters
        }
        guard let waiters else { return false }
        logger.trace("the transfer thread has ended")
        for waiter in waiters { waiter() }
        return true
    }

    private func startPending(on multi: UnsafeMutableRawPointer) {
        while firstPending < pending.count, active.count < configuration.maximumConcurrentTransfers {
            let request = pending[firstPending]
            firstPending += 1
            if let transfer = Transfer(request, configuration: configuration),
                curl_multi_add_handle(multi, transfer.easy) == CURLM_OK
            {
                active[transfer.easy] = transfer
            } else {
                answer(request, .failure(HTTPClientError(.other, "libcurl cannot start a transfer")))
            }
        }
        // Cleared in large steps: removing each from the front would move all others.
        if firstPending == pending.count {
            pending = []
            firstPending = 0
            nextExpiry = nil
        } else if firstPending > 1024 {
            pending.removeFirst(firstPending)
            firstPending = 0
        }
    }

    private func finishDone(on multi: UnsafeMutableRawPointer) {
        var remaining: Int32 = 0
        while let message = curl_multi_info_read(multi, &remaining) {
            guard message.pointee.msg == CURLMSG_DONE, let easy = message.pointee.easy_handle else { continue }
            let code = message.pointee.data.result
            guard let transfer = active.removeValue(forKey: easy) else { continue }
            curl_multi_remove_handle(multi, easy)
            answer(transfer.queued, transfer.result(code))
        }
    }

    private func remove(_ id: Int, from multi: UnsafeMutableRawPointer) {
        let failure = HTTPClientError(.cancelled, "the request was cancelled")
        if let (easy, transfer) = active.first(where: { $0.value.queued.id == id }) {
            active[easy] = nil
            curl_multi_remove_handle(multi, easy)
            answer(transfer.queued, .failure(failure))
        } else if let index = pending[firstPending...].firstIndex(where: { $0.id == id }) {
            answer(pending.remove(at: index), .failure(failure))
        }
    }

    private func expirePending() {
        let now = ContinuousClock.Instant.now
        guard let nextExpiry, nextExpiry <= now else { return }
        let waiting = pending[firstPending...]
        pending = waiting.filter { $0.deadline > now }
        firstPending = 0
        self.nextExpiry = pending.lazy.map(\.deadline).min()
        for request in waiting where request.deadline <= now {
            let message = "the request to \(request.url.authority) waited in the queue for \(request.request.timeout)"
            answer(request, .failure(HTTPClientError(.timedOut, message)))
        }
    }

    private func failAll(
        on multi: UnsafeMutableRawPointer,
        _ failure: HTTPClientError = HTTPClientError(.shutDown, "the HTTP client is shut down")
    ) {
        for (easy, transfer) in active {
            curl_multi_remove_handle(multi, easy)
            answer(transfer.queued, .failure(failure))
        }
        active = [:]
        for request in pending[firstPending...] { answer(request, .failure(failure)) }
        pending = []
        firstPending = 0
    }

    private func answer(_ request: QueuedRequest, _ result: Result<HTTPClient.Response, HTTPClientError>) {
        state.withLock { $0.unanswered -= 1 }
        request.completion(result)
    }

    /// Milliseconds until a waiting request expires or the thread has been idle for long enough;
    /// libcurl shortens it to its own timers.
    private func pollTimeout(_ idleSince: ContinuousClock.Instant?) -> Int32 {
        var wait = Duration.seconds(60)
        let now = ContinuousClock.Instant.now
        if let idleSince { wait = min(wait, idleSince + configuration.idleTimeout - now) }
        if let nextExpiry { wait = min(wait, nextExpiry - now) }
        let (seconds, attoseconds) = max(wait, .zero).components
        return Int32(seconds) * 1000 + Int32(attoseconds / 1_000_000_000_000_000) + 1
    }
}
