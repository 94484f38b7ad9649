import AgentMemory
import Logging
import PostgresDriver

extension PostgresDatabase {
    /// Runs `work` at every `interval` once `preparation` is done, seldom in a quiet time, until
    /// the task is cancelled; prepares until that succeeds. Failures are logged and retried.
    ///
    /// - Throws: ``MemoryError`` with code `misconfigured` if the store became available late and
    ///   does not fit the settings.
    func maintain(
        every interval: Duration, after preparation: Preparation, prepare: () async throws -> Void,
        _ work: () async throws -> Void
    ) async throws {
        while !Task.isCancelled {
            do {
                if !preparation.isDone { try await prepare() }
                try await reachingEverything(work)
                try await quietTime.rest(for: interval)
            } catch is CancellationError {
                return
            } catch let error as MemoryError where error.code == .misconfigured && !preparation.hasSucceeded {
                // As at a start with the store available.
                throw error
            } catch {
                logger.warning("the store is not ready", metadata: ["error": "\(error)"])
                if let error = error as? PostgresError, error.isMissingSchema { preparation.invalidate() }
                do { try await Task.sleep(for: .seconds(1)) } catch { return }
            }
        }
    }

    /// Maintains as ``maintain(every:after:prepare:_:)`` does, for work that needs only the tables.
    func maintain(every interval: Duration, _ work: () async throws -> Void) async throws {
        try await maintain(
            every: interval, after: preparation, prepare: { try await self.prepare(evenIfDone: false) }, work)
    }

    /// The state of a part in these tables; never throws.
    func health(_ component: String) async -> ComponentHealth {
        guard preparation.isDone else {
            return ComponentHealth(component, reason: "the tables are \(preparation.reason)")
        }
        do {
            let version = try await checkWrites(PostgresStatement("SELECT current_setting('server_version')"))
                .singleRow().text(0)
            return ComponentHealth(component, version: "PostgreSQL \(Self.number(ofVersion: version))")
        } catch {
            return ComponentHealth(component, reason: Self.reason(error))
        }
    }

    /// Checks that the database accepts a write of this user, by one that is committed and changes
    /// no data: it replaces rows of zeros in the totals by a new one.
    ///
    /// - Parameter question: a statement whose result arrives in the same round trip.
    /// - Throws: ``PostgresError``, also one that names missing rights.
    func checkWrites(_ question: PostgresStatement) async throws -> PostgresResult {
        let results = try await pool.pipeline(
            [question, SchemaRights.missingOnTables(session.schema), Self.idleWrite], retry: .repeatable,
            deadline: deadline)
        let missing = try results[1].rows.map { try $0.text(0) }
        if !missing.isEmpty { throw SchemaRights.refusal(missing) }
        return results[0]
    }

    static let idleWrite = PostgresStatement(
        """
        WITH idle AS (DELETE FROM memory_totals WHERE ctid = ANY (ARRAY(SELECT ctid FROM memory_totals \
        WHERE records = 0 AND words = 0 FOR UPDATE SKIP LOCKED))) INSERT INTO memory_totals VALUES (0, 0)
        """)

    /// Why a part cannot work, for operators.
    static func reason(_ error: any Error) -> String {
        switch error {
        case let error as PostgresError where error.isReadOnlyServer:
            "takes no writes: PostgreSQL is a standby or read-only"
        case let error as PostgresError where error.sqlState?.hasPrefix("53") == true && error.code == .server:
            "takes no writes: PostgreSQL lacks disk space or memory"
        case let error as PostgresError: MemoryError(error).message
        default: "the check was cancelled"
        }
    }

    /// `18.1` of `18.1 (Debian 18.1-1)`.
    static func number(ofVersion version: String) -> Substring {
        version.prefix { $0 != " " }
    }
}

extension PostgresDatabase {
    /// Removes the rows of `removal`, in transactions of at most `batch` rows, until there are
    /// fewer than that.
    func sweep(batch: Int, _ removal: (_ limit: Int) -> PostgresStatement) async throws {
        var removed: Int
        repeat {
            removed = try await query(removal(batch), retry: .onlyIfNotExecuted, deadline: deadline).affectedRows
        } while removed == batch
    }
}
