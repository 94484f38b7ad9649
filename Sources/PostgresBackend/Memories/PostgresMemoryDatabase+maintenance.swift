import AgentMemory
import Logging
import PostgresDriver
import Synchronization

extension PostgresMemoryDatabase {
    public func run() async throws {
        try await withThrowingTaskGroup { group in
            group.addTask {
                try await self.maintain(every: .seconds(1)) {
                    // Where nothing reads the sums, one fold of many changes takes less than many
                    // of few.
                    if self.readsWords.load(ordering: .relaxed),
                        self.hasWritten.exchange(false, ordering: .relaxed)
                    {
                        self.readsWords.store(false, ordering: .relaxed)
                        try await self.foldWords()
                    }
                    try await self.indexWaiting()
                }
            }
            group.addTask { try await self.maintainRecords() }
            // Both end when the task is cancelled, or by settings that do not fit the store.
            try await group.waitForAll()
        }
    }

    private func maintain(every interval: Duration, _ work: () async throws -> Void) async throws {
        try await database.maintain(
            every: interval, after: preparation,
            prepare: { try await preparation.perform(evenIfDone: false) { try await prepareNow(evenIfDone: false) } },
            work)
    }

    private func maintainRecords() async throws {
        try await maintain(every: .seconds(5)) {
            try await doEach([
                foldTotals, foldWords, foldOwnerChanges, dropUnusedCodes, removeExpiredIfAny, restoreIndex,
                findUnindexedColumn, { try await self.reanalyze() }, completeMetadataTerms, completeCodes,
                completeVectors, completeTokens, sweepEvents,
            ])
        }
    }

    /// Goes on after a failure: work that never succeeds must not keep the rest from being done.
    ///
    /// - Throws: the first failure at the end; at once one that the rest would meet too.
    private func doEach(_ works: [() async throws -> Void]) async throws {
        var failure: (any Error)?
        for work in works {
            do {
                try await work()
            } catch let error as PostgresError
                where [.server, .timedOut].contains(error.code) && !error.isMissingSchema
            {
                failure = failure ?? error
            } catch let error as MemoryError where error.code == .timedOut {
                failure = failure ?? error
            }
        }
        if let failure { throw failure }
    }

    /// Creates the index again if it is missing, as on another server that took over; calls
    /// continue without it meanwhile.
    private func restoreIndex() async throws {
        guard space.algorithm == .hnsw else { return }
        let index = VectorIndex(space: space, logger: logger)
        let listed = try await database.query(index.listing, retry: .repeatable, deadline: database.deadline)
        guard try !listed.rows.contains(where: { try $0.text(0) == space.indexName }) else { return }
        try await database.session.withLock(.vectorIndex(of: space.table)) { connection in
            try await index.ensure(on: connection)
        }
    }

    /// Merges the rows that writers have added to the totals, except locked ones.
    static let totalsFold = PostgresStatement(
        """
        WITH taken AS (DELETE FROM memory_totals WHERE ctid = ANY (ARRAY(SELECT ctid FROM memory_totals \
        FOR UPDATE SKIP LOCKED)) RETURNING records, words) \
        INSERT INTO memory_totals SELECT sum(records), sum(words) FROM taken HAVING count(*) > 0
        """)

    private func foldTotals() async throws {
        let deadline = database.deadline
        let rows = try await database.query(
            PostgresStatement("SELECT count(*) FROM memory_totals"), retry: .repeatable, deadline: deadline
        ).singleRow().int(0)
        guard rows > 16 else { return }
        _ = try await database.query(Self.totalsFold, retry: .onlyIfNotExecuted, deadline: deadline)
    }
}
