import DequeModule
import Synchronization

/// Connections to one database, created when needed and closed when unused for a while.
///
/// A caller waits for one until the deadline, as long as an existing connection can become free: a
/// server without room for another one does not fail the call. Opening is retried with growing
/// pauses.
public final class PostgresPool: Sendable {
    public struct Configuration: Sendable {
        public var connection: PostgresConfiguration
        /// The largest number of connections, at least 1.
        public var maximumConnections: Int
        /// How long an unused connection is kept, if there is more than one. Default 20 seconds.
        public var idleLimit: Duration

        public init(
            connection: PostgresConfiguration, maximumConnections: Int = 10, idleLimit: Duration = .seconds(20)
        ) {
            self.connection = connection
            self.maximumConnections = max(1, maximumConnections)
            self.idleLimit = idleLimit
        }
    }

    /// Statements that may be sent a second time after the connection broke.
    public enum Retry: Sendable {
        /// Statements that change nothing, or that have the same effect when they run twice.
        case repeatable
        /// Only statements that certainly had no effect.
        case onlyIfNotExecuted
    }

    private struct Waiter {
        let id: Int
        let continuation: CheckedContinuation<ConnectionThread, any Error>
        let timer: Task<Void, Never>
    }

    private struct Idle {
        let session: ConnectionThread
        let since: ContinuousClock.Instant
    }

    private struct State {
        /// The most recently used one is last.
        var idle: Deque<Idle> = []
        /// Closes idle connections when they expire.
        var reaper: Task<Void, Never>?
        var waiters: Deque<Waiter> = []
        /// Connections that exist or are being created.
        var open = 0
        var opening = 0
        /// Attempts to open that failed since the last success.
        var failures = 0
        var lastFailure: PostgresError?
        /// Whether the pool is pausing after a failed attempt; it retries at the end of the pause.
        var isPausing = false
        var lastWaiter = 0
        var cancelled: Set<Int> = []
        /// Raised by ``reset()``: connections of an older generation are not used again.
        var generation = 0
        var generations: [ObjectIdentifier: Int] = [:]
        /// When the end of one connection last ended all.
        var lastLoss: ContinuousClock.Instant?
        var closed = false
    }

    private let configuration: Configuration
    private let target: ConnectionString
    private let poolers = PoolerCheck()
    private let state = Mutex(State())

    /// Kept however long it is unused.
    private static let minimumConnections = 1
    /// How often the end of one connection may end all others: with a server that refuses writes,
    /// each write would.
    private static let lossInterval: Duration = .seconds(1)
    /// How often work is attempted in all if transactions conflict.
    private static let conflictAttempts = 4

    /// - Throws: ``PostgresError`` with code `invalidConfiguration`. Nothing is connected yet.
    public init(_ configuration: Configuration) throws(PostgresError) {
        target = try ConnectionString(configuration.connection.connectionString)
        self.configuration = configuration
    }

    /// Runs ``PostgresConnection/pipeline(_:deadline:perStatement:)`` on any connection. If the
    /// connection turns out to be broken, as after a restart of the server, or the server refuses
    /// writes, the statements are sent once more over a new one if `retry` allows it. Repeatable
    /// statements are also sent again, a few times, after a conflict of transactions.
    ///
    /// - Throws: ``PostgresError``; `CancellationError`.
    public func pipeline(
        _ statements: [PostgresStatement], retry: Retry, deadline: ContinuousClock.Instant,
        perStatement: Duration? = nil
    ) async throws -> [PostgresResult] {
        var deadline = deadline
        var conflicts = 0
        var hasReconnected = false
        while true {
            do {
                let end = deadline
                return try await withConnection(deadline: end) { connection in
                    do {
                        return try await connection.pipeline(statements, deadline: end, perStatement: perStatement)
                    } catch {
                        // The pool closes a connection that is left in a transaction; this one can
                        // be kept.
                        if connection.isInTransaction {
                            _ = try? await connection.query(PostgresStatement("ROLLBACK"), deadline: end)
                        }
                        throw error
                    }
                }
            } catch let error as PostgresError {
                if retry == .repeatable, error.isTransactionConflict, conflicts < Self.conflictAttempts - 1 {
                    conflicts += 1
                    // A random pause, so that the conflicting parties do not retry at the same
                    // time.
                    try await Task.sleep(for: .milliseconds(Int.random(in: 1...10 * conflicts)))
                } else if !hasReconnected, Self.mayRepeat(retry, after: error) {
                    hasReconnected = true
                    discardIdle()
                } else {
                    throw error
                }
                if let perStatement { deadline = max(deadline, .now + perStatement) }
            }
        }
    }

