public import AgentMemory

/// The history of a backend that makes none itself, in memory; it ends with the process.
public actor ReferenceEventStore: EventStore {
    private struct Write {
        var holder: String
        var keys: Set<ExactString>
        var end: Timestamp
        var intent: WriteIntent?
    }

    public nonisolated let name = "reference"
    public nonisolated let makesEvents: Bool

    private var log: EventLog
    private var writes: [String: Write] = [:]
    /// The open write that holds each key.
    private var holders: [ExactString: String] = [:]
    private let now: @Sendable () -> Timestamp

    /// - Parameters:
    ///   - makesEvents: whether writes make events. They are kept until the end.
    ///   - now: the clock of events and of open writes.
    public init(makesEvents: Bool = true, now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }) {
        self.makesEvents = makesEvents
        self.now = now
        log = EventLog(isKept: makesEvents)
    }

    public func prepare() {}

    public func close() {}

    public func health() -> [ComponentHealth] {
        [ComponentHealth("history", version: "in memory")]
    }

    public func events(of id: String, within scope: AccessScope, page: PageRequest) -> Page<MemoryEvent> {
        log.page(of: id, within: scope, page)
    }

    public func events(after sequence: Int, limit: Int, within scope: AccessScope) -> [MemoryEvent] {
        log.events(after: sequence, limit: limit, within: scope)
    }

    public func events(
        ofOperation operation: String, after sequence: Int, limit: Int, within scope: AccessScope
    ) -> [MemoryEvent] {
        log.events(ofOperation: operation, after: sequence, limit: limit, within: scope)
    }

    public func latestEvents(of ids: [String]) -> [ExactString: Int] {
        log.latest(of: ids)
    }

    public func append(_ events: [NewEvent]) {
        for event in events { log.append(event, at: now()) }
    }

    // MARK: Writes

    public func open(_ lease: WriteLease, keys: [String], for duration: Duration) -> [OpenWrite]? {
        let keys = Set(keys.map(ExactString.init))
        let others = Set(keys.compactMap { holders[$0] })
        guard others.isEmpty else { return others.sorted().compactMap(openWrite) }
        writes[lease.id] = Write(holder: lease.holder, keys: keys, end: end(of: duration))
        for key in keys { holders[key] = lease.id }
        return nil
    }

    public func note(_ intent: WriteIntent, of lease: WriteLease, for duration: Duration) -> Bool {
        guard extend(lease, for: duration) else { return false }
        writes[lease.id]?.intent = intent
        return true
    }

    public func extend(_ lease: WriteLease, for duration: Duration) -> Bool {
        guard isHeld(lease) else { return false }
        writes[lease.id]?.end = end(of: duration)
        return true
    }

    public func end(_ lease: WriteLease, events: [NewEvent]) -> Bool {
        guard isHeld(lease), let write = writes.removeValue(forKey: lease.id) else { return false }
        for key in write.keys { holders[key] = nil }
        append(events)
        return true
    }

    public func takeOver(_ lease: WriteLease, for duration: Duration) -> TakenWrite? {
        guard let write = writes[lease.id], write.end <= now() else { return nil }
        writes[lease.id]?.holder = lease.holder
        writes[lease.id]?.end = end(of: duration)
        return TakenWrite(intent: write.intent)
    }

    public func openWrites(_ selection: OpenWriteSelection) -> [OpenWrite] {
        writes.filter { _, write in
            switch selection {
            case .noted: write.intent != nil
            case .keys(let keys): write.intent != nil && !write.keys.isDisjoint(with: keys.map(ExactString.init))
            case .operation(let operation):
                write.intent.map { ExactString($0.operation) == ExactString(operation) } ?? false
            case .overdue: write.end <= now()
            }
        }.keys.sorted().compactMap(openWrite)
    }

    private func openWrite(_ id: String) -> OpenWrite? {
        writes[id].map { OpenWrite(id: id, isOverdue: $0.end <= now()) }
    }

    private func isHeld(_ lease: WriteLease) -> Bool { writes[lease.id]?.holder == lease.holder }

    private func end(of duration: Duration) -> Timestamp {
        Timestamp(microseconds: now().microseconds + duration.wholeMicroseconds) ?? .latest
    }

    // MARK: Erasure

    public func eraseEvents(of ids: [String], within scope: ErasureScope) -> Int {
        log.erase(Set(ids.map(ExactString.init)), showing: scope).count
    }

    public func eraseEvents(within scope: ErasureScope, after sequence: Int) -> EventErasure {
        let removed = log.erase(scope, [])
        return EventErasure(last: nil, removed: removed.count, ids: removed.map(\.value).exactlyDistinct())
    }
}

extension Duration {
    fileprivate var wholeMicroseconds: Int64 {
        components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000
    }
}
