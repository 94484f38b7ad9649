import DequeModule
import Synchronization

/// Connections to one database, made when they are needed and kept.
public final class PostgresPool: Sendable {
    public struct Configuration: Sendable {
        public var connection: PostgresConfiguration
        /// Connections at the same time, at least 1.
        public var maximumConnections: Int

        public init(connection: PostgresConfiguration, maximumConnections: Int = 10) {
            self.connection = connection
            self.maximumConnections = max(1, maximumConnections)
        }
    }

    /// What may be sent a second time after the connection broke.
    public enum Retry: Sendable {
        /// Statements that change nothing, or that leave the same behind when they run twice.
        case repeatable
        /// Only what the server has certainly not done.
        case onlyIfNotExecuted
    }

    private struct Waiter {
        let id: Int
        let continuation: CheckedContinuation<PostgresSession, any Error>
        let timer: Task<Void, Never>
    }

    private struct State {
        var idle: [PostgresSession] = []
        var waiters: Deque<Waiter> = []
        /// Connections that exist or are being made.
        var open = 0
        var opening = 0
        var lastWaiter = 0
        var cancelled: Set<Int> = []
        /// Raised by ``reset()``: connections of an older generation are not used again.
        var generation = 0
        var generations: [ObjectIdentifier: Int] = [:]
        var closed = false
    }

    private let configuration: Configuration
    private let secret: String?
    private let state = Mutex(State())

    /// - Throws: ``PostgresError`` with code `invalidConfiguration`. Nothing is connected yet.
    public init(_ configuration: Configuration) throws(PostgresError) {
        secret = try configuration.connection.checkedPassword()
        self.configuration = configuration
    }

    /// ``PostgresConnection/pipeline(_:deadline:)`` on any connection. If the connection turns out to be broken, as
    /// after a restart of the server, the statements are sent once more over a new one where `retry` allows it.
    ///
    /// - Throws: ``PostgresError``; `CancellationError`.
    public func pipeline(
        _ statements: [PostgresStatement], retry: Retry, deadline: ContinuousClock.Instant
    ) async throws -> [PostgresResult] {
        do {
            return try await withConnection(deadline: deadline) {
                try await $0.pipeline(statements, deadline: deadline)
            }
        } catch let error as PostgresError where error.endsSession {
            let again =
                switch error.code {
                case .connectionLost, .server: retry == .repeatable || error.provablyNotExecuted
                default: false
                }
            guard again else { throw error }
            discardIdle()
            return try await withConnection(deadline: deadline) {
                try await $0.pipeline(statements, deadline: deadline)
            }
        }
    }

    /// ``pipeline(_:retry:deadline:)`` of one statement.
    public func query(
        _ statement: PostgresStatement, retry: Retry, deadline: ContinuousClock.Instant
    ) async throws -> PostgresResult {
        try await pipeline([statement], retry: retry, deadline: deadline)[0]
    }

    /// Lends a connection to `body`. It must be out of any transaction when `body` ends, or it is thrown away.
    ///
    /// - Throws: ``PostgresError`` with code `poolTimedOut` if none was free before the deadline, `connectionFailed`;
    ///   and what `body` throws.
    public func withConnection<Value>(
        deadline: ContinuousClock.Instant, isolation: isolated (any Actor)? = #isolation,
        _ body: (PostgresConnection) async throws -> sending Value
    ) async throws -> sending Value {
        let session = try await lease(deadline: deadline)
        defer { release(session) }
        return try await body(PostgresConnection(session: session))
    }

    /// Makes sure that connections made so far are not used by later calls, as when what `setup` sees has changed.
    public func reset() {
        state.withLock { $0.generation += 1 }
        discardIdle()
    }

    /// Fails the calls that wait and ends all idle connections; the others end when they are given back.
    public func close() {
        let (idle, waiters) = state.withLock { state in
            state.closed = true
            defer {
                state.idle = []
                state.waiters = []
            }
            return (state.idle, state.waiters)
        }
        idle.forEach { $0.close() }
        for waiter in waiters { fail(waiter, with: Self.closedError) }
    }

    private static let closedError = PostgresError(.closed, "the connection pool is closed", provablyNotExecuted: true)

    // MARK: Lending

