public import AgentMemory

/// The payload of one kind of jobs: the type that is handed in and that a ``JobHandler`` gets.
public protocol JobPayload: Sendable {
    /// The kind of the jobs, such as `promotion`: 1 to 64 letters, digits, `-`, `_` or `.`. Queues
    /// store it, so a name that was in use must keep its meaning.
    static var kind: String { get }

    /// The payload as the queue keeps it.
    var json: JSONObject { get }

    /// Reads ``json``, of this version or of an earlier one.
    ///
    /// - Parameter enqueuedAt: when the job was handed in, by the clock of the queue.
    /// - Throws: ``MemoryError`` with code `invalidInput` for anything else.
    init(_ json: JSONObject, enqueuedAt: Timestamp) throws(MemoryError)
}

extension JobPayload {
    /// The job to hand in.
    var newJob: NewJob { NewJob(kind: Self.kind, payload: json) }
}
