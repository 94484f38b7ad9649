public import AgentMemory

/// Queues the promotion of memories in sessions to long-term memory.
///
/// The jobs contain the memories themselves, so that nothing is lost if a session expires or is
/// deleted before they run.
public struct Promotion: Sendable {
    private let jobs: JobSubmitter
    private let isEnabled: Bool
    private let includesMessages: Bool

    /// Records per job: few enough for one call of an embedding service.
    static let recordsPerJob = 200

    /// - Parameters:
    ///   - isEnabled: whether there is long-term memory; if not, nothing is promoted.
    ///   - includesMessages: whether every message becomes a memory too.
    public init(jobs: JobSubmitter, isEnabled: Bool = true, includesMessages: Bool = false) {
        self.jobs = jobs
        self.isEnabled = isEnabled
        self.includesMessages = includesMessages
    }

    /// The jobs for a write of the session: for the memories (and messages, if configured) that the
    /// write adds and that are not in long-term memory.
    ///
    /// What the session already had, with the same content, was handed in with an earlier write.
    /// Handing it in again would restore what has been deleted from long-term memory since.
    ///
    /// - Parameters:
    ///   - stored: the session that the write replaces. A document of the reference, for which
    ///     nothing was handed in here, counts as none.
    ///   - caller: whose limits the jobs keep.
    func jobs(for session: WorkingMemory, after stored: StoredSession?, by caller: Caller) -> [NewJob] {
        guard isEnabled else { return [] }
        let before = stored.flatMap { $0.current.number == 0 ? nil : $0.memory }
        var memories = session.memories.filter { $0.persistedAt == nil }
        if let before, !memories.isEmpty {
            let known = Dictionary(before.memories.map { (ExactString($0.id), $0) }) { $1 }
            memories = memories.filter { known[ExactString($0.id)]?.saysTheSame(as: $0) != true }
        }
        var messages = includesMessages ? session.messages.filter { $0.persistedAt == nil } : []
        if let before, !messages.isEmpty {
            let known = Dictionary(before.messages.map { (ExactString($0.id), $0) }) { $1 }
            messages = messages.filter { known[ExactString($0.id)]?.saysTheSame(as: $0) != true }
        }
        return PromotionJob.jobs(session.key, memories, messages, by: caller)
    }

    /// The jobs for messages that are added to a session.
    func jobs(for messages: [SessionMessage], of key: SessionKey, by caller: Caller) -> [NewJob] {
        guard isEnabled, includesMessages else { return [] }
        return PromotionJob.jobs(key, [], messages.filter { $0.persistedAt == nil }, by: caller)
    }

    /// Queues jobs that are not part of a write.
    func enqueue(_ new: [NewJob]) async throws {
        try await jobs.enqueue(new)
    }

    /// Makes the worker of this process look for the jobs of a write.
    func wake() {
        if isEnabled { jobs.wake() }
    }
}

/// The payload of a promotion job.
public struct PromotionJob: JobPayload, Equatable {
    public static let kind = "promotion"

    let key: SessionKey
    let memories: [SessionMemory]
    let messages: [SessionMessage]
    /// When the memories were handed in, by the clock of the queue.
    let handedInAt: Timestamp
    /// Who handed them in. A job of an earlier version, which tells nothing of it, is from a server
    /// without access control.
    let caller: Caller

    var count: Int { memories.count + messages.count }

    /// Jobs of a bounded size that promote all of the payload.
    static func jobs(
        _ key: SessionKey, _ memories: [SessionMemory], _ messages: [SessionMessage], by caller: Caller
    ) -> [NewJob] {
        slices(memories).map { NewJob(kind: kind, payload: payload(key, $0, [], handedInAt: nil, by: caller)) }
            + slices(messages).map { NewJob(kind: kind, payload: payload(key, [], $0, handedInAt: nil, by: caller)) }
    }

    private static func slices<Item>(_ items: [Item]) -> [[Item]] {
        stride(from: 0, to: items.count, by: Promotion.recordsPerJob).map {
            Array(items[$0..<min($0 + Promotion.recordsPerJob, items.count)])
        }
    }

    /// The same work with one record per job.
    var singles: [NewJob] {
        memories.map { single([$0], []).newJob } + messages.map { single([], [$0]).newJob }
    }

    private func single(_ memories: [SessionMemory], _ messages: [SessionMessage]) -> PromotionJob {
        PromotionJob(key: key, memories: memories, messages: messages, handedInAt: handedInAt, caller: caller)
    }

    public var json: JSONObject { Self.payload(key, memories, messages, handedInAt: handedInAt, by: caller) }

    /// - Parameter handedInAt: `nil` for when the job is enqueued, by the clock of the queue.
    private static func payload(
        _ key: SessionKey, _ memories: [SessionMemory], _ messages: [SessionMessage], handedInAt: Timestamp?,
        by caller: Caller
    ) -> JSONObject {
        var payload: JSONObject = [
            "session_id": .string(key.sessionID),
            "memories": .array(memories.map { memory in value { memory.write(to: &$0) } }),
            "messages": .array(messages.map { message in value { message.write(to: &$0) } }),
        ]
        if let namespace = key.namespace { payload["namespace"] = .string(namespace) }
        if let userID = key.userID { payload["user_id"] = .string(userID) }
        if caller != .unrestricted { payload["caller"] = .object(caller.json) }
        if let handedInAt { payload["handed_in_at"] = .int(Int(handedInAt.microseconds)) }
        return payload
    }

    private static func value(_ write: (inout JSONWriter) -> Void) -> JSONValue {
        var writer = JSONWriter(capacity: 512)
        write(&writer)
        // The writer's output always parses.
        return (try? JSONValue(parsing: writer.bytes)) ?? .null
    }

    private init(
        key: SessionKey, memories: [SessionMemory], messages: [SessionMessage], handedInAt: Timestamp, caller: Caller
    ) {
        self.key = key
        self.memories = memories
        self.messages = messages
        self.handedInAt = handedInAt
        self.caller = caller
    }

    public init(_ json: JSONObject, enqueuedAt: Timestamp) throws(MemoryError) {
        guard let sessionID = json["session_id"]?.stringValue else {
            throw MemoryError(.invalidInput, "the payload of the job names no session")
        }
        key = SessionKey(
            storedSessionID: sessionID, namespace: json["namespace"]?.stringValue,
            userID: json["user_id"]?.stringValue)
        var memories: [SessionMemory] = []
        for value in json["memories"]?.arrayValue ?? [] {
            memories.append(try SessionMemory(stored: value, fallbackDate: enqueuedAt))
        }
        var messages: [SessionMessage] = []
        for value in json["messages"]?.arrayValue ?? [] {
            messages.append(try SessionMessage(stored: value, fallbackDate: enqueuedAt))
        }
        self.memories = memories
        self.messages = messages
        if let caller = json["caller"] {
            guard let members = caller.objectValue else {
                throw MemoryError(.invalidInput, "the payload of the job does not tell who handed it in")
            }
            self.caller = try Caller(json: members)
        } else {
            caller = .unrestricted
        }
        handedInAt =
            json["handed_in_at"]?.intValue.flatMap { Timestamp(microseconds: Int64($0)) } ?? enqueuedAt
    }
}
