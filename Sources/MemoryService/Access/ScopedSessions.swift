import AgentMemory

/// The way from the use cases to working memory: only a caller opens it.
struct GuardedSessions: Sendable {
    private let store: any WorkingMemoryStore

    init(_ store: any WorkingMemoryStore) {
        self.store = store
    }

    func scoped(to caller: Caller) -> ScopedSessions {
        ScopedSessions(store, caller)
    }
}

/// Working memory as one caller sees it: the methods of ``WorkingMemoryStore`` that requests need.
struct ScopedSessions: Sendable {
    private let store: any WorkingMemoryStore
    /// Jobs carry it, so that they may do no more than it.
    let caller: Caller

    fileprivate init(_ store: any WorkingMemoryStore, _ caller: Caller) {
        self.store = store
        self.caller = caller
    }

    // MARK: Reading

    func matching(_ reference: SessionReference, limit: Int) async throws -> [SessionKey] {
        if caller.scope.permitsNothing { return [] }
        let narrowed = try caller.narrowed(reference)
        return try await caller.scope.limiting {
            try await store.matching(narrowed, within: caller.scope, limit: limit)
        }
    }

    /// `nil` for a session that the caller may not see.
    func read(_ key: SessionKey, lastMessages: Int?) async throws -> StoredSession? {
        try caller.require(.read)
        return try await current(key, lastMessages: lastMessages)
    }

    /// The session that a write replaces or deletes.
    func current(_ key: SessionKey, lastMessages: Int?) async throws -> StoredSession? {
        guard caller.reaches(key) else { return nil }
        return try await caller.scope.limiting { try await store.read(key, lastMessages: lastMessages) }
    }

    func sessionIDs(namespace: String?, userID: String?, page: PageRequest) async throws -> Page<String> {
        try caller.require(.read)
        if caller.scope.permitsNothing { return Page(items: [], total: 0, request: page) }
        return try await caller.scope.limiting {
            try await store.sessionIDs(namespace: namespace, userID: userID, within: caller.scope, page: page)
        }
    }

    /// Runs `body` with the selected sessions, as far as the caller may see them.
    ///
    /// - Throws: ``MemoryError`` with code `unsupported` if the store cannot return all sessions.
    func withSessions<Value: Sendable>(
        of selection: SnapshotSelection, _ body: @Sendable (any SessionSnapshot) async throws -> Value
    ) async throws -> Value {
        try caller.require(.read)
        guard !caller.scope.permitsNothing else { return try await body(EmptySnapshot()) }
        guard let store = store as? any SnapshotSessions else {
            throw MemoryError(.unsupported, "the store \(store.name) does not return all sessions")
        }
        return try await caller.scope.limiting {
            try await store.withSessions(of: selection.with(scope: caller.scope), body)
        }
    }

    /// The key, with what it leaves open filled in where the caller may reach only one value.
    func narrowed(_ key: SessionKey) throws -> SessionKey {
        let reference = try caller.narrowed(
            SessionReference(sessionID: key.sessionID, namespace: key.namespace, userID: key.userID))
        return SessionKey(
            storedSessionID: key.sessionID, namespace: reference.namespace, userID: reference.userID)
    }

    // MARK: Writing

    /// The key as the caller may write it.
    ///
    /// - Throws: ``MemoryError`` with code `forbidden`.
    func completed(_ key: SessionKey) throws(MemoryError) -> SessionKey {
        try caller.require(.write)
        return try caller.completed(key)
    }

    func write(
        _ memory: WorkingMemory, expecting: SessionExpectation, writerStamp: Timestamp?, enqueueing jobs: [NewJob]
    ) async throws -> SessionRevision {
        try check(memory.key, memory.memories)
        return try await caller.scope.limiting {
            try await store.write(memory, expecting: expecting, writerStamp: writerStamp, enqueueing: jobs)
        }
    }

    func append(_ append: SessionAppend, to key: SessionKey) async throws -> StoredSession? {
        try check(key)
        return try await caller.scope.limiting { try await store.append(append, to: key) }
    }

    func delete(_ key: SessionKey, expectedRevision: Int?) async throws -> Bool {
        try caller.require(.write)
        guard caller.reaches(key) else { return false }
        return try await caller.scope.limiting { try await store.delete(key, expectedRevision: expectedRevision) }
    }

    /// Refuses a session of others, and memories in it that would be promoted to others.
    ///
    /// - Throws: ``MemoryError`` with code `forbidden`.
    func check(_ key: SessionKey, _ memories: [SessionMemory] = []) throws(MemoryError) {
        try caller.require(.write)
        guard
            caller.reaches(key),
            memories.allSatisfy({
                caller.reaches(
                    namespace: $0.record.namespace ?? key.namespace, userID: $0.record.userID ?? key.userID)
            })
        else { throw MemoryError(.forbidden, "this caller may not write to that namespace or user") }
    }
}
