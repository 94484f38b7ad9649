public import AgentMemory

/// Working memory: the operations that transports call, on any store.
///
/// Every method takes the caller, sees and writes only what that one may (``Caller``), and throws
/// ``MemoryError`` (or `CancellationError`).
public struct WorkingMemorySessions: Sendable {
    private let sessions: GuardedSessions
    private let promotion: Promotion
    private let extraction: Extraction?
    private let summaries: SessionSummaries?
    private let locks = KeyedLocks<SessionKey>()
    private let counter = TokenCounter()
    private let now: @Sendable () -> Timestamp

    /// How often a write is retried because another process wrote the session meanwhile.
    private static let attempts = 12
    /// The largest number of sessions in the response to an ambiguous request.
    private static let choicesShown = 10

    /// - Parameters:
    ///   - promotion: gets new memories for long-term memory.
    ///   - extraction: gets sessions with messages to extract memories from; default: none.
    ///   - summaries: of the earlier messages of long sessions; default: none.
    ///   - now: the clock of dates and stamps.
    public init(
        store: any WorkingMemoryStore, promotion: Promotion, extraction: Extraction? = nil,
        summaries: SessionSummaries? = nil,
        now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) {
        sessions = GuardedSessions(store)
        self.promotion = promotion
        self.extraction = extraction
        self.summaries = summaries
        self.now = now
    }

    /// A session as a client sees it.
    public struct View: Sendable {
        public let session: StoredSession
        /// `nil` if the client named no model.
        public let usage: ContextUsage?
    }

    /// The session that the selector names.
    ///
    /// - Parameters:
    ///   - recentMessages: keeps only the last ones; `nil`, zero and less keep all.
    ///   - budget: leaves out the oldest messages until the rest fits; the last one always stays.
    /// - Throws: ``MemoryError``: `notFound`; `conflict`, with the choices, if several sessions
    ///   match.
    public func session(
        _ selector: SessionSelector, recentMessages: Int? = nil, budget: ContextBudget? = nil, for caller: Caller
    ) async throws -> View {
        let store = sessions.scoped(to: caller)
        guard let key = try await key(of: selector, in: store),
            var session = try await read(key, in: store, recentMessages: recentMessages, budget: budget)
        else { throw selector.notFound }
        session = try await shown(session, to: caller)
        return View(session: session, usage: budget?.usage(of: session.memory.messages, counter: counter))
    }

    /// Reads hardly more messages than are shown: how many fit into a window is known only from the
    /// messages.
    private func read(
        _ key: SessionKey, in store: ScopedSessions, recentMessages: Int?, budget: ContextBudget?
    ) async throws -> StoredSession? {
        let recent = recentMessages.flatMap { $0 > 0 ? $0 : nil }
        guard let budget else { return try await store.read(key, lastMessages: recent) }
        let most = min(recent ?? .max, budget.messagesThatMayFit)
        var asked = min(most, budget.messagesThatUsuallyFit)
        while true {
            guard var session = try await store.read(key, lastMessages: asked) else { return nil }
            let messages = session.memory.messages
            let fitting = budget.fitting(messages, counter: counter)
            // If all of them fit, there may be room for earlier ones.
            if fitting.count < messages.count || messages.count < asked || asked == most {
                session.memory.messages = Array(fitting)
                return session
            }
            asked = asked < most / 4 ? asked * 4 : most
        }
    }

    /// The session with its summary.
    private func shown(_ session: StoredSession, to caller: Caller) async throws -> StoredSession {
        guard let summaries else { return session }
        return try await caller.scope.limiting { try await summaries.shown(session) }
    }

    /// As ``shown(_:to:)``; what has been written is not reported as failed because of the summary.
    private func shownAfterWrite(_ session: StoredSession, to caller: Caller) async throws -> StoredSession {
        do {
            return try await shown(session, to: caller)
        } catch is MemoryError {
            return session
        }
    }

    /// Replaces the session, or adds to it what the client added (``SessionMerge``). New memories
    /// in it are queued for long-term memory together with the write.
    ///
    /// - Throws: ``MemoryError``: `conflict` if the session has changed since the client read it
    ///   and the change would be undone; `preconditionFailed`.
    public func put(_ put: SessionPut, budget: ContextBudget? = nil, for caller: Caller) async throws -> View {
        let store = sessions.scoped(to: caller)
        let put = put.keyed(by: try store.completed(put.key))
        try store.check(put.key, put.memories)
        try extraction?.check(put.strategy, of: put.key)
        let session = try await MemoryError.tellingOutcome(.again) {
            try await locks.withLock(put.key) {
                try await retryingConflicts { try await write(put, window: budget?.limit, to: store) }
            }
        }
        promotion.wake()
        if let summaries, summaries.configuration.isInRequest {
            try await caller.scope.limiting {
                try await summaries.summarizeInRequest(session.memory, window: budget?.limit)
            }
        }
        return View(
            session: try await shownAfterWrite(session, to: caller),
            usage: budget?.usage(of: session.memory.messages, counter: counter))
    }

