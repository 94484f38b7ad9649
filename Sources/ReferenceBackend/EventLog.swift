import AgentMemory

/// The events of a ``ReferenceMemoryDatabase``, oldest first.
struct EventLog {
    let isKept: Bool
    private(set) var all: [MemoryEvent] = []

    init(isKept: Bool) {
        self.isKept = isKept
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
        append(record, .deleted, before: record.jsonObject, at: time)
    }

    private mutating func append(
        _ record: MemoryRecord, _ kind: MemoryEvent.Kind, before: JSONObject?, at time: Timestamp
    ) {
        guard isKept else { return }
        let origin = WriteOrigin.current
        all.append(
            MemoryEvent(
                sequence: all.count + 1, time: time, kind: origin?.kind ?? kind, id: record.id,
                namespace: record.namespace, userID: record.userID, operation: origin?.operation ?? ULID.make(),
                caller: origin?.caller, reason: origin?.reason, before: before))
    }
}
