public import AgentMemory

/// Sessions in memory: every operation written as directly as the contract states it.
public actor ReferenceWorkingMemoryStore: SnapshotSessions {
    public nonisolated let name = "reference"

    private let now: @Sendable () -> Timestamp
    private let jobs: ReferenceJobQueue
    private var sessions: [SessionKey: Entry] = [:]

    private struct Entry {
        var session: StoredSession
        var expiresAt: Timestamp?
    }

    /// - Parameters:
    ///   - jobs: gets the jobs of writes.
    ///   - now: the clock that times to live are measured against.
    public init(jobs: ReferenceJobQueue, now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }) {
        self.jobs = jobs
        self.now = now
    }

    public func prepare() {}

    /// Removes expired sessions every minute.
    public func run() async throws {
        while true {
            try await Task.sleep(for: .seconds(60))
            sweep()
        }
    }

    public func close() {}

    public func health() -> [ComponentHealth] {
        [ComponentHealth("sessions", version: "in memory")]
    }

    public func matching(_ reference: SessionReference, within scope: AccessScope, limit: Int) -> [SessionKey] {
        let found = sessions.keys.filter { reference.matches($0) && scope.contains($0) && live($0) != nil }
        return Array(found.sorted().prefix(limit))
    }

    public func read(_ key: SessionKey, lastMessages: Int?) -> StoredSession? {
        guard var session = live(key) else { return nil }
        if let lastMessages { session.memory.messages = session.memory.messages.suffix(lastMessages) }
        return session
    }

    @discardableResult
    public func write(
        _ memory: WorkingMemory, expecting expectation: SessionExpectation, writerStamp: Timestamp?,
        enqueueing newJobs: [NewJob]
    ) async throws -> SessionRevision {
        let stored = live(memory.key)
        switch expectation {
        case .absent: if stored != nil { throw Self.conflict }
        case .revision(let number): if stored?.current.number != number { throw Self.conflict }
        }
        let revision = SessionRevision(
            number: (stored?.current.number ?? 0) + 1, stamp: memory.lastAccessed, writerStamp: writerStamp,
            messageCount: memory.messages.count)
        keep(
            StoredSession(
                memory: memory, messageCount: memory.messages.count,
                revisions: Self.history(stored?.revisions ?? [], adding: revision)))
        // Nothing can fail from here on, so the process has both or neither.
        if !newJobs.isEmpty { await jobs.enqueue(newJobs) }
        return revision
    }

    public func append(_ append: SessionAppend, to key: SessionKey) async throws -> StoredSession? {
        guard var session = live(key) else { return nil }
        if let expected = append.expectedRevision, expected != session.current.number { throw Self.conflict }
        var messages = append.messages
        if append.skipsRepeats, !messages.isEmpty {
            messages = try Self.withoutRepeats(messages, in: session.memory.messages)
            if messages.isEmpty {
                session.memory.messages = []
                return session
            }
        }
        let earliest = Timestamp(microseconds: session.current.stamp.microseconds + 1) ?? .latest
        session.memory.messages += messages
        session.messageCount = session.memory.messages.count
        session.memory.updatedAt = append.at
        session.memory.lastAccessed = max(append.at, earliest)
        if let tokens = append.tokens { session.memory.tokens = tokens }
        session.revisions = Self.history(
            session.revisions,
            adding: SessionRevision(
                number: session.current.number + 1, stamp: session.memory.lastAccessed,
                writerStamp: append.writerStamp, messageCount: session.messageCount))
        keep(session)
        session.memory.messages = []
        if !append.jobs.isEmpty { await jobs.enqueue(append.jobs) }
        return session
    }

    private static func withoutRepeats(
        _ messages: [SessionMessage], in stored: [SessionMessage]
    ) throws -> [SessionMessage] {
        var recent: [ExactString: SessionMessage] = [:]
        // Of messages that share an id the last one counts.
        for message in stored.suffix(SessionAppend.repeatWindow) { recent[ExactString(message.id)] = message }
        return try messages.filter { message in
            guard let known = recent[ExactString(message.id)] else { return true }
            guard known.saysTheSame(as: message) else { throw SessionAppend.repeatConflict }
            return false
        }
    }

    public func delete(_ key: SessionKey, expectedRevision: Int?) throws -> Bool {
        guard let session = live(key) else { return false }
        if let expectedRevision, expectedRevision != session.current.number { throw Self.conflict }
        sessions[key] = nil
        return true
    }

    public func sessionIDs(
        namespace: String?, userID: String?, within scope: AccessScope, page: PageRequest
    ) throws -> Page<String> {
        let ids = try sessions.keys.filter { key in
            try live(key) != nil && scope.contains(key)
                && SessionReference(sessionID: key.sessionID, namespace: namespace, userID: userID).matches(key)
        }.sorted().map(\.sessionID).exactlyDistinct()
        return Page(of: ids, request: page)
    }

    public func markPersisted(memoryIDs: [String], messageIDs: [String], at: Timestamp, in key: SessionKey) {
        guard var session = live(key) else { return }
        let memoryIDs = Set(memoryIDs.map(ExactString.init))
        let messageIDs = Set(messageIDs.map(ExactString.init))
        for (index, memory) in session.memory.memories.enumerated()
        where memory.persistedAt == nil && memoryIDs.contains(ExactString(memory.id)) {
            session.memory.memories[index].persistedAt = at
        }
        for (index, message) in session.memory.messages.enumerated()
        where message.persistedAt == nil && messageIDs.contains(ExactString(message.id)) {
            session.memory.messages[index].persistedAt = at
        }
        sessions[key]?.session = session
    }

    public func markExtracted(_ messages: [SessionMessage], in key: SessionKey) {
        guard var session = live(key) else { return }
        for (index, message) in session.memory.messages.enumerated()
        where messages.contains(where: { $0.saysTheSame(as: message) }) {
            session.memory.messages[index].discreteMemoryExtracted = true
        }
        sessions[key]?.session = session
    }

    public nonisolated func withSessions<Value: Sendable>(
        of selection: SnapshotSelection, _ body: @Sendable (any SessionSnapshot) async throws -> Value
    ) async throws -> Value {
        try await body(ReferenceSnapshot(await selected(by: selection)))
    }

    private func selected(by selection: SnapshotSelection) -> [WorkingMemory] {
        sessions.keys.filter(selection.contains).sorted().compactMap { live($0)?.memory }
    }

    private func live(_ key: SessionKey) -> StoredSession? {
        guard let entry = sessions[key] else { return nil }
        if let expiresAt = entry.expiresAt, expiresAt <= now() { return nil }
        return entry.session
    }

    /// Stores the session; its time to live starts now.
    private func keep(_ session: StoredSession) {
        let seconds = session.memory.ttlSeconds.map { Int64(min($0, 400_000_000_000)) }
        sessions[session.memory.key] = Entry(
            session: session, expiresAt: seconds.map { now().advanced(bySeconds: $0) })
    }

    private func sweep() {
        let now = now()
        sessions = sessions.filter { entry in entry.value.expiresAt.map { $0 > now } ?? true }
    }

    private static func history(_ revisions: [SessionRevision], adding revision: SessionRevision)
        -> [SessionRevision]
    {
        revisions.suffix(SessionRevision.kept - 1) + [revision]
    }

    private static let conflict = MemoryError(.conflict, "the session has changed in the meantime")
}
