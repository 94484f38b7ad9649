import AgentMemory

/// The events of a store in memory, oldest first: all of them, and those of each id and
/// of each operation, so that a long history is read without a look at the others.
struct EventLog {
    let isKept: Bool
    private var all: [MemoryEvent] = []
    private var ofIDs: [ExactString: [MemoryEvent]] = [:]
    private var ofOperations: [ExactString: [MemoryEvent]] = [:]
    private var lastSequence = 0

    init(isKept: Bool) {
        self.isKept = isKept
    }

    private func events(of id: String) -> [MemoryEvent] { ofIDs[ExactString(id)] ?? [] }

    private func events(ofOperation operation: String) -> [MemoryEvent] { ofOperations[ExactString(operation)] ?? [] }

    /// A page of the events of an id within the scope, newest first.
    func page(of id: String, within scope: AccessScope, _ page: PageRequest) -> Page<MemoryEvent> {
        let own = events(of: id).reversed().filter { $0.isWithin(scope) }
        return Page(items: Array(page.part(of: own)), total: own.count, request: page)
    }

    /// The first of all events after a number that are within the scope.
    func events(after sequence: Int, limit: Int, within scope: AccessScope) -> [MemoryEvent] {
        Self.first(limit, of: all, after: sequence, within: scope)
    }

    /// The first events of an operation after a number that are within the scope.
    func events(
        ofOperation operation: String, after sequence: Int, limit: Int, within scope: AccessScope
    ) -> [MemoryEvent] {
        Self.first(limit, of: events(ofOperation: operation), after: sequence, within: scope)
    }

    func latest(of ids: [String]) -> [ExactString: Int] {
        var latest: [ExactString: Int] = [:]
        for id in ids { latest[ExactString(id)] = events(of: id).last?.sequence }
        return latest
    }

    private static func first(
        _ limit: Int, of events: [MemoryEvent], after sequence: Int, within scope: AccessScope
    ) -> [MemoryEvent] {
        Array(part(of: events, after: sequence).lazy.filter { $0.isWithin(scope) }.prefix(limit))
    }

    /// The events after a number.
    private static func part(of events: [MemoryEvent], after sequence: Int) -> ArraySlice<MemoryEvent> {
        var (low, high) = (events.startIndex, events.endIndex)
        while low < high {
            let middle = (low + high) / 2
            if events[middle].sequence > sequence { high = middle } else { low = middle + 1 }
        }
        return events[low...]
    }

    /// Notes what a write did to a record, if it changed anything.
    ///
    /// - Parameter kind: of a write over a record.
    mutating func note(
        _ id: String, from before: MemoryRecord?, to after: MemoryRecord?, over kind: MemoryEvent.Kind = .replaced,
        at time: Timestamp
    ) {
        guard isKept, let event = NewEvent(of: id, from: before, to: after, over: kind, by: .current) else { return }
        append(event, at: time)
    }

    /// Gives an event its number.
    mutating func append(_ new: NewEvent, at time: Timestamp) {
        guard isKept else { return }
        lastSequence += 1
        let event = new.event(sequence: lastSequence, time: time)
        all.append(event)
        ofIDs[ExactString(event.id), default: []].append(event)
        ofOperations[ExactString(event.operation), default: []].append(event)
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
        return erase(ids, showing: scope)
    }

    /// Removes the events of these ids that show a state within the scope, whatever its session.
    ///
    /// - Returns: the ids of the events, one for each event.
    mutating func erase(_ ids: Set<ExactString>, showing scope: ErasureScope) -> [ExactString] {
        let removed = all.filter { ids.contains(ExactString($0.id)) && $0.shows(scope) }
        let numbers = Set(removed.map(\.sequence))
        all.removeAll { numbers.contains($0.sequence) }
        for event in removed {
            ofIDs[ExactString(event.id)]?.removeAll { numbers.contains($0.sequence) }
            ofOperations[ExactString(event.operation)]?.removeAll { numbers.contains($0.sequence) }
        }
        return removed.map { ExactString($0.id) }
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