    private func lease(deadline: ContinuousClock.Instant) async throws -> PostgresSession {
        try Task.checkCancellation()
        let found: PostgresSession? = try state.withLock { state in
            guard !state.closed else { throw Self.closedError }
            return Self.takeIdle(&state)
        }
        if let found { return found }
        let id = state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        // A cancellation that came too late for this wait leaves its mark behind.
        defer { state.withLock { _ = $0.cancelled.remove(id) } }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let timer = Task {
                    try? await Task.sleep(until: deadline, clock: .continuous)
                    if !Task.isCancelled { self.timeOut(id) }
                }
                enqueue(Waiter(id: id, continuation: continuation, timer: timer))
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

    /// Something may have become free, or the task may have been cancelled, since the caller looked.
    private func enqueue(_ waiter: Waiter) {
        enum Next {
            case use(PostgresSession)
            case fail(any Error)
            case open, wait
        }
        let next: Next = state.withLock { state in
            if state.closed { return .fail(Self.closedError) }
            if state.cancelled.remove(waiter.id) != nil { return .fail(CancellationError()) }
            if let session = Self.takeIdle(&state) { return .use(session) }
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

    /// Whether one more connection should be made for those who wait; counts it.
    private func reserveSlot(_ state: inout State) -> Bool {
        guard state.open < configuration.maximumConnections, state.opening < state.waiters.count else { return false }
        state.open += 1
        state.opening += 1
        return true
    }

    private func open() {
        let generation = state.withLock { $0.generation }
        do throws(PostgresError) {
            _ = try PostgresSession(configuration.connection, secret: secret, setupTimeout: .seconds(10)) {
                session, error in
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

    private func opened(_ session: PostgresSession, _ generation: Int) {
        state.withLock { state in
            state.opening -= 1
            state.generations[ObjectIdentifier(session)] = generation
        }
        release(session)
    }

    /// The one who has waited longest learns of it; the others get a try of their own.
    private func openingFailed(_ error: PostgresError) {
        let (waiter, again) = state.withLock { state in
            state.open -= 1
            state.opening -= 1
            return (state.waiters.popFirst(), reserveSlot(&state))
        }
        if let waiter { fail(waiter, with: error) }
        if again { open() }
    }

    private func release(_ session: PostgresSession) {
        enum Next {
            case give(Waiter)
            case keep
            case drop(open: Bool)
        }
        let next: Next = state.withLock { state in
            let current = state.generations[ObjectIdentifier(session)] == state.generation
            guard session.isUsable, current, !state.closed else {
                Self.forget(session, &state)
                return .drop(open: reserveSlot(&state))
            }
            if let waiter = state.waiters.popFirst() { return .give(waiter) }
            state.idle.append(session)
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
        let (waiter, busy) = state.withLock { (Self.removeWaiter(id, &$0), $0.open) }
        guard let waiter else { return }
        fail(
            waiter,
            with: PostgresError(
                .poolTimedOut,
                """
                no connection to PostgreSQL became free in time \
                (\(busy) of \(configuration.maximumConnections) in use)
                """,
                provablyNotExecuted: true))
    }

    private func discardIdle() {
        let idle = state.withLock { state in
            defer { state.idle = [] }
            for session in state.idle { Self.forget(session, &state) }
            return state.idle
        }
        idle.forEach { $0.close() }
    }

    private func give(_ session: PostgresSession, to waiter: Waiter) {
        waiter.timer.cancel()
        waiter.continuation.resume(returning: session)
    }

    private func fail(_ waiter: Waiter, with error: any Error) {
        waiter.timer.cancel()
        waiter.continuation.resume(throwing: error)
    }

    /// The connection used last: it is the likeliest to be alive, and its plans are warm.
    private static func takeIdle(_ state: inout State) -> PostgresSession? {
        while let session = state.idle.popLast() {
            if session.isUsable { return session }
            forget(session, &state)
        }
        return nil
    }

    private static func forget(_ session: PostgresSession, _ state: inout State) {
        state.generations[ObjectIdentifier(session)] = nil
        state.open -= 1
    }

    private static func removeWaiter(_ id: Int, _ state: inout State) -> Waiter? {
        guard let index = state.waiters.firstIndex(where: { $0.id == id }) else { return nil }
        return state.waiters.remove(at: index)
    }
}
