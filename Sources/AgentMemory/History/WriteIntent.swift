/// What a write is about to change, with the state before it: from that and the state after it
/// follow its events.
public struct WriteIntent: Sendable {
    /// One record.
    public struct Change: Sendable {
        public let id: String
        /// `nil` if none is stored.
        public let before: MemoryRecord?

        public init(id: String, before: MemoryRecord?) {
            self.id = id
            self.before = before
        }
    }

    public let changes: [Change]
    /// The kind of the events of writes over a record.
    public let kind: MemoryEvent.Kind
    public let origin: WriteOrigin?
    /// The operation of the events.
    public let operation: String

    /// - Parameters:
    ///   - changes: of different ids.
    ///   - kind: of writes over a record.
    ///   - origin: who writes.
    public init(_ changes: [Change], kind: MemoryEvent.Kind, origin: WriteOrigin?) {
        self.changes = changes
        self.kind = kind
        self.origin = origin
        operation = origin?.operation ?? ULID.make()
    }

    /// The events of what was done.
    ///
    /// - Parameter after: the records of the ids, as they are now.
    public func events(leadingTo after: [ExactString: MemoryRecord]) -> [NewEvent] {
        changes.compactMap { change in
            NewEvent(
                of: change.id, from: change.before, to: after[ExactString(change.id)], over: kind, by: origin,
                operation: operation)
        }
    }

    /// As stores keep it.
    public var json: JSONObject {
        var json: JSONObject = [
            "operation": .string(operation), "kind": .string(kind.rawValue),
            "changes": .array(
                changes.map { change in
                    .object([
                        "id": .string(change.id), "before": change.before.map { .object($0.jsonObject) } ?? .null,
                    ])
                }),
        ]
        if let origin { json["origin"] = .object(origin.json) }
        return json
    }

    /// Reads ``json``.
    ///
    /// - Throws: ``MemoryError`` with code `internalError` for anything else.
    public init(json: JSONValue) throws {
        let unreadable = MemoryError(.internalError, "an open write cannot be read")
        guard let kind = json["kind"]?.stringValue.flatMap(MemoryEvent.Kind.init),
            let operation = json["operation"]?.stringValue, let changes = json["changes"]?.arrayValue
        else { throw unreadable }
        self.kind = kind
        self.operation = operation
        origin = try json["origin"]?.objectValue.map { try WriteOrigin(json: $0) }
        self.changes = try changes.map { change in
            guard let id = change["id"]?.stringValue, let before = change["before"] else { throw unreadable }
            return Change(id: id, before: before == .null ? nil : try MemoryRecord(json: before, of: "an open write"))
        }
    }
}
