import AgentMemory
import Logging
import PostgresDriver

extension PostgresDatabase {
    /// Does `work` every `interval` once `preparation` is done, until the task is cancelled; prepares as long as it is not.
    /// What fails is logged and tried again.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` if the store came up late and cannot go with the settings.
    func keepUp(
        every interval: Duration, after preparation: Preparation, prepare: () async throws -> Void,
        _ work: () async throws -> Void
    ) async throws {
        while !Task.isCancelled {
            do {
                if !preparation.isDone { try await prepare() }
                try await work()
                try await Task.sleep(for: interval)
            } catch is CancellationError {
                return
            } catch let error as MemoryError where error.code == .misconfigured && !preparation.hasSucceeded {
                // As at a start with the store there.
                throw error
            } catch {
                logger.warning("the store is not ready", metadata: ["error": "\(error)"])
                if let error = error as? PostgresError, error.isMissingSchema { preparation.invalidate() }
                do { try await Task.sleep(for: .seconds(1)) } catch { return }
            }
        }
    }

    /// ``keepUp(every:after:prepare:_:)`` for what needs no more than the tables.
    func keepUp(every interval: Duration, _ work: () async throws -> Void) async throws {
        try await keepUp(
            every: interval, after: preparation, prepare: { try await self.prepare(evenIfDone: false) }, work)
    }

    /// The state of a part that lives in the table `table`; never throws.
    func health(_ component: String, table: String) async -> ComponentHealth {
        guard preparation.isDone else {
            return ComponentHealth(component, reason: "the tables are still being prepared")
        }
        do {
            let row = try await pool.query(
                PostgresStatement(
                    "SELECT current_setting('server_version'), EXISTS (SELECT FROM \(table))"),
                retry: .repeatable, deadline: deadline
            ).singleRow()
            let version = try row.text(0).split(separator: " ").first.map(String.init) ?? ""
            return ComponentHealth(component, version: "PostgreSQL \(version)")
        } catch {
            let reason = (error as? PostgresError).map { MemoryError($0).message } ?? "the check was cancelled"
            return ComponentHealth(component, reason: reason)
        }
    }
}
