import Synchronization
import SystemThreads

/// A connection and the thread that drives it.
///
/// The thread sleeps in `poll` on the socket and on a wake-up pipe. It takes one job at a time; a
/// caller waits for the job in a continuation, so no thread of Swift's pool blocks. A job that is
/// cancelled or overdue ends at once for its caller. The thread then asks the server to stop, which
/// may take long, and closes its connection.
final class ConnectionThread: Sendable {
    enum Work: Sendable {
        case pipeline([EncodedStatement])
        case script(String)
    }

    private struct Job {
        let id: Int
        let work: Work
        let deadline: Deadline
        let continuation: CheckedContinuation<[PostgresResult], any Error>
    }

    private struct State {
        var job: Job?
        var lastID = 0
        var cancelledID = 0
        /// `nil` while the connection works.
        var end: PostgresError?
        var closing = false
        var inTransaction = false
    }

    /// TLS libraries need a large stack; the usual 8 MB would be a waste.
    private static let stackSize = 1 << 20

    private let configuration: PostgresConfiguration
    /// Whether each transaction may run in another session of the server.
    private let sharesSessions = Atomic(false)
    private let target: ConnectionString
    private let poolers: PoolerCheck
    private let wakeUp: WakeUp
    private let state = Mutex(State())

    /// Connects on a thread of its own.
    ///
    /// - Parameter ready: called once, from that thread.
    init(
        _ configuration: PostgresConfiguration, _ target: ConnectionString, poolers: PoolerCheck,
        setupTimeout: Duration,
        ready: @escaping @Sendable (ConnectionThread, PostgresError?) -> Void
    ) throws(PostgresError) {
        self.configuration = configuration
        self.target = target
        self.poolers = poolers
        guard let wakeUp = WakeUp() else {
            throw PostgresError(.connectionFailed, "no file descriptor is left", provablyNotExecuted: true)
        }
        self.wakeUp = wakeUp
        let isStarted = SystemThread.start(stackSize: Self.stackSize) {
            self.run(setupTimeout: setupTimeout, ready: ready)
        }
        guard isStarted else {
            throw PostgresError(.connectionFailed, "no thread could be started", provablyNotExecuted: true)
        }
    }

    /// Whether the connection can take another job outside of a transaction.
    var isUsable: Bool {
        state.withLock { $0.end == nil && !$0.closing && !$0.inTransaction }
    }

    /// Whether a job could be sent at all.
    var isAlive: Bool {
        state.withLock { $0.end == nil && !$0.closing }
    }

    /// Whether settings and locks of a session are those of this connection.
    var keepsSession: Bool { !sharesSessions.load(ordering: .acquiring) }

    /// Why the connection ended; `nil` while it works.
    var end: PostgresError? { state.withLock(\.end) }