    /// One attempt; throws `conflict` if another process was faster, and
    /// ``SessionMerge/conflictError`` if the conflict is final.
    ///
    /// - Parameter window: tokens of the client's context window.
    private func write(
        _ put: SessionPut, window: Int?, to store: ScopedSessions
    ) async throws -> Attempt<StoredSession> {
        let stored = try await MemoryError.beforeAnyWrite { try await store.current(put.key, lastMessages: nil) }
        var put = extraction == nil ? put : put.keepingExtraction(of: stored)
        var summary: SessionSummary?
        if let summaries {
            summary = try await MemoryError.beforeAnyWrite {
                try await store.caller.scope.limiting { try await summaries.summary(of: put.key) }
            }
            if let known = summary, known.uncovered(of: put.messages) == nil {
                // The client keeps what it was shown in its own way from now on.
                try await store.caller.scope.limiting { try await summaries.forget(put.key) }
                summary = nil
            } else if let known = summary, let stored {
                put = put.keepingContext(of: stored.memory, knownTo: known)
            }
        }
        let derivation = Derivation(summary: summary, window: window)
        try put.condition.check(stored)
        let now = now()
        if let ttl = put.ttlSeconds, ttl <= 0 {
            return try await remove(put, stored, now, from: store)
        }
        guard let stored else { return try await replace(put, nil, now, derivation, in: store) }
        switch SessionMerge(put, over: stored) {
        case .conflict: throw SessionMerge.conflictError
        case .unchanged: return .done(stored)
        case .replace: return try await replace(put, stored, now, derivation, in: store)
        case .append(let messages):
            var whole = stored.memory
            whole.messages += messages
            let append = SessionAppend(
                messages, at: now, expectedRevision: stored.current.number, writerStamp: put.ownStamp(after: stored),
                tokens: put.tokens, enqueueing: jobs(for: whole, after: stored, derivation, by: store.caller))
            return try await Attempt {
                // Deleted since it was read: the next attempt creates it.
                guard var session = try await store.append(append, to: put.key) else { return nil }
                session.memory.messages = stored.memory.messages + messages
                return session
            }
        }
    }

    private func replace(
        _ put: SessionPut, _ stored: StoredSession?, _ now: Timestamp, _ derivation: Derivation,
        in store: ScopedSessions
    ) async throws -> Attempt<StoredSession> {
        let memory = put.memory(after: stored, now: now)
        return try await Attempt {
            let revision = try await store.write(
                memory, expecting: stored.map { .revision($0.current.number) } ?? .absent,
                writerStamp: put.ownStamp(after: stored),
                enqueueing: jobs(for: memory, after: stored, derivation, by: store.caller))
            return StoredSession(memory: memory, messageCount: memory.messages.count, revisions: [revision])
        }
    }

    /// The jobs that are queued together with a write of the session.
    private func jobs(
        for session: WorkingMemory, after stored: StoredSession?, _ derivation: Derivation, by caller: Caller
    ) -> [NewJob] {
        promotion.jobs(for: session, after: stored, by: caller) + (extraction?.jobs(for: session, by: caller) ?? [])
            + (summaries?.jobs(for: session, derivation.summary, window: derivation.window, by: caller) ?? [])
    }

    /// What a summary of the session that is written depends on.
    private struct Derivation {
        let summary: SessionSummary?
        /// Tokens of the client's context window; `nil` if the client names none.
        let window: Int?
    }

    /// A PUT whose time to live is over removes the session; the response shows the session as it
    /// would have been.
    private func remove(
        _ put: SessionPut, _ stored: StoredSession?, _ now: Timestamp, from store: ScopedSessions
    ) async throws -> Attempt<StoredSession> {
        let memory = put.memory(after: stored, now: now)
        return try await Attempt {
            // Before the session is removed: memories handed in twice are stored once.
            try await promotion.enqueue(promotion.jobs(for: memory, after: stored, by: store.caller))
            if let stored { _ = try await store.delete(put.key, expectedRevision: stored.current.number) }
            try await forgetSummary(of: put.key, for: store.caller)
            let revision = SessionRevision(
                number: (stored?.current.number ?? 0) + 1, stamp: memory.lastAccessed,
                writerStamp: put.ownStamp(after: stored),
                messageCount: memory.messages.count)
            return StoredSession(memory: memory, messageCount: memory.messages.count, revisions: [revision])
        }
    }

