public import AgentMemory

/// Stores memories (and messages) of sessions in long-term memory, under their own ids.
///
/// An id that long-term memory has already, for the same user and namespace, is left as it is, so
/// that a second run of the job does not undo later edits. An id that was deleted after it had been
/// handed in is not stored again. Both count as done. An id that belongs to another user or
/// namespace is not stored: its job goes to the dead-letter list.
public struct PromotionHandler: JobHandler {
    public let retries: RetryPolicy
    private let memory: LongTermMemory
    private let store: any WorkingMemoryStore
    private let jobs: JobSubmitter
    private let now: @Sendable () -> Timestamp

    public init(
        memory: LongTermMemory, store: any WorkingMemoryStore, jobs: JobSubmitter, retries: RetryPolicy = RetryPolicy(),
        now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) {
        self.memory = memory
        self.store = store
        self.jobs = jobs
        self.retries = retries
        self.now = now
    }

    public func run(_ promotion: PromotionJob, isLastAttempt: Bool) async throws {
        let now = now()
        do {
            var records: [MemoryRecord] = []
            for memory in promotion.memories { records.append(try Self.record(of: memory, in: promotion.key, now)) }
            for message in promotion.messages {
                records.append(try Self.record(of: message, in: promotion.key, now))
            }
            let outcomes = try await memory.promote(
                RecordBatch(records).records, handedInAt: promotion.handedInAt, for: promotion.caller)
            if outcomes.contains(.taken) { throw Self.taken }
        } catch let error as MemoryError where promotion.count > 1 && (error.isFinal || isLastAttempt) {
            // One record may be at fault: from here on each has its own job, and only that one ends
            // in the dead-letter list.
            return try await jobs.enqueue(promotion.singles)
        }
        try await promotion.caller.scope.limiting {
            try await store.markPersisted(
                memoryIDs: promotion.memories.map(\.id), messageIDs: promotion.messages.map(\.id), at: now,
                in: promotion.key)
        }
    }

    private static let taken = MemoryError(
        .invalidCombination,
        "long-term memory has the id for another user or namespace: give the memory in the session another id, or delete the other one and retry the job"
    )

    /// The memory as long-term memory stores it: fields that it leaves out are taken from its
    /// session.
    private static func record(of memory: SessionMemory, in key: SessionKey, _ now: Timestamp) throws(MemoryError)
        -> MemoryRecord
    {
        let record = memory.record
        return try MemoryRecord(
            id: record.id, text: record.text, sessionID: record.sessionID ?? key.sessionID,
            userID: record.userID ?? key.userID, namespace: record.namespace ?? key.namespace,
            memoryType: record.memoryType, topics: record.topics, entities: record.entities,
            extractedFrom: record.extractedFrom, discreteMemoryExtracted: record.discreteMemoryExtracted,
            extractionStrategy: record.extractionStrategy,
            extractionStrategyConfig: record.extractionStrategyConfig, metadata: record.metadata,
            pinned: record.pinned, accessCount: record.accessCount, createdAt: record.createdAt,
            lastAccessed: record.lastAccessed, updatedAt: record.updatedAt, persistedAt: now,
            eventDate: record.eventDate, expiresAt: record.expiresAt)
    }

    /// A message as a memory, in the reference's form of stored messages.
    private static func record(of message: SessionMessage, in key: SessionKey, _ now: Timestamp)
        throws(MemoryError) -> MemoryRecord
    {
        try MemoryRecord(
            id: message.id, text: "\(message.role): \(message.content)", sessionID: key.sessionID,
            userID: key.userID, namespace: key.namespace, memoryType: .message,
            discreteMemoryExtracted: message.discreteMemoryExtracted, extractionStrategy: "message",
            createdAt: message.createdAt, lastAccessed: message.createdAt, updatedAt: message.createdAt,
            persistedAt: now)
    }
}
