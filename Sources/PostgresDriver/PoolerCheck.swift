import Synchronization

/// Finds out whether a pooler between this client and the server gives each transaction another
/// session, as PgBouncer does with `pool_mode = transaction`. Prepared statements, settings and
/// locks of a session would then belong to other clients.
final class PoolerCheck: Sendable {
    /// What was found; `nil` before that.
    private let sharesSessions = Mutex<Bool?>(nil)

    /// Without a pooler, the process number announced at the start is that of the process that
    /// serves the connection. A pooler announces a number of its own; then two connections are used
    /// in turn. A pooler that keeps sessions serves each connection by the same process always, and
    /// the two by different ones. Another pooler gives a connection the session that the other one
    /// has just released.
    ///
    /// - Parameter connect: makes the second connection. If it cannot, sessions count as shared,
    ///   which is right with every pooler.
    /// - Returns: whether each transaction may get another session.
    /// - Throws: ``PostgresError`` with code `unsupportedPooler` if not even a transaction keeps
    ///   its session.
    func check(
        _ wire: inout LibpqConnection, deadline: ContinuousClock.Instant, wakeUp: borrowing WakeUp,
        interruption: () -> LibpqConnection.Interruption?,
        connect: () throws(LibpqConnection.Failure) -> LibpqConnection
    ) throws(LibpqConnection.Failure) -> Bool {
        let own = try wire.backendPID(deadline: deadline, wakeUp: wakeUp, interruption: interruption)
        guard let own, own != wire.announcedPID else { return false }
        if let known = sharesSessions.withLock(\.self) { return known }
        do throws(LibpqConnection.Failure) {
            var other = try connect()
            var others: Int32?
            // Twice the same in succession, so that neither order of assigning sessions looks
            // stable.
            for _ in 0..<3 {
                for _ in 0..<2 {
                    let now = try other.backendPID(deadline: deadline, wakeUp: wakeUp, interruption: interruption)
                    if now == own || now != others ?? now {
                        try checkTransactions(&wire, deadline, wakeUp, interruption)
                        return true
                    }
                    others = now
                }
                let now = try wire.backendPID(deadline: deadline, wakeUp: wakeUp, interruption: interruption)
                if now != own {
                    try checkTransactions(&wire, deadline, wakeUp, interruption)
                    return true
                }
            }
            sharesSessions.withLock { $0 = false }
            return false
        } catch {
            switch error {
            case .postgres(let error) where error.code == .unsupportedPooler: throw .postgres(error)
            case .postgres, .interrupted(.timedOut): return true
            case .interrupted: throw error
            }
        }
    }

    /// - Throws: ``PostgresError`` with code `unsupportedPooler` if the pooler has no transactions.
    private func checkTransactions(
        _ wire: inout LibpqConnection, _ deadline: ContinuousClock.Instant, _ wakeUp: borrowing WakeUp,
        _ interruption: () -> LibpqConnection.Interruption?
    ) throws(LibpqConnection.Failure) {
        do throws(LibpqConnection.Failure) {
            try wire.script("BEGIN", deadline: deadline, wakeUp: wakeUp, interruption: interruption)
            try wire.script("ROLLBACK", deadline: deadline, wakeUp: wakeUp, interruption: interruption)
        } catch {
            guard case .postgres = error else { throw error }
            throw .postgres(
                PostgresError(
                    .unsupportedPooler,
                    """
                    the connection goes through a pooler that allows no transactions; set its pool_mode to transaction \
                    or session
                    """, provablyNotExecuted: true))
        }
        sharesSessions.withLock { $0 = true }
    }
}
