public import AgentMemory
import PostgresDriver

extension PostgresWorkingMemoryStore {
    @discardableResult
    public func write(
        _ memory: WorkingMemory, expecting: SessionExpectation, writerStamp: Timestamp?, enqueueing jobs: [NewJob]
    ) async throws -> SessionRevision {
        let number =
            switch expecting {
            case .absent: try await create(memory, writerStamp, jobs)
            case .revision(let revision): try await replace(memory, revision, writerStamp, jobs)
            }
        return SessionRevision(
            number: number, stamp: memory.lastAccessed, writerStamp: writerStamp, messageCount: memory.messages.count)
    }

    private func create(_ memory: WorkingMemory, _ writerStamp: Timestamp?, _ jobs: [NewJob]) async throws -> Int {
        let statements = SessionWriteSQL.create(memory, writerStamp: writerStamp, enqueueing: jobs)
        let made = try await database.call { deadline in
            try await self.database.retryingConflicts {
                try await self.database.pipeline(statements, retry: .onlyIfNotExecuted, deadline: deadline)[1]
            }
        }
        guard made.count > 0 else {
            throw MemoryError(.conflict, "a session of this id, namespace and user exists already")
        }
        return try made.singleRow().int(0)
    }

    private func replace(
        _ memory: WorkingMemory, _ revision: Int, _ writerStamp: Timestamp?, _ jobs: [NewJob]
    ) async throws -> Int {
        let opening = SessionWriteSQL.opening(memory.key, revision: revision)
        return try await database.call { deadline in
            try await self.database.retryingConflicts {
                try await self.database.withTransaction(opening, deadline: deadline) { connection, opened in
                    // Read after the lock was taken; only then the messages are those of this
                    // revision.
                    let current = opened[1]
                    guard current.count > 0, try current[0].int(1) == revision else { throw Self.changed }
                    var statements = SessionWriteSQL.replace(
                        try current[0].int8(0), with: memory,
                        messages: RowChanges(
                            from: try SessionRows.messages(opened[2]), to: memory.messages, id: \.id),
                        memories: RowChanges(
                            from: try SessionRows.memories(opened[3]), to: memory.memories, id: \.id),
                        writerStamp: writerStamp)
                    if !jobs.isEmpty { statements.append(JobSQL.add(jobs)) }
                    return try await connection.pipeline(
                        statements + [PostgresStatement("COMMIT")], deadline: deadline)[0].singleRow().int(0)
                }
            }
        }
    }

    private static let changed = MemoryError(.conflict, "the session has changed since it was read, or was deleted")

    public func append(_ append: SessionAppend, to key: SessionKey) async throws -> StoredSession? {
        let statements = SessionWriteSQL.append(append, to: key)
        let results = try await database.call { deadline in
            try await self.database.retryingConflicts {
                try await self.database.pipeline(statements, retry: .onlyIfNotExecuted, deadline: deadline)
            }
        }
        guard results[1].count > 0 else {
            try Self.check(results[0], expected: append.expectedRevision)
            // The last result is the number of messages with the id of a stored one and other
            // content.
            if results.count > 4, results[0].count > 0, try results[0][0].bool(1),
                try results[4].singleRow().int(0) > 0
            {
                throw SessionAppend.repeatConflict
            }
            return nil
        }
        return try SessionRows.session(
            results[1].singleRow(), key: key, messages: [], memories: SessionRows.memories(results[2]).map(\.row),
            revisions: SessionRows.revisions(results[3]))
    }

    public func delete(_ key: SessionKey, expectedRevision: Int?) async throws -> Bool {
        let statements = SessionWriteSQL.delete(key, expectedRevision: expectedRevision)
        let results = try await database.call { deadline in
            try await self.database.retryingConflicts {
                try await self.database.pipeline(statements, retry: .onlyIfNotExecuted, deadline: deadline)
            }
        }
        if results[1].count > 0 { return true }
        try Self.check(results[0], expected: expectedRevision)
        return false
    }

    /// Why a write affected no row.
    ///
    /// - Parameter locked: the result of ``SessionWriteSQL/lock(_:)``.
    /// - Throws: ``MemoryError`` with code `conflict` if there was a session at another revision.
    private static func check(_ locked: PostgresResult, expected: Int?) throws {
        guard let expected, locked.count > 0, try locked[0].bool(1), try locked[0].int(0) != expected else { return }
        throw changed
    }

    public func markPersisted(
        memoryIDs: [String], messageIDs: [String], at: Timestamp, in key: SessionKey
    ) async throws {
        guard !memoryIDs.isEmpty || !messageIDs.isEmpty else { return }
        try await mark(
            SessionWriteSQL.markPersisted(memoryIDs: memoryIDs, messageIDs: messageIDs, at: at, in: key))
    }

    public func markExtracted(_ messages: [SessionMessage], in key: SessionKey) async throws {
        guard !messages.isEmpty else { return }
        try await mark(SessionWriteSQL.markExtracted(messages, in: key))
    }

    private func mark(_ statements: [PostgresStatement]) async throws {
        try await database.call { deadline in
            try await self.database.retryingConflicts {
                _ = try await self.database.pipeline(statements, retry: .repeatable, deadline: deadline)
            }
        }
    }
}