    private static func mayRepeat(_ retry: Retry, after error: PostgresError) -> Bool {
        guard error.endsSession else { return false }
        return switch error.code {
        case .connectionLost, .server: retry == .repeatable || error.provablyNotExecuted
        default: false
        }
    }

    /// ``pipeline(_:retry:deadline:perStatement:)`` of one statement.
    public func query(
        _ statement: PostgresStatement, retry: Retry, deadline: ContinuousClock.Instant
    ) async throws -> PostgresResult {
        try await pipeline([statement], retry: retry, deadline: deadline)[0]
    }

    /// Lends a connection to `body`. It must be outside of any transaction when `body` ends, or it
    /// is closed.
    ///
    /// - Throws: ``PostgresError`` with code `poolTimedOut` if none was free before the deadline,
    ///   `connectionFailed`, `loginRefused` or `unsupportedPooler` if there is none and none can be
    ///   made; and what `body` throws.
    public func withConnection<Value>(
        deadline: ContinuousClock.Instant, isolation: isolated (any Actor)? = #isolation,
        _ body: (PostgresConnection) async throws -> sending Value
    ) async throws -> sending Value {
        let session = try await lease(deadline: deadline)
        defer { release(session) }
        return try await body(PostgresConnection(session: session))
    }

    /// Lends a connection as ``withConnection(deadline:isolation:_:)`` does, and closes it
    /// afterwards: for settings and locks of a session that no other user may inherit. It counts as
    /// one of the pool's, so that it can be created on a server without room for more.
    ///
    /// - Throws: as ``withConnection(deadline:isolation:_:)``; ``PostgresError`` with code
    ///   `unsupportedPooler` if sessions are shared.
    public func withPrivateConnection<Value>(
        deadline: ContinuousClock.Instant, isolation: isolated (any Actor)? = #isolation,
        _ body: (PostgresConnection) async throws -> sending Value
    ) async throws -> sending Value {
        let session = try await lease(deadline: deadline)
        guard session.keepsSession else {
            release(session)
            throw PostgresError.sharedSessions
        }
        defer {
            session.close()
            release(session)
        }
        return try await body(PostgresConnection(session: session))
    }

    /// Excludes existing connections from later calls, for example if the result of `setup` would
    /// have changed.
    public func reset() {
        state.withLock { $0.generation += 1 }
        discardIdle()
    }

    /// Fails the waiting calls and closes all idle connections; the others close when they are
    /// returned.
    public func close() {
        let (idle, waiters) = state.withLock { state in
            state.closed = true
            state.reaper?.cancel()
            defer {
                state.idle = []
                state.waiters = []
            }
            return (state.idle, state.waiters)
        }
        idle.forEach { $0.session.close() }
        for waiter in waiters { fail(waiter, with: Self.closedError) }
    }

    private static let closedError = PostgresError(.closed, "the connection pool is closed", provablyNotExecuted: true)

    // MARK: Lending

