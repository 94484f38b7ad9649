public import AgentMemory

/// What the jobs of one kind carry: the type of what is handed in and of what a ``JobHandler``
/// gets.
public protocol JobPayload: Sendable {
    /// The kind of the jobs, such as `promotion`: 1 to 64 letters, digits, `-`, `_` or `.`. Queues
    /// keep it: a name that was in use keeps its meaning.
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
