public import AgentMemory

/// A backend, used by a process that dies.
public final class DyingDatabase: AtomicMemoryDatabase, RecordHistory {
    private let database: any AtomicMemoryDatabase & RecordHistory
    private let process: DyingProcess

    public init(_ database: any AtomicMemoryDatabase & RecordHistory, in process: DyingProcess) {
        self.database = database
        self.process = process
    }

    public var name: String { database.name }
    public var capabilities: BackendCapabilities { database.capabilities }
    public var makesEvents: Bool { database.makesEvents }

    public func prepare() async throws {}
    public func close() async {}
    public func health() async -> [ComponentHealth] { [] }

    public func add(_ records: [MemoryRecord], within scope: AccessScope) async throws -> [String] {
        try await process.call { try await database.add(records, within: scope) }
    }

    public func update(_ updates: [RecordUpdate], within scope: AccessScope) async throws -> Int {
        try await process.call { try await database.update(updates, within: scope) }
    }

    public func delete(_ ids: [String], within scope: AccessScope) async throws -> Int {
        try await process.call { try await database.delete(ids, within: scope) }
    }

    public func addDistinct(_ records: [MemoryRecord], within scope: AccessScope) async throws -> [String] {
        try await process.call { try await database.addDistinct(records, within: scope) }
    }

    public func promote(_ records: [MemoryRecord], handedInAt: Timestamp) async throws -> [PromotionOutcome] {
        try await process.call { try await database.promote(records, handedInAt: handedInAt) }
    }

    public func search(_ query: SearchQuery) async throws -> Page<SearchHit> {
        try await process.call { try await database.search(query) }
    }

    public func list(_ query: ListQuery) async throws -> Page<MemoryRecord> {
        try await process.call { try await database.list(query) }
    }

    public func count(_ filter: MemoryFilter) async throws -> Int {
        try await process.call { try await database.count(filter) }
    }

    public func neighbors(of records: [MemoryRecord], reach: Int) async throws -> [SessionNeighbors] {
        try await process.call { try await database.neighbors(of: records, reach: reach) }
    }

    public func events(of id: String, within scope: AccessScope, page: PageRequest) async throws -> Page<MemoryEvent> {
        try await process.call { try await database.events(of: id, within: scope, page: page) }
    }

    public func events(after sequence: Int, limit: Int, within scope: AccessScope) async throws -> [MemoryEvent] {
        try await process.call { try await database.events(after: sequence, limit: limit, within: scope) }
    }

    public func events(
        ofOperation operation: String, after sequence: Int, limit: Int, within scope: AccessScope
    ) async throws -> [MemoryEvent] {
        try await process.call {
            try await database.events(ofOperation: operation, after: sequence, limit: limit, within: scope)
        }
    }

    public func latestEvents(of ids: [String]) async throws -> [ExactString: Int] {
        try await process.call { try await database.latestEvents(of: ids) }
    }

    public func rewrite(_ rewrites: [RecordRewrite], within scope: AccessScope) async throws -> [String] {
        try await process.call { try await database.rewrite(rewrites, within: scope) }
    }
}