    private func lease(deadline: ContinuousClock.Instant) async throws -> ConnectionThread {
        try Task.checkCancellation()
        let found: ConnectionThread? = try state.withLock { state in
            guard !state.closed else { throw Self.closedError }
            return Self.takeIdle(&state)
        }
        if let found { return found }
        let id = state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        // A cancellation that came too late for this wait left its mark.
        defer { state.withLock { _ = $0.cancelled.remove(id) } }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let timer = Task {
                    try? await Task.sleep(until: deadline, clock: .continuous)
                    if !Task.isCancelled { self.timeOut(id) }
                }
                enqueue(Waiter(id: id, continuation: continuation, timer: timer), deadline)
            }
        } onCancel: {
            let waiter = state.withLock { state in
                let waiter = Self.removeWaiter(id, &state)
                if waiter == nil { state.cancelled.insert(id) }
                return waiter
            }
            if let waiter { fail(waiter, with: CancellationError()) }
        }
    }

    /// A connection may have become free, or the task may have been cancelled, since the caller
    /// checked.
    private func enqueue(_ waiter: Waiter, _ deadline: ContinuousClock.Instant) {
        enum Next {
            case use(ConnectionThread)
            case fail(any Error)
            case open, wait
        }
        let next: Next = state.withLock { state in
            if state.closed { return .fail(Self.closedError) }
            if state.cancelled.remove(waiter.id) != nil { return .fail(CancellationError()) }
            if let session = Self.takeIdle(&state) { return .use(session) }
            // A timer that has ended already did not find the waiter.
            if deadline <= .now { return .fail(timeOutError(state)) }
            state.waiters.append(waiter)
            return reserveSlot(&state) ? .open : .wait
        }
        switch next {
        case .use(let session): give(session, to: waiter)
        case .fail(let error): fail(waiter, with: error)
        case .open: open()
        case .wait: break
        }
    }

    private func release(_ session: ConnectionThread) {
        enum Next {
            case give(Waiter)
            case keep
            case drop(open: Bool)
        }
        let next: Next = state.withLock { state in
            let current = state.generations[ObjectIdentifier(session)] == state.generation
            if current, let end = session.end { Self.spread(end, &state) }
            guard session.isUsable, current, !state.closed else {
                Self.forget(session, &state)
                return .drop(open: reserveSlot(&state))
            }
            if let waiter = state.waiters.popFirst() { return .give(waiter) }
            state.idle.append(Idle(session: session, since: .now))
            reapLater(&state)
            return .keep
        }
        switch next {
        case .give(let waiter): give(session, to: waiter)
        case .keep: break
        case .drop(let another):
            session.close()
            if another { open() }
        }
    }

    private func timeOut(_ id: Int) {
        let (waiter, error) = state.withLock { (Self.removeWaiter(id, &$0), timeOutError($0)) }
        if let waiter { fail(waiter, with: error) }
    }

    private func timeOutError(_ state: State) -> PostgresError {
        let failure = state.lastFailure
        let reason = failure.map { "; \($0.message)" } ?? ""
        return PostgresError(
            .poolTimedOut,
            """
            no connection to PostgreSQL became free in time \
            (\(state.open - state.opening) of \(configuration.maximumConnections) in use\(reason))
            """,
            sqlState: failure?.sqlState, underlying: failure?.underlying, provablyNotExecuted: true)
    }

    private func give(_ session: ConnectionThread, to waiter: Waiter) {
        waiter.timer.cancel()
        waiter.continuation.resume(returning: session)
    }

    private func fail(_ waiter: Waiter, with error: any Error) {
        waiter.timer.cancel()
        waiter.continuation.resume(throwing: error)
    }

    private static func removeWaiter(_ id: Int, _ state: inout State) -> Waiter? {
        guard let index = state.waiters.firstIndex(where: { $0.id == id }) else { return nil }
        return state.waiters.remove(at: index)
    }

    // MARK: Opening

    /// Whether one more connection should be created for the waiting calls; counts it.
    private func reserveSlot(_ state: inout State) -> Bool {
        guard !state.isPausing, !state.closed, state.open < configuration.maximumConnections,
            state.opening < state.waiters.count
        else { return false }
        state.open += 1
        state.opening += 1
        return true
    }

    private func open() {
        let generation = state.withLock { $0.generation }
        do throws(PostgresError) {
            _ = try ConnectionThread(
                configuration.connection, target, poolers: poolers, setupTimeout: .seconds(10)
            ) { session, error in
                if let error {
                    self.openingFailed(error)
                } else {
                    self.opened(session, generation)
                }
            }
        } catch {
            openingFailed(error)
        }
    }

    private func opened(_ session: ConnectionThread, _ generation: Int) {
        state.withLock { state in
            state.opening -= 1
            state.failures = 0
            state.lastFailure = nil
            state.generations[ObjectIdentifier(session)] = generation
        }
        release(session)
        openIfNeeded()
    }

    private func openIfNeeded() {
        if state.withLock({ reserveSlot(&$0) }) { open() }
    }

    /// Fails the waiting calls only if no connection is left that could become free, and none is
    /// expected soon.
    private func openingFailed(_ error: PostgresError) {
        let (failed, pause): (Deque<Waiter>, Duration?) = state.withLock { state in
            state.open -= 1
            state.opening -= 1
            state.failures += 1
            state.lastFailure = error
            var failed: Deque<Waiter> = []
            if state.open == 0, !error.isOutOfConnections { swap(&failed, &state.waiters) }
            guard !state.waiters.isEmpty, !state.isPausing else { return (failed, nil) }
            state.isPausing = true
            return (failed, Self.pause(after: state.failures))
        }
        for waiter in failed { fail(waiter, with: error) }
        guard let pause else { return }
        Task {
            try? await Task.sleep(for: pause)
            state.withLock { $0.isPausing = false }
            openIfNeeded()
        }
    }

    /// 10 to 20 ms after the first failure, twice that after each further one, half a second to a
    /// second at most.
    private static func pause(after failures: Int) -> Duration {
        let most = min(1000, 10 << min(failures, 7))
        return .milliseconds(Int.random(in: most / 2...most))
    }

    // MARK: Ending

    /// The most recently used connection: it is the most likely to work, and its plans are cached.
    private static func takeIdle(_ state: inout State) -> ConnectionThread? {
        while let idle = state.idle.popLast() {
            if idle.session.isUsable { return idle.session }
            forget(idle.session, &state)
        }
        return nil
    }

    private static func forget(_ session: ConnectionThread, _ state: inout State) {
        state.generations[ObjectIdentifier(session)] = nil
        state.open -= 1
    }

    private func discardIdle() {
        let idle = state.withLock { state in
            defer { state.idle = [] }
            for idle in state.idle { Self.forget(idle.session, &state) }
            return state.idle
        }
        idle.forEach { $0.session.close() }
    }

    /// If a server ends one connection because of its own state, not because of the statement, it
    /// is about to end the others, or they lead to a server without its former role. They are not
    /// used again.
    private static func spread(_ end: PostgresError, _ state: inout State) {
        guard end.code == .server, end.endsSession else { return }
        if let last = state.lastLoss, .now - last < lossInterval { return }
        state.lastLoss = .now
        state.generation += 1
    }

    /// Watches idle connections from now on; the caller has just added one.
    private func reapLater(_ state: inout State) {
        guard state.reaper == nil, state.open > Self.minimumConnections else { return }
        state.reaper = Task { [weak self, limit = configuration.idleLimit] in
            var pause: Duration? = limit
            while let next = pause, (try? await Task.sleep(for: next)) != nil {
                pause = self?.reap()
            }
        }
    }

    /// Closes the connections that were unused for too long.
    ///
    /// - Returns: the time until the next one; `nil` if there is none to watch.
    private func reap() -> Duration? {
        let now = ContinuousClock.now
        let (old, pause): ([ConnectionThread], Duration?) = state.withLock { state in
            var old: [ConnectionThread] = []
            while state.open > Self.minimumConnections, let first = state.idle.first {
                let left = first.since + configuration.idleLimit - now
                guard left <= .zero else { return (old, left) }
                state.idle.removeFirst()
                Self.forget(first.session, &state)
                old.append(first.session)
            }
            state.reaper = nil
            return (old, nil)
        }
        old.forEach { $0.close() }
        return pause
    }
}
