public import AgentMemory

/// Queues the extraction of memories from the messages of sessions.
///
/// Every write that leaves messages to extract from queues a job, together with the write. The job
/// waits until the session has been quiet for a while: a job that finds later messages leaves them,
/// and its own, to their job.
public struct Extraction: Sendable {
    private let delay: Duration
    private let reach: LanguageReach

    /// - Parameters:
    ///   - delay: how long a session must be quiet.
    ///   - reach: whose messages are extracted from.
    public init(after delay: Duration, within reach: LanguageReach = .everything) {
        self.delay = delay
        self.reach = reach
    }

    /// The jobs for a write of the session.
    func jobs(for session: WorkingMemory, by caller: Caller) -> [NewJob] {
        guard reach.contains(session.key.namespace),
            let last = session.messages.last(where: { !$0.discreteMemoryExtracted })
        else { return [] }
        return [job(session.key, [last.id], caller)]
    }

    /// The jobs for messages that are added to a session.
    func jobs(for messages: [SessionMessage], of key: SessionKey, by caller: Caller) -> [NewJob] {
        guard reach.contains(key.namespace) else { return [] }
        // Which of them is the last one is known only to the store: it leaves repeats out.
        let due = messages.filter { !$0.discreteMemoryExtracted }.suffix(SessionAppend.repeatWindow)
        return due.isEmpty ? [] : [job(key, due.map(\.id), caller)]
    }

    private func job(_ key: SessionKey, _ lastIDs: [String], _ caller: Caller) -> NewJob {
        ExtractionJob(key: key, lastIDs: lastIDs, holder: ULID.make(), waits: 0, caller: caller)
            .newJob(after: delay)
    }

    /// Refuses a strategy of a session whose configuration cannot be used.
    ///
    /// - Throws: ``MemoryError`` with code `invalidInput` that names the member.
    func check(_ strategy: MemoryStrategy, of key: SessionKey) throws(MemoryError) {
        guard reach.contains(key.namespace) else { return }
        _ = try ExtractionStrategy(strategy)
    }
}

/// The payload of an extraction job.
public struct ExtractionJob: JobPayload, Equatable {
    public static let kind = "extraction"

    let key: SessionKey
    /// The messages that the write added last: if one of them is the last one to extract from, no
    /// later job is responsible.
    let lastIDs: [String]
    /// Identifies this job among those of a session, also after it was queued again.
    let holder: String
    /// How often it has waited for the model.
    private(set) var waits: Int
    let caller: Caller
    /// When it was handed in, by the clock of the queue; the first time, if it was queued again.
    private(set) var handedInAt: Timestamp?
    /// The fingerprint of the one message that the job is about, which was set aside
    /// (``MessagesSetAside``).
    private(set) var message: String?
    /// How often the model had no answer to this message.
    private(set) var failures = 0

    init(key: SessionKey, lastIDs: [String], holder: String, waits: Int, caller: Caller) {
        self.key = key
        self.lastIDs = lastIDs
        self.holder = holder
        self.waits = waits
        self.caller = caller
        handedInAt = nil
    }

    public var json: JSONObject {
        var payload = key.json
        payload["last_ids"] = .array(lastIDs.map { .string($0) })
        payload["holder"] = .string(holder)
        payload["waits"] = .int(waits)
        if let message {
            payload["message"] = .string(message)
            payload["failures"] = .int(failures)
            if let handedInAt { payload["handed_in_at"] = .int(Int(handedInAt.microseconds)) }
        }
        if caller != .unrestricted { payload["caller"] = .object(caller.json) }
        return payload
    }

    public init(_ json: JSONObject, enqueuedAt: Timestamp) throws(MemoryError) {
        key = try SessionKey(job: json)
        guard let ids = json["last_ids"]?.stringsValue, let holder = json["holder"]?.stringValue else {
            throw MemoryError(.invalidInput, "the payload of the job does not tell what to extract from")
        }
        lastIDs = ids
        self.holder = holder
        waits = json["waits"]?.intValue ?? 0
        caller = try Caller(job: json)
        message = json["message"]?.stringValue
        failures = json["failures"]?.intValue ?? 0
        handedInAt =
            json["handed_in_at"]?.intValue.flatMap { Timestamp(microseconds: Int64($0)) } ?? enqueuedAt
    }

    func newJob(after delay: Duration) -> NewJob { NewJob(kind: Self.kind, payload: json, delay: delay) }

    /// The same job, to be run once the model may answer again.
    func waiting() -> NewJob {
        var job = self
        job.waits = min(waits + 1, 100)
        return job.newJob(after: ModelWait.delay(after: waits))
    }

    /// The job of one message of the session, to which the model has no answer.
    func setAside(_ message: SessionMessage) -> ExtractionJob {
        var job = ExtractionJob(key: key, lastIDs: [message.id], holder: ULID.make(), waits: 0, caller: caller)
        job.message = ExtractionPlan.fingerprint(of: message)
        job.handedInAt = handedInAt
        job.failures = 1
        return job
    }

    /// The job of the same message, to which the model had no answer again.
    func failedAgain() -> ExtractionJob {
        var job = self
        job.failures = min(failures + 1, 1000)
        return job
    }
}

/// How long a job waits for a model that cannot be asked now: not longer than a minute, so that all
/// work is done soon after the model is back.
enum ModelWait {
    static func delay(after waits: Int, random: Double = .random(in: 0...1)) -> Duration {
        let longest = min(40, 5 * Double(1 << min(waits, 4)))
        return .seconds(longest * (0.5 + 0.5 * random))
    }
}

extension SessionKey {
    /// The members that name the session in the payload of a job.
    var json: JSONObject {
        var object: JSONObject = ["session_id": .string(sessionID)]
        if let namespace { object["namespace"] = .string(namespace) }
        if let userID { object["user_id"] = .string(userID) }
        return object
    }

    /// Reads ``json`` from the payload of a job.
    ///
    /// - Throws: ``MemoryError`` with code `invalidInput`.
    init(job json: JSONObject) throws(MemoryError) {
        guard let sessionID = json["session_id"]?.stringValue else {
            throw MemoryError(.invalidInput, "the payload of the job names no session")
        }
        self.init(
            storedSessionID: sessionID, namespace: json["namespace"]?.stringValue,
            userID: json["user_id"]?.stringValue)
    }

    /// Identifies the session in the ids of documents and records.
    var fingerprint: String { Fingerprint.of([namespace ?? "", userID ?? "", sessionID], length: 40) }
}

extension Caller {
    /// Reads the caller from the payload of a job; without one it is from a server without access
    /// control.
    ///
    /// - Throws: ``MemoryError`` with code `invalidInput`.
    init(job json: JSONObject) throws(MemoryError) {
        guard let caller = json["caller"] else {
            self = .unrestricted
            return
        }
        guard let members = caller.objectValue else {
            throw MemoryError(.invalidInput, "the payload of the job does not tell who handed it in")
        }
        self = try Caller(json: members)
    }

    /// The same limits, with the rights to read and write: what the server derives from a write is
    /// its own work.
    var deriving: Caller { Caller(subject: subject, scope: scope, rights: [.read, .write]) }
}