    /// Adds messages at the end of a session with any content, and creates it if there is none.
    /// Messages that the session has already are left out, so that the same append may be retried
    /// (``SessionAppend/skipsRepeats``).
    ///
    /// - Returns: the session without its messages.
    /// - Throws: ``MemoryError`` with code `conflict` if a message has the id of another one with
    ///   other content; then nothing was added.
    public func append(
        _ messages: [SessionMessage], to key: SessionKey, for caller: Caller
    ) async throws -> StoredSession {
        let store = sessions.scoped(to: caller)
        let key = try store.completed(key)
        let messages = try Self.withoutRepeats(messages)
        let jobs =
            promotion.jobs(for: messages, of: key, by: caller)
            + (extraction?.jobs(for: messages, of: key, by: caller) ?? [])
            + (summaries?.jobs(forAppendOf: messages, to: key, by: caller) ?? [])
        let session = try await MemoryError.tellingOutcome(.againWithIDs) {
            try await retryingConflicts {
                let now = now()
                let append = SessionAppend(messages, at: now, skipsRepeats: true, enqueueing: jobs)
                if let session = try await store.append(append, to: key) { return .done(session) }
                let memory = WorkingMemory(
                    key: key, messages: messages, createdAt: now, updatedAt: now, lastAccessed: now)
                return try await Attempt {
                    let revision = try await store.write(
                        memory, expecting: .absent, writerStamp: nil, enqueueing: jobs)
                    var head = memory
                    head.messages = []
                    return StoredSession(memory: head, messageCount: messages.count, revisions: [revision])
                }
            }
        }
        promotion.wake()
        return try await shownAfterWrite(session, to: caller)
    }

    /// The messages of one call, each id once.
    private static func withoutRepeats(_ messages: [SessionMessage]) throws(MemoryError) -> [SessionMessage] {
        var known: [ExactString: SessionMessage] = [:]
        var kept: [SessionMessage] = []
        for message in messages {
            if let earlier = known.updateValue(message, forKey: ExactString(message.id)) {
                guard earlier.saysTheSame(as: message) else { throw SessionAppend.repeatConflict }
            } else {
                kept.append(message)
            }
        }
        return kept
    }

    /// Removes the session that the selector names, if there is one.
    ///
    /// - Throws: ``MemoryError``: `conflict` if several sessions match; `preconditionFailed`.
    public func delete(
        _ selector: SessionSelector, condition: WriteCondition = .none, for caller: Caller
    ) async throws {
        let store = sessions.scoped(to: caller)
        try await MemoryError.tellingOutcome(.again) { try await remove(selector, condition, from: store) }
    }

    private func remove(
        _ selector: SessionSelector, _ condition: WriteCondition, from store: ScopedSessions
    ) async throws {
        guard let key = try await MemoryError.beforeAnyWrite({ try await key(of: selector, in: store) }) else {
            return try condition.check(nil)
        }
        if condition == .none {
            _ = try await store.delete(key, expectedRevision: nil)
            return try await forgetSummary(of: key, for: store.caller)
        }
        _ = try await retryingConflicts {
            let stored = try await store.current(key, lastMessages: 0)
            try condition.check(stored)
            guard let stored else { return .done(false) }
            return try await Attempt { try await store.delete(key, expectedRevision: stored.current.number) }
        }
        try await forgetSummary(of: key, for: store.caller)
    }

    private func forgetSummary(of key: SessionKey, for caller: Caller) async throws {
        guard let summaries, caller.reaches(key) else { return }
        try await caller.scope.limiting { try await summaries.forget(key) }
    }

    /// The ids of the sessions of a namespace and a user (`nil`: of all).
    public func list(
        namespace: String?, userID: String?, page: PageRequest, for caller: Caller
    ) async throws -> Page<String> {
        try await sessions.scoped(to: caller).sessionIDs(namespace: namespace, userID: userID, page: page)
    }

    /// The key of the session that has only what the selector names, else of the one that matches;
    /// `nil` if none does.
    private func key(of selector: SessionSelector, in store: ScopedSessions) async throws -> SessionKey? {
        if let key = selector.exactKey { return key }
        let keys = try await store.matching(selector.reference, limit: PageRequest.maximumLimit).filter(
            selector.matches)
        let plainKey = try store.narrowed(selector.plainKey)
        if keys.contains(plainKey) { return plainKey }
        guard keys.count > 1 else { return keys.first }
        throw selector.ambiguous(
            Array(keys.prefix(Self.choicesShown)), more: keys.count > Self.choicesShown)
    }

    /// The outcome of one attempt to write.
    private enum Attempt<Value: Sendable>: Sendable {
        case done(Value)
        /// Another process was faster.
        case overtaken

        init(_ value: Value) { self = .done(value) }

        /// Runs a conditional write of the store; `nil` and the store's `conflict` mean
        /// "overtaken".
        init(_ body: () async throws -> Value?) async throws {
            do {
                self = try await body().map { .done($0) } ?? .overtaken
            } catch let error as MemoryError where error.code == .conflict {
                self = .overtaken
            }
        }
    }

    private func retryingConflicts<Value>(_ body: () async throws -> Attempt<Value>) async throws -> Value {
        for attempt in 0..<Self.attempts {
            if case .done(let value) = try await body() { return value }
            // A pause of random length, so that writers of other processes do not collide again.
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...min(1 << attempt, 100))))
        }
        throw MemoryError(.conflict, "Too many concurrent writes to the session; try again")
    }
}
