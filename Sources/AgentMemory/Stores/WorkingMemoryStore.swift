/// A store of sessions. The queue of jobs (``JobQueue``) is in the same place.
///
/// A session whose `ttlSeconds` have passed since its last write does not exist: no read, list,
/// append or expectation sees it, whether or not the store has removed it yet. The time is that of
/// the store's own clock if it has one (so that replicas agree), else the process's.
///
/// ``Store/run()`` removes expired sessions if the store does not do so by itself;
/// ``Store/health()`` has the component `sessions`.
///
/// All calls may run at the same time, from several processes. Each write is atomic: readers see
/// the session before or after it. Each call ends within the deadline that the store was configured
/// with, and a cancelled task ends its call early with `CancellationError`; every other failure is
/// a ``MemoryError`` (`storeUnavailable`, `timedOut`, or one that the call lists).
public protocol WorkingMemoryStore: Store {
    /// The keys that `reference` matches (``SessionReference/matches(_:)``), in the order of
    /// ``SessionKey``, the first `limit` of those within the scope.
    func matching(_ reference: SessionReference, within scope: AccessScope, limit: Int) async throws -> [SessionKey]

    /// The session, or `nil` if there is none.
    ///
    /// - Parameters:
    ///   - key: the identity of the session.
    ///   - lastMessages: reads only that many messages, the last ones in their order, at a cost
    ///     that does not grow with the session (0 reads none); `nil` reads all.
    ///     ``StoredSession/messageCount`` counts the whole session either way.
    func read(_ key: SessionKey, lastMessages: Int?) async throws -> StoredSession?

    /// Replaces the whole session, or creates it.
    ///
    /// Stores `memory` exactly as given, `lastAccessed` included, as a new revision whose stamp is
    /// `memory.lastAccessed`. (The caller makes it later than the stamp of the revision that it
    /// expects.) Keeps the last ``SessionRevision/kept`` earlier revisions, or none if it expects
    /// `.absent`. The session expires `memory.ttlSeconds` (at least 1) from now, or never. A store
    /// that keeps messages apart must not write unchanged ones again.
    ///
    /// - Parameters:
    ///   - memory: the new content.
    ///   - expecting: the state that must be stored.
    ///   - writerStamp: the ``SessionRevision/writerStamp`` of the new revision.
    ///   - jobs: enqueued together with the write: a crash at any moment leaves both or neither.
    /// - Returns: the new revision.
    /// - Throws: ``MemoryError`` with code `conflict` if the stored state is not the expected one;
    ///   then nothing has changed.
    @discardableResult
    func write(
        _ memory: WorkingMemory, expecting: SessionExpectation, writerStamp: Timestamp?, enqueueing jobs: [NewJob]
    ) async throws -> SessionRevision

    /// Adds messages at the end of a session, as a new revision, at a cost that does not grow with
    /// the session. Concurrent appends all take effect, the messages of each together and in order.
    ///
    /// Message ids are compared only if the append asks for it (``SessionAppend/skipsRepeats``):
    /// then a message that is among the last ``SessionAppend/repeatWindow`` ones, with the same
    /// role and content, is left out. An append without any remaining message changes nothing: it
    /// makes no revision and enqueues no job.
    ///
    /// ``SessionAppend/jobs`` are enqueued together with the write, as those of a write.
    ///
    /// `updatedAt` becomes `append.at`; `lastAccessed` and the revision's stamp become `append.at`,
    /// or one microsecond after the current stamp if that is later. The session's time to live
    /// starts again.
    ///
    /// - Returns: the session after it, without its messages (``StoredSession/messageCount`` counts
    ///   them); `nil` if there is no session: none is created.
    /// - Throws: ``MemoryError`` with code `conflict` if the current revision is not the expected
    ///   one, or, if repeats are skipped, a message of the session has the id of a new one but
    ///   another role or content; then nothing has changed.
    func append(_ append: SessionAppend, to key: SessionKey) async throws -> StoredSession?

    /// Removes a session.
    ///
    /// - Parameters:
    ///   - key: the identity of the session.
    ///   - expectedRevision: the revision that must be stored; `nil` removes any.
    /// - Returns: whether there was one.
    /// - Throws: ``MemoryError`` with code `conflict` if there is a session whose current revision
    ///   is not the expected one.
    func delete(_ key: SessionKey, expectedRevision: Int?) async throws -> Bool

    /// The ids of the sessions within the scope that have the given namespace and user id (`nil`:
    /// any or none), each once even if several namespaces or users share it, in the order of their
    /// bytes, with the exact total.
    func sessionIDs(
        namespace: String?, userID: String?, within scope: AccessScope, page: PageRequest
    ) async throws -> Page<String>

    /// Notes that messages and memories of a session are in long-term memory: sets `persistedAt` to
    /// `at` on those of these ids whose `persistedAt` is `nil`. Changes nothing else, makes no
    /// revision, keeps the time to live; a concurrent write is not undone. Ids that do not exist
    /// are ignored, and so is a session that was deleted.
    func markPersisted(memoryIDs: [String], messageIDs: [String], at: Timestamp, in key: SessionKey) async throws

    /// Notes that memories have been extracted from messages: sets their `discreteMemoryExtracted`
    /// where a message of the session still has the same id, role and content. Changes nothing
    /// else, makes no revision, keeps the time to live; a concurrent write is not undone. A session
    /// that was deleted is ignored.
    func markExtracted(_ messages: [SessionMessage], in key: SessionKey) async throws

    /// Removes sessions that a scope contains, with all that belongs to them.
    ///
    /// - Parameters:
    ///   - scope: what is removed.
    ///   - limit: how many are removed at once, approximately.
    /// - Returns: how many were removed; 0 if there are none.
    func erase(_ scope: ErasureScope, limit: Int) async throws -> Int
}

extension WorkingMemoryStore {
    /// The keys that `reference` matches, of any owner.
    public func matching(_ reference: SessionReference, limit: Int) async throws -> [SessionKey] {
        try await matching(reference, within: .everything, limit: limit)
    }

    /// The ids of the sessions of a namespace and a user (`nil`: any or none), of any owner.
    public func sessionIDs(namespace: String?, userID: String?, page: PageRequest) async throws -> Page<String> {
        try await sessionIDs(namespace: namespace, userID: userID, within: .everything, page: page)
    }

    /// Finds the sessions, and removes one after the other.
    public func erase(_ scope: ErasureScope, limit: Int) async throws -> Int {
        var ids = [scope.sessionID].compactMap(\.self)
        if ids.isEmpty {
            ids = try await sessionIDs(
                namespace: scope.namespace, userID: scope.userID, page: try PageRequest(limit: limit)
            ).items
        }
        var removed = 0
        for id in ids {
            let reference = try SessionReference(sessionID: id, namespace: scope.namespace, userID: scope.userID)
            for key in try await matching(reference, limit: limit)
            where try await delete(key, expectedRevision: nil) {
                removed += 1
            }
        }
        return removed
    }

    /// A write without jobs.
    @discardableResult
    public func write(_ memory: WorkingMemory, expecting: SessionExpectation, writerStamp: Timestamp?) async throws
        -> SessionRevision
    {
        try await write(memory, expecting: expecting, writerStamp: writerStamp, enqueueing: [])
    }
}