    /// Runs one job; the caller ensures that there is only one at a time.
    func perform(_ work: Work, deadline: Deadline) async throws -> [PostgresResult] {
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let refusal: PostgresError? = state.withLock { state in
                    if let end = state.end {
                        return PostgresError(
                            end.code == .server ? .connectionLost : end.code, end.message, sqlState: end.sqlState,
                            underlying: end.underlying, provablyNotExecuted: true)
                    }
                    if state.closing {
                        return PostgresError(.closed, "the connection is closed", provablyNotExecuted: true)
                    }
                    precondition(state.job == nil, "a connection takes one job at a time")
                    state.job = Job(id: id, work: work, deadline: deadline, continuation: continuation)
                    return nil
                }
                if let refusal { continuation.resume(throwing: refusal) } else { wakeUp.signal() }
            }
        } onCancel: {
            state.withLock { $0.cancelledID = id }
            wakeUp.signal()
        }
    }

    /// Ends the connection; a running job fails.
    func close() {
        state.withLock { $0.closing = true }
        wakeUp.signal()
    }

    // MARK: On the thread

    private func run(setupTimeout: Duration, ready: (ConnectionThread, PostgresError?) -> Void) {
        do throws(LibpqConnection.Failure) {
            var wire = try connect()
            let deadline = ContinuousClock.now + setupTimeout
            let isShared = try poolers.check(
                &wire, deadline: deadline, wakeUp: wakeUp, interruption: { self.interruption(of: -1) }
            ) { () throws(LibpqConnection.Failure) in try self.connect() }
            if isShared {
                guard let setup = configuration.transactionSetup else { throw .postgres(PostgresError.sharedSessions) }
                wire.shareSessions(setup: setup.map { EncodedStatement($0) })
                sharesSessions.store(true, ordering: .releasing)
            } else if !configuration.setup.isEmpty {
                _ = try wire.pipeline(
                    configuration.setup.map { EncodedStatement($0) }, deadline: Deadline(instant: deadline),
                    wakeUp: wakeUp, interruption: { self.interruption(of: -1) })
            }
            ready(self, nil)
            serve(&wire)
        } catch {
            let reason =
                switch error {
                case .postgres(let error): error
                case .interrupted(.closed), .interrupted(.cancelled):
                    PostgresError(.closed, "the connection was closed", provablyNotExecuted: true)
                case .interrupted(.timedOut):
                    PostgresError(
                        .connectionFailed, "cannot connect to PostgreSQL: setting up a connection took too long",
                        provablyNotExecuted: true)
                }
            state.withLock { $0.end = reason }
            ready(self, reason)
        }
    }

    private func connect() throws(LibpqConnection.Failure) -> LibpqConnection {
        let connection = try LibpqConnection.connect(configuration, target, wakeUp: wakeUp) {
            self.interruption(of: -1)
        }
        return LibpqConnection(
            owning: connection, secret: target.password,
            preparedStatementLimit: configuration.preparedStatementLimit)
    }

    private func serve(_ wire: inout LibpqConnection) {
        while true {
            let (job, closing) = state.withLock { ($0.job, $0.closing) }
            if closing, job == nil {
                state.withLock { $0.end = PostgresError(.closed, "the connection is closed") }
                return
            }
            guard let job else {
                if wire.idle(wakeUp: wakeUp) { continue }
                return end(with: PostgresError(.connectionLost, "the connection to PostgreSQL broke"))
            }
            guard execute(job, on: &wire) else { return }
        }
    }

    /// A job may have arrived just as the connection broke.
    private func end(with error: PostgresError) {
        let job = state.withLock { state in
            state.end = error
            defer { state.job = nil }
            return state.job
        }
        job?.continuation.resume(
            throwing: PostgresError(error.code, error.message, underlying: error.underlying, provablyNotExecuted: true))
    }

    /// - Returns: whether the connection can go on.
    private func execute(_ job: Job, on wire: inout LibpqConnection) -> Bool {
        do throws(LibpqConnection.Failure) {
            if let interruption = interruption(of: job.id) { throw .interrupted(interruption) }
            var results: [PostgresResult] = []
            switch job.work {
            case .pipeline(let statements):
                results = try wire.pipeline(statements, deadline: job.deadline, wakeUp: wakeUp) {
                    interruption(of: job.id)
                }
            case .script(let sql):
                guard keepsSession || wire.isInTransaction else { throw .postgres(PostgresError.sharedSessions) }
                try wire.script(sql, deadline: job.deadline.instant, wakeUp: wakeUp) { interruption(of: job.id) }
            }
            finish(wire.isInTransaction, end: nil)
            job.continuation.resume(returning: results)
            return true
        } catch {
            switch error {
            case .postgres(let error):
                finish(wire.isInTransaction, end: error.endsSession ? error : nil)
                job.continuation.resume(throwing: error)
                return !error.endsSession
            case .interrupted(let interruption):
                let (error, end) = Self.errors(for: interruption)
                finish(false, end: end)
                job.continuation.resume(throwing: error)
                wire.cancelQuery()
                return false
            }
        }
    }

    private func finish(_ inTransaction: Bool, end: PostgresError?) {
        state.withLock { state in
            state.job = nil
            state.inTransaction = inTransaction
            state.end = end
        }
    }

    private func interruption(of id: Int) -> LibpqConnection.Interruption? {
        state.withLock { state in
            if state.cancelledID == id { return .cancelled }
            return state.closing ? .closed : nil
        }
    }

    private static func errors(for interruption: LibpqConnection.Interruption) -> (any Error, PostgresError) {
        switch interruption {
        case .cancelled:
            return (CancellationError(), PostgresError(.closed, "a query on this connection was cancelled"))
        case .timedOut:
            let error = PostgresError(.timedOut, "PostgreSQL did not respond within the deadline")
            return (error, error)
        case .closed:
            let error = PostgresError(.closed, "the connection was closed")
            return (error, error)
        }
    }
}
