import Synchronization

/// Finds out whether a pooler between this side and the server gives each transaction another
/// session, as PgBouncer does with `pool_mode = transaction`: prepared statements and settings
/// would then be those of other clients.
final class PoolerCheck: Sendable {
    private let keepsSessions = Mutex(false)

    /// A client of the server itself is told the number of the process that serves it. A
    /// pooler tells a number of its own; then two connections are used in turn. A pooler that keeps
    /// sessions serves each of them by the same process always, and by different ones; one that
    /// does not gives a connection what the other has just left.
    ///
    /// - Parameter connect: makes the second connection. If it cannot, nothing is found out now.
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
            // Twice the same one after the other, so that neither order of handing sessions out
            // looks stable.
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
            // Without a second connection nothing can be said.
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
