public import AgentMemory

/// A run of a whole view in the background, as clients follow it.
public struct SummaryTask: Sendable, Equatable {
    public let id: String
    public let viewID: String
    public let createdAt: Timestamp
    public var status = TaskStatus.pending
    public var startedAt: Timestamp?
    public var completedAt: Timestamp?
    /// Why it failed.
    public var failure: String?

    init(id: String, viewID: String, createdAt: Timestamp) {
        self.id = id
        self.viewID = viewID
        self.createdAt = createdAt
    }

    /// The members of the task as clients see them.
    public var json: JSONObject {
        [
            "id": .string(id), "type": "summary_view_full_run", "status": .string(status.rawValue),
            "view_id": .string(viewID), "created_at": .string(createdAt.iso8601),
            "started_at": startedAt.map { .string($0.iso8601) } ?? .null,
            "completed_at": completedAt.map { .string($0.iso8601) } ?? .null,
            "error_message": failure.map { .string($0) } ?? .null,
        ]
    }

    /// - Parameter owner: of the view.
    func document(_ owner: Document) -> Document {
        Document(ServerTask.key(id), namespace: owner.namespace, userID: owner.userID, body: json)
    }

    /// Reads ``document(_:)``.
    ///
    /// - Throws: ``MemoryError`` with code `internalError` for anything else.
    init(_ document: Document) throws(MemoryError) {
        func date(_ json: JSONValue) -> Timestamp? { json.stringValue.flatMap { Timestamp(parsing: $0) } }
        let reader = MemberReader(.object(document.body), of: "a task")
        id = document.key.id
        viewID = try reader.required("view_id", \.stringValue)
        createdAt = try reader.required("created_at", date)
        status = try reader.required("status") { $0.stringValue.flatMap(TaskStatus.init) }
        startedAt = try reader.optional("started_at", date)
        completedAt = try reader.optional("completed_at", date)
        failure = try reader.optional("error_message", \.stringValue)
    }
}
