import AgentMemory

/// How many things of each kind an erasure has removed. A crash between a removal and its count
/// makes them smaller, by one step at most.
struct ErasureCounts {
    var memories = 0
    var events = 0
    var sessions = 0
    var jobs = 0
    var documents = 0
    var tasks = 0

    private static var members: [(name: String, path: WritableKeyPath<ErasureCounts, Int>)] {
        [
            ("memories", \.memories), ("events", \.events), ("sessions", \.sessions), ("jobs", \.jobs),
            ("documents", \.documents), ("tasks", \.tasks),
        ]
    }

    var json: JSONObject {
        var object = JSONObject()
        for (name, path) in Self.members { object[name] = .int(self[keyPath: path]) }
        return object
    }

    init() {}

    init(_ json: JSONObject) {
        for (name, path) in Self.members { self[keyPath: path] = json[name]?.intValue ?? 0 }
    }
}

/// An erasure under way, as its task keeps it.
struct ErasureRun {
    enum Step: String {
        case sessions, jobs, memories, documents
        /// The event that says that there was an erasure.
        case note
    }

    var task: ServerTask
    let scope: ErasureScope
    /// By the clock of the queue.
    let begin: Timestamp

    private static let counts = "erased"

    /// - Returns: `nil` for a task that is done.
    /// - Throws: ``MemoryError`` with code `internalError` for a task of another kind.
    init?(_ stored: RevisedDocument) throws(MemoryError) {
        task = try ServerTask(stored.document)
        guard let work = task.work else { return nil }
        let reader = MemberReader(.object(work), of: "an erasure")
        scope = try ErasureScope(json: try reader.required("scope", \.objectValue))
        begin = try reader.required("begin") { $0.intValue.flatMap { Timestamp(microseconds: Int64($0)) } }
    }

    var step: Step {
        get { task.work?["step"]?.stringValue.flatMap(Step.init) ?? .sessions }
        set { task.work?["step"] = .string(newValue.rawValue) }
    }

    /// Where the removal of memories goes on; `nil` at its begin.
    var position: String? {
        get { task.work?["position"]?.stringValue }
        set { task.work?["position"] = newValue.map { .string($0) } }
    }

    /// The jobs that must be over first; `nil` before they were looked for.
    var waitsFor: [String]? {
        get { task.work?["waits_for"]?.stringsValue }
        set { task.work?["waits_for"] = newValue.map { .array($0.map { .string($0) }) } }
    }

    var counts: ErasureCounts {
        get { ErasureCounts(task.details[Self.counts]?.objectValue ?? [:]) }
        set { task.details[Self.counts] = .object(newValue.json) }
    }

    /// The id of the event.
    var eventID: String { "erasure:\(task.details["scope"]?.stringValue ?? "")" }

    var origin: WriteOrigin {
        WriteOrigin(
            operation: task.work?["operation"]?.stringValue ?? ULID.make(),
            caller: task.work?["caller"]?.stringValue ?? "erased")
    }

    /// From now on nothing tells what was erased.
    mutating func finish(at time: Timestamp) {
        task.status = .success
        task.failure = nil
        task.completedAt = time
        task.work = nil
    }
}
