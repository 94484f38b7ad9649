import AgentMemory

/// A call that changes memories in several batches, as it is kept while it is at work.
struct OpenOperation: Sendable, Equatable {
    /// What the call asks for.
    enum Work: Sendable, Equatable {
        case compaction(MemoryFilter)
        case forgetting(ForgettingPolicy, MemoryFilter, batch: Int)
        case undo(of: String, isForced: Bool)
    }

    private enum Name: String {
        case compaction, forgetting, undo
    }

    /// The ``WriteOrigin/operation`` of its events.
    let operation: String
    let work: Work
    let caller: Caller
    /// How often servers have begun to finish it.
    var attempts = 0

    init(operation: String, work: Work, caller: Caller) {
        self.operation = operation
        self.work = work
        self.caller = caller
    }

    static func key(_ operation: String) -> DocumentKey { DocumentKey(.operation, operation) }

    /// The operation as it is stored. The owner and the caller have the names that they have in
    /// the payloads of jobs.
    var document: Document {
        var body: JSONObject = ["attempts": .int(attempts)]
        if caller != .unrestricted { body["caller"] = .object(caller.json) }
        var owner: MemoryFilter?
        switch work {
        case .compaction(let filter):
            body["work"] = .string(Name.compaction.rawValue)
            owner = filter
        case .forgetting(let policy, let filter, let batch):
            body["work"] = .string(Name.forgetting.rawValue)
            body["policy"] = .object(policy.json)
            body["batch"] = .int(batch)
            owner = filter
        case .undo(let undone, let isForced):
            body["work"] = .string(Name.undo.rawValue)
            body["of"] = .string(undone)
            body["force"] = .bool(isForced)
        }
        for (name, value) in owner?.ownerJSON.members ?? [] { body[name] = value }
        return Document(
            Self.key(operation), namespace: body["namespace"]?.stringValue, userID: body["user_id"]?.stringValue,
            body: body)
    }

    /// Reads ``document``.
    ///
    /// - Throws: ``MemoryError`` with code `internalError` or `invalidInput` for anything else.
    init(_ document: Document) throws(MemoryError) {
        let body = document.body
        let reader = MemberReader(.object(body), of: "an operation")
        operation = document.key.id
        caller = try Caller(job: body)
        attempts = try reader.required("attempts", \.intValue)
        switch try reader.required("work", { $0.stringValue.flatMap(Name.init) }) {
        case .compaction: work = .compaction(try MemoryFilter(ownerJSON: body))
        case .forgetting:
            let policy = try ForgettingPolicy(try reader.required("policy", \.objectValue))
            work = .forgetting(
                policy, try MemoryFilter(ownerJSON: body), batch: try reader.required("batch", \.intValue))
        case .undo:
            work = .undo(
                of: try reader.required("of", \.stringValue), isForced: try reader.required("force", \.boolValue))
        }
    }
}
