import AgentMemory

/// Hands to the background what sessions hold for long-term memory.
///
/// The jobs carry the memories themselves, so that a session that expires or is deleted before they run loses nothing.
public struct Promotion: Sendable {
    private let jobs: BackgroundJobs
    private let isEnabled: Bool
    private let includesMessages: Bool

    /// Records of one job: few enough for one call of an embedding service.
    static let recordsPerJob = 200

    /// - Parameters:
    ///   - isEnabled: LONG_TERM_MEMORY; where it is off, nothing is promoted.
    ///   - includesMessages: INDEX_ALL_MESSAGES_IN_LONG_TERM_MEMORY: every message becomes a memory too.
    public init(jobs: BackgroundJobs, isEnabled: Bool = true, includesMessages: Bool = false) {
        self.jobs = jobs
        self.isEnabled = isEnabled
        self.includesMessages = includesMessages
    }

    /// Queues the memories of the session that are not in long-term memory yet (and its messages, where these are wanted).
    func enqueue(_ session: WorkingMemory) async throws {
        guard isEnabled else { return }
        let memories = session.memories.filter { $0.persistedAt == nil }
        let messages = includesMessages ? session.messages.filter { $0.persistedAt == nil } : []
        try await jobs.enqueue(PromotionJob.jobs(session.key, memories, messages))
    }

    /// Queues messages that were added to a session.
    func enqueue(_ messages: [SessionMessage], of key: SessionKey) async throws {
        guard isEnabled, includesMessages else { return }
        try await jobs.enqueue(PromotionJob.jobs(key, [], messages.filter { $0.persistedAt == nil }))
    }
}

/// What one job promotes.
struct PromotionJob: Equatable {
    static let kind = "promotion"

    let key: SessionKey
    let memories: [SessionMemory]
    let messages: [SessionMessage]

    var count: Int { memories.count + messages.count }

    /// Jobs of a bounded size that promote all of it together.
    static func jobs(_ key: SessionKey, _ memories: [SessionMemory], _ messages: [SessionMessage]) -> [NewJob] {
        slices(memories).map { PromotionJob(key: key, memories: $0, messages: []).newJob }
            + slices(messages).map { PromotionJob(key: key, memories: [], messages: $0).newJob }
    }

    private static func slices<Item>(_ items: [Item]) -> [[Item]] {
        stride(from: 0, to: items.count, by: Promotion.recordsPerJob).map {
            Array(items[$0..<min($0 + Promotion.recordsPerJob, items.count)])
        }
    }

    /// The same work with one record a job.
    var singles: [NewJob] {
        memories.map { PromotionJob(key: key, memories: [$0], messages: []).newJob }
            + messages.map { PromotionJob(key: key, memories: [], messages: [$0]).newJob }
    }

    var newJob: NewJob {
        var payload: JSONObject = [
            "session_id": .string(key.sessionID),
            "memories": .array(memories.map { memory in Self.value { memory.write(to: &$0) } }),
            "messages": .array(messages.map { message in Self.value { message.write(to: &$0) } }),
        ]
        if let namespace = key.namespace { payload["namespace"] = .string(namespace) }
        if let userID = key.userID { payload["user_id"] = .string(userID) }
        return NewJob(kind: Self.kind, payload: payload)
    }

    private static func value(_ write: (inout JSONWriter) -> Void) -> JSONValue {
        var writer = JSONWriter(capacity: 512)
        write(&writer)
        // What the writer wrote always parses.
        return (try? JSONValue(parsing: writer.bytes)) ?? .null
    }

    init(key: SessionKey, memories: [SessionMemory], messages: [SessionMessage]) {
        self.key = key
        self.memories = memories
        self.messages = messages
    }

    /// - Throws: ``MemoryError`` with code `invalidInput` for a payload that is none of ours.
    init(_ job: LeasedJob) throws(MemoryError) {
        guard let sessionID = job.payload["session_id"]?.stringValue else {
            throw MemoryError(.invalidInput, "the payload of the job names no session")
        }
        key = SessionKey(
            storedSessionID: sessionID, namespace: job.payload["namespace"]?.stringValue,
            userID: job.payload["user_id"]?.stringValue)
        var memories: [SessionMemory] = []
        for value in job.payload["memories"]?.arrayValue ?? [] {
            memories.append(try SessionMemory(stored: value, fallbackDate: job.enqueuedAt))
        }
        var messages: [SessionMessage] = []
        for value in job.payload["messages"]?.arrayValue ?? [] {
            messages.append(try SessionMessage(stored: value, fallbackDate: job.enqueuedAt))
        }
        self.memories = memories
        self.messages = messages
    }
}
