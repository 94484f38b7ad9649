import Synchronization

/// Detects a pooler between this client and the server that gives each transaction another session,
/// as PgBouncer does with `pool_mode = transaction`. Prepared statements and settings would then
/// belong to other clients.
final class PoolerCheck: Sendable {
    private let keepsSessions = Mutex(false)

    /// Without a pooler, the process number announced at the start is that of the process that
    /// serves the connection. A pooler announces a number of its own; then two connections are used
    /// in turn. A pooler that keeps sessions serves each connection by the same process always, and
    /// the two by different ones. Another pooler gives a connection the session that the other one
    /// has just released.
    ///
    /// - Parameter connect: makes the second connection. If it cannot, the check has no result now.
    /// - Throws: ``PostgresError`` with code `unsupportedPooler`.
    func check(
        _ wire: inout LibpqConnection, deadline: ContinuousClock.Instant, wakeUp: borrowing WakeUp,
        interruption: () -> LibpqConnection.Interruption?,
        connect: () throws(LibpqConnection.Failure) -> LibpqConnection
    ) throws(LibpqConnection.Failure) {
        let own = try wire.backendPID(deadline: deadline, wakeUp: wakeUp, interruption: interruption)
        guard let own, own != wire.announcedPID, !keepsSessions.withLock({ $0 }) else { return }
        do throws(LibpqConnection.Failure) {
            var other = try connect()
            var others: Int32?
            // Twice the same in succession, so that neither order of assigning sessions looks
            // stable.
            for _ in 0..<3 {
                for _ in 0..<2 {
                    let now = try other.backendPID(deadline: deadline, wakeUp: wakeUp, interruption: interruption)
                    if now == own || now != others ?? now { throw .postgres(Self.refusal) }
                    others = now
                }
                let now = try wire.backendPID(deadline: deadline, wakeUp: wakeUp, interruption: interruption)
                if now != own { throw .postgres(Self.refusal) }
            }
            keepsSessions.withLock { $0 = true }
        } catch {
            switch error {
            case .postgres(let error) where error.code == .unsupportedPooler: throw .postgres(error)
            // Without a second connection the check has no result.
            case .postgres, .interrupted(.timedOut): return
            case .interrupted: throw error
            }
        }
    }

    private static let refusal = PostgresError(
        .unsupportedPooler,
        """
        the connection goes through a pooler that pools by transaction or statement, where sessions get each other's \
        settings and prepared statements; set its pool_mode to session, or connect to PostgreSQL itself
        """, provablyNotExecuted: true)
}
