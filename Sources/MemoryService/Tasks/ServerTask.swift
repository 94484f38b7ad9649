public import AgentMemory

/// The state of a task, in the words of the reference.
public enum TaskStatus: String, Sendable, CaseIterable {
    case pending, running, success, failed

    var isOver: Bool { self == .success || self == .failed }
}

/// Work in the background, as clients follow it: any kind of it.
public struct ServerTask: Sendable, Equatable {
    /// What becomes of a task.
    typealias Change = @Sendable (inout ServerTask) -> Void

    /// How long a task is kept after its last change, in seconds: 7 days.
    static let keptSeconds = 7 * 86_400

    public let id: String
    /// What kind of work it is, such as `erasure`.
    public let type: String
    public let createdAt: Timestamp
    public var status = TaskStatus.pending
    public var startedAt: Timestamp?
    public var completedAt: Timestamp?
    /// Why it failed.
    public var failure: String?
    /// What the kind of work adds to what clients see.
    public var details: JSONObject
    /// What the work needs to go on; not for clients.
    var work: JSONObject?
    /// Of who started it, if owners do not say who may see it.
    private let starter: String?

    private static let members: Set<String> = [
        "id", "type", "status", "created_at", "started_at", "completed_at", "error_message", "work", "starter",
    ]

    static func key(_ id: String) -> DocumentKey { DocumentKey(.task, id) }

    /// - Parameters:
    ///   - starter: sees the task in addition to those who reach its owner.
    ///   - details: without the members of every task.
    init(
        id: String, type: String, createdAt: Timestamp, starter: Caller, details: JSONObject,
        work: JSONObject? = nil
    ) {
        self.id = id
        self.type = type
        self.createdAt = createdAt
        self.details = details
        self.work = work
        self.starter = Self.mark(of: starter, id)
    }

    /// Tells a caller by its name, without naming it.
    private static func mark(of caller: Caller, _ id: String) -> String { Fingerprint.of([id, caller.subject]) }

    func isStarted(by caller: Caller) -> Bool { starter == Self.mark(of: caller, id) }

    /// The members of the task as clients see them.
    public var json: JSONObject {
        var json: JSONObject = ["id": .string(id), "type": .string(type), "status": .string(status.rawValue)]
        for (name, value) in details.members { json[name] = value }
        json["created_at"] = .string(createdAt.iso8601)
        json["started_at"] = startedAt.map { .string($0.iso8601) } ?? .null
        json["completed_at"] = completedAt.map { .string($0.iso8601) } ?? .null
        json["error_message"] = failure.map { .string($0) } ?? .null
        return json
    }

    /// - Parameter reason: what clients see.
    mutating func fail(_ reason: String) {
        status = .failed
        failure = reason
    }

    /// The task as it is stored, with its owner.
    func document(namespace: String?, userID: String?) -> Document {
        var body = json
        if let work { body["work"] = .object(work) }
        if let starter { body["starter"] = .string(starter) }
        return Document(Self.key(id), namespace: namespace, userID: userID, body: body)
    }

    /// Reads ``document(namespace:userID:)``.
    ///
    /// - Throws: ``MemoryError`` with code `internalError` for anything else.
    init(_ document: Document) throws(MemoryError) {
        func date(_ json: JSONValue) -> Timestamp? { json.stringValue.flatMap { Timestamp(parsing: $0) } }
        let reader = MemberReader(.object(document.body), of: "a task")
        id = document.key.id
        type = try reader.required("type", \.stringValue)
        createdAt = try reader.required("created_at", date)
        status = try reader.required("status") { $0.stringValue.flatMap(TaskStatus.init) }
        startedAt = try reader.optional("started_at", date)
        completedAt = try reader.optional("completed_at", date)
        failure = try reader.optional("error_message", \.stringValue)
        work = try reader.optional("work", \.objectValue)
        starter = try reader.optional("starter", \.stringValue)
        var details = JSONObject()
        for (name, value) in document.body.members where !Self.members.contains(name) { details[name] = value }
        self.details = details
    }
}
