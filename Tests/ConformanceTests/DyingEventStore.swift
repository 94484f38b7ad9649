import AgentMemory

/// An event store, used by a process that dies.
final class DyingEventStore: EventStore {
    private let store: any EventStore
    private let death: Death

    let name = "dying"
    let makesEvents = true

    private let extendsLeases: Bool

    init(_ store: any EventStore, _ death: Death, extendsLeases: Bool = true) {
        self.store = store
        self.death = death
        self.extendsLeases = extendsLeases
    }

    func prepare() async throws {}
    func close() async {}
    func health() async -> [ComponentHealth] { [] }

    func events(of id: String, within scope: AccessScope, page: PageRequest) async throws -> Page<MemoryEvent> {
        try await death.call { try await store.events(of: id, within: scope, page: page) }
    }

    func events(after sequence: Int, limit: Int, within scope: AccessScope) async throws -> [MemoryEvent] {
        try await death.call { try await store.events(after: sequence, limit: limit, within: scope) }
    }

    func events(
        ofOperation operation: String, after sequence: Int, limit: Int, within scope: AccessScope
    ) async throws -> [MemoryEvent] {
        try await death.call {
            try await store.events(ofOperation: operation, after: sequence, limit: limit, within: scope)
        }
    }

    func latestEvents(of ids: [String]) async throws -> [ExactString: Int] {
        try await death.call { try await store.latestEvents(of: ids) }
    }

    func append(_ events: [NewEvent]) async throws { try await death.call { try await store.append(events) } }

    func open(_ lease: WriteLease, keys: [String], for duration: Duration) async throws -> [OpenWrite]? {
        try await death.call { try await store.open(lease, keys: keys, for: duration) }
    }

    func note(_ intent: WriteIntent, of lease: WriteLease, for duration: Duration) async throws -> Bool {
        try await death.call { try await store.note(intent, of: lease, for: duration) }
    }

    func extend(_ lease: WriteLease, for duration: Duration) async throws -> Bool {
        try await death.call { extendsLeases ? try await store.extend(lease, for: duration) : true }
    }

    func end(_ lease: WriteLease, events: [NewEvent]) async throws -> Bool {
        try await death.call { try await store.end(lease, events: events) }
    }

    func takeOver(_ lease: WriteLease, for duration: Duration) async throws -> TakenWrite? {
        try await death.call { try await store.takeOver(lease, for: duration) }
    }

    func openWrites(_ selection: OpenWriteSelection) async throws -> [OpenWrite] {
        try await death.call { try await store.openWrites(selection) }
    }

    func eraseEvents(of ids: [String], within scope: ErasureScope) async throws -> Int {
        try await death.call { try await store.eraseEvents(of: ids, within: scope) }
    }

    func eraseEvents(within scope: ErasureScope, after sequence: Int) async throws -> EventErasure {
        try await death.call { try await store.eraseEvents(within: scope, after: sequence) }
    }
}
