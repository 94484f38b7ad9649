import AgentMemory

/// The events of a ``ReferenceMemoryDatabase``, oldest first: all of them, and those of each id and
/// of each operation, so that a long history is read without a look at the others.
struct EventLog {
    let isKept: Bool
    private(set) var all: [MemoryEvent] = []
    private var ofIDs: [ExactString: [MemoryEvent]] = [:]
    private var ofOperations: [ExactString: [MemoryEvent]] = [:]
    private var lastSequence = 0

    init(isKept: Bool) {
        self.isKept = isKept
    }

    func events(of id: String) -> [MemoryEvent] { ofIDs[ExactString(id)] ?? [] }

    func events(ofOperation operation: String) -> [MemoryEvent] { ofOperations[ExactString(operation)] ?? [] }

    /// The events after a number.
    static func part(of events: [MemoryEvent], after sequence: Int) -> ArraySlice<MemoryEvent> {
        var (low, high) = (events.startIndex, events.endIndex)
        while low < high {
            let middle = (low + high) / 2
            if events[middle].sequence > sequence { high = middle } else { low = middle + 1 }
        }
        return events[low...]
    }

    /// Notes a write, if it changed anything.
    ///
    /// - Parameter kind: of a write over a record.
    mutating func noteWrite(
        of record: MemoryRecord, over earlier: MemoryRecord?, _ kind: MemoryEvent.Kind, at time: Timestamp
    ) {
        guard let earlier else { return append(record, .added, before: nil, at: time) }
        guard let before = earlier.fieldsBeforeChange(to: record) else { return }
        append(record, kind, before: before, at: time)
    }

    mutating func noteRemoval(of record: MemoryRecord, at time: Timestamp) {
        append(record, .deleted, before: record.jsonObject, isRemoval: true, at: time)
    }

    /// Notes an erasure.
    mutating func noteErasure(_ id: String, at time: Timestamp) {
        append(id, namespace: nil, userID: nil, .erased, before: nil, at: time)
    }

    /// Removes the events that show a state within the scope; with a session, all of those of a
    /// memory that ever was in it.
    ///
    /// - Parameter ids: of records within the scope, whose events need not say so.
    /// - Returns: the ids of the events, one for each event.
    mutating func erase(_ scope: ErasureScope, _ ids: Set<ExactString>) -> [ExactString] {
        var ids = ids
        for event in all where event.shows(scope) {
            if scope.sessionID.map({ event.hasBefore(session: $0) }) ?? true { ids.insert(ExactString(event.id)) }
        }
        let removed = all.filter { ids.contains(ExactString($0.id)) && $0.shows(scope) }
        let numbers = Set(removed.map(\.sequence))
        all.removeAll { numbers.contains($0.sequence) }
        for event in removed {
            ofIDs[ExactString(event.id)]?.removeAll { numbers.contains($0.sequence) }
            ofOperations[ExactString(event.operation)]?.removeAll { numbers.contains($0.sequence) }
        }
        return removed.map { ExactString($0.id) }
    }

    private mutating func append(
        _ record: MemoryRecord, _ kind: MemoryEvent.Kind, before: JSONObject?, isRemoval: Bool = false,
        at time: Timestamp
    ) {
        append(
            record.id, namespace: record.namespace, userID: record.userID, kind, before: before, isRemoval: isRemoval,
            at: time)
    }

    private mutating func append(
        _ id: String, namespace: String?, userID: String?, _ kind: MemoryEvent.Kind, before: JSONObject?,
        isRemoval: Bool = false, at time: Timestamp
    ) {
        guard isKept else { return }
        let origin = WriteOrigin.current
        lastSequence += 1
        let event = MemoryEvent(
            sequence: lastSequence, time: time, kind: origin?.kind ?? kind, id: id, namespace: namespace,
            userID: userID, operation: origin?.operation ?? ULID.make(), caller: origin?.caller,
            reason: origin?.reason, successor: isRemoval ? origin?.successors[ExactString(id)] : nil, before: before)
        all.append(event)
        ofIDs[ExactString(id), default: []].append(event)
        ofOperations[ExactString(event.operation), default: []].append(event)
    }
}

extension MemoryEvent {
    /// Whether the owner after the change or the one before it is within the scope.
    fileprivate func shows(_ scope: ErasureScope) -> Bool {
        scope.reaches(namespace: namespace, userID: userID)
            || scope.reaches(
                namespace: before?["namespace"].map(\.stringValue) ?? namespace,
                userID: before?["user_id"].map(\.stringValue) ?? userID)
    }

    fileprivate func hasBefore(session: String) -> Bool {
        before?["session_id"]?.stringValue.map { ExactString($0) == ExactString(session) } ?? false
    }
}
