public import AgentMemory
public import Logging

/// Queues what a language model does with memories once they are stored.
public struct Indexing: Sendable {
    /// What is done, each unless it is done already.
    public struct Steps: OptionSet, Sendable {
        public let rawValue: Int

        public init(rawValue: Int) {
            self.rawValue = rawValue
        }

        /// Topics and entities of memories that have neither (``Tagging``).
        public static let tagging = Steps(rawValue: 1)
        /// Memories from those that say that this is still to be done (``RecordExtraction``).
        public static let extraction = Steps(rawValue: 2)
        /// Comparison with other memories (``Deduplication``).
        public static let deduplication = Steps(rawValue: 4)

        static let names: KeyValuePairs<String, Steps> = [
            "tagging": .tagging, "extraction": .extraction, "deduplication": .deduplication,
        ]
    }

    private let jobs: JobSubmitter
    private let steps: Steps
    private let reach: LanguageReach
    private let logger: Logger

    /// Memories of one job: each takes several searches, and calls of a model.
    static let recordsPerJob = 20

    /// - Parameters:
    ///   - jobs: of the worker with the ``IndexingHandler``.
    ///   - steps: what this server does.
    ///   - reach: with whose memories.
    ///   - logger: gets failures: what is stored does not fail for them.
    public init(jobs: JobSubmitter, steps: Steps, within reach: LanguageReach = .everything, logger: Logger) {
        self.jobs = jobs
        self.steps = steps
        self.reach = reach
        self.logger = logger
    }

    /// Whether memories of the same meaning are united.
    var deduplicates: Bool { steps.contains(.deduplication) }

    /// Queues the work for memories that were stored.
    ///
    /// - Parameters:
    ///   - records: as they are stored.
    ///   - deduplicates: whether they are compared with others.
    ///   - caller: who has stored them.
    func enqueue(_ records: [MemoryRecord], deduplicating deduplicates: Bool, for caller: Caller) async throws {
        let steps = deduplicates ? self.steps : self.steps.subtracting(.deduplication)
        let due = records.filter { record in
            steps.contains(.tagging) && Tagging.isDue(record)
                || steps.contains(.extraction) && RecordExtraction.isDue(record)
                || steps.contains(.deduplication) && Deduplication.compares(record)
        }
        var batch = Batch()
        for record in due { batch.add(record) }
        try await enqueue(batch, steps, for: caller)
    }

    /// Queues steps for stored memories, except those that no language model may be sent.
    func enqueue(_ batch: Batch, _ steps: Steps, for caller: Caller) async throws {
        try await jobs.enqueue(
            batch.owners.filter { reach.contains($0.namespace?.value) }.flatMap { owner in
                let ids = batch.ids[owner] ?? []
                return stride(from: 0, to: ids.count, by: Self.recordsPerJob).map { start in
                    IndexingJob(
                        ids: Array(ids[start..<min(start + Self.recordsPerJob, ids.count)]), owner: owner, steps: steps,
                        waits: 0, caller: caller
                    ).newJob
                }
            })
    }

    /// The ids of memories by their owners.
    struct Batch: Sendable {
        fileprivate var ids: [IndexingJob.Owner: [String]] = [:]
        /// In the order of their first memories.
        fileprivate var owners: [IndexingJob.Owner] = []

        mutating func add(_ record: MemoryRecord) {
            let owner = IndexingJob.Owner(record)
            if ids[owner] == nil { owners.append(owner) }
            ids[owner, default: []].append(record.id)
        }
    }

    /// As ``enqueue(_:deduplicating:for:)``, for a write that has been done: it does not fail if
    /// the queue does. A later compaction finds what is left out.
    func enqueueAfterWrite(
        _ records: [MemoryRecord], deduplicating deduplicates: Bool, for caller: Caller
    ) async throws {
        do {
            try await enqueue(records, deduplicating: deduplicates, for: caller)
        } catch let error as MemoryError {
            logger.warning("stored memories are not worked on by the language model", metadata: ["error": "\(error)"])
        }
    }
}

/// The payload of a job for memories that were stored.
public struct IndexingJob: JobPayload, Equatable {
    public static let kind = "indexing"

    /// Whose the memories of a job are, by which an erasure finds it.
    struct Owner: Hashable {
        let namespace: ExactString?
        let userID: ExactString?
        let sessionID: ExactString?

        init(_ record: MemoryRecord) {
            namespace = record.namespace.map(ExactString.init)
            userID = record.userID.map(ExactString.init)
            sessionID = record.sessionID.map(ExactString.init)
        }

        fileprivate init(_ json: JSONObject) {
            func value(_ name: String) -> ExactString? { json[name]?.stringValue.map(ExactString.init) }
            (namespace, userID, sessionID) = (value("namespace"), value("user_id"), value("session_id"))
        }

        fileprivate func write(to json: inout JSONObject) {
            for (name, value) in [("namespace", namespace), ("user_id", userID), ("session_id", sessionID)] {
                if let value { json[name] = .string(value.value) }
            }
        }
    }

    let ids: [String]
    let owner: Owner
    let steps: Indexing.Steps
    /// How often it has waited for the model.
    let waits: Int
    let caller: Caller
    /// When it was handed in, by the clock of the queue; the first time, if it was queued again.
    let handedInAt: Timestamp?

    init(
        ids: [String], owner: Owner, steps: Indexing.Steps, waits: Int, caller: Caller, handedInAt: Timestamp? = nil
    ) {
        self.ids = ids
        self.owner = owner
        self.steps = steps
        self.waits = waits
        self.caller = caller
        self.handedInAt = handedInAt
    }

    public var json: JSONObject {
        let names = Indexing.Steps.names.filter { steps.contains($0.value) }.map { JSONValue.string($0.key) }
        var payload: JSONObject = [
            "ids": .array(ids.map { .string($0) }), "steps": .array(names), "waits": .int(waits),
        ]
        owner.write(to: &payload)
        if caller != .unrestricted { payload["caller"] = .object(caller.json) }
        if let handedInAt { payload["handed_in_at"] = .int(Int(handedInAt.microseconds)) }
        return payload
    }

    public init(_ json: JSONObject, enqueuedAt: Timestamp) throws(MemoryError) {
        guard let ids = json["ids"]?.stringsValue, let names = json["steps"]?.stringsValue else {
            throw MemoryError(.invalidInput, "the payload of the job does not tell what to do with which memories")
        }
        self.ids = ids
        owner = Owner(json)
        steps = Indexing.Steps.names.reduce(into: []) { steps, step in
            if names.contains(step.key) { steps.insert(step.value) }
        }
        waits = json["waits"]?.intValue ?? 0
        caller = try Caller(job: json)
        handedInAt =
            json["handed_in_at"]?.intValue.flatMap { Timestamp(microseconds: Int64($0)) } ?? enqueuedAt
    }

    /// The same work, or some steps of it, for some of the memories.
    func with(ids: some Sequence<String>, steps: Indexing.Steps? = nil, waits: Int? = nil) -> IndexingJob {
        IndexingJob(
            ids: Array(ids), owner: owner, steps: steps ?? self.steps, waits: waits ?? self.waits, caller: caller,
            handedInAt: handedInAt)
    }

    /// The job for those that are left, once the model may answer again.
    func waiting(with left: some Sequence<String>) -> NewJob {
        with(ids: left, waits: min(waits + 1, 100)).newJob(after: ModelWait.delay(after: waits))
    }

    func newJob(after delay: Duration) -> NewJob { NewJob(kind: Self.kind, payload: json, delay: delay) }
}
