/// An event of a change, before it has a number and a time.
public struct NewEvent: Sendable {
    public let kind: MemoryEvent.Kind
    /// The id of the record.
    public let id: String
    /// As ``MemoryEvent/namespace``.
    public let namespace: String?
    /// As ``MemoryEvent/userID``.
    public let userID: String?
    public let operation: String
    public let caller: String?
    public let reason: String?
    public let successor: String?
    /// As ``MemoryEvent/before``.
    public let before: JSONObject?

    /// The event of a change of one record; `nil` if the change makes none.
    ///
    /// - Parameters:
    ///   - id: of the record.
    ///   - before: the record before the change; `nil` if there was none.
    ///   - after: the record after it; `nil` if there is none.
    ///   - kind: of a write over a record.
    ///   - origin: who writes; its kind takes the place of all others.
    ///   - operation: the operation if there is no origin.
    public init?(
        of id: String, from before: MemoryRecord?, to after: MemoryRecord?, over kind: MemoryEvent.Kind,
        by origin: WriteOrigin?, operation: @autoclosure () -> String = ULID.make()
    ) {
        let ownKind: MemoryEvent.Kind
        switch (before, after) {
        case (nil, nil): return nil
        case (nil, .some):
            ownKind = .added
            self.before = nil
        case (.some(let before), nil):
            ownKind = .deleted
            self.before = before.jsonObject
        case (.some(let before), .some(let after)):
            guard let changed = before.fieldsBeforeChange(to: after) else { return nil }
            ownKind = kind
            self.before = changed
        }
        self.kind = origin?.kind ?? ownKind
        self.id = id
        let owned = after ?? before
        namespace = owned?.namespace
        userID = owned?.userID
        self.operation = origin?.operation ?? operation()
        caller = origin?.caller
        reason = origin?.reason
        successor = after == nil ? origin?.successors[ExactString(id)] : nil
    }

    /// The event of an erasure.
    ///
    /// - Parameters:
    ///   - id: stands for the scope.
    ///   - origin: who erases.
    public init(erasure id: String, by origin: WriteOrigin?) {
        kind = origin?.kind ?? .erased
        self.id = id
        namespace = nil
        userID = nil
        operation = origin?.operation ?? ULID.make()
        caller = origin?.caller
        reason = origin?.reason
        successor = nil
        before = nil
    }

    /// The owner before the change.
    public var previousOwner: (namespace: String?, userID: String?) {
        (
            before?["namespace"].map(\.stringValue) ?? namespace, before?["user_id"].map(\.stringValue) ?? userID
        )
    }

    /// The event with its place in the order of all events.
    public func event(sequence: Int, time: Timestamp) -> MemoryEvent {
        MemoryEvent(
            sequence: sequence, time: time, kind: kind, id: id, namespace: namespace, userID: userID,
            operation: operation, caller: caller, reason: reason, successor: successor, before: before)
    }
}
