public import AgentMemory
import Synchronization

/// A backend that fails for good after a number of calls, as that of a process that dies does: what
/// was called before has taken effect.
public final class DyingDatabase: AtomicMemoryDatabase, RecordHistory {
    private let database: any AtomicMemoryDatabase & RecordHistory
    private let losesAnswer: Bool
    private let left: Mutex<Int>

    /// - Parameters:
    ///   - calls: the number of calls that succeed.
    ///   - losesAnswer: whether the next call takes effect too, and only its answer is lost.
    public init(_ database: any AtomicMemoryDatabase & RecordHistory, after calls: Int, losesAnswer: Bool) {
        self.database = database
        self.losesAnswer = losesAnswer
        left = Mutex(calls)
    }

    /// Whether a call has failed.
    public var isDead: Bool { left.withLock { $0 < 0 } }

    private func live<Value: Sendable>(_ call: () async throws -> Value) async throws -> Value {
        let left = left.withLock { left in
            left -= 1
            return left
        }
        if left >= 0 { return try await call() }
        if left == -1, losesAnswer { _ = try await call() }
        throw MemoryError(.storeUnavailable, "the process has died")
    }

    public var name: String { database.name }
    public var capabilities: BackendCapabilities { database.capabilities }
    public var makesEvents: Bool { database.makesEvents }

    public func prepare() async throws {}
    public func close() async {}
    public func health() async -> [ComponentHealth] { [] }

    public func add(_ records: [MemoryRecord], within scope: AccessScope) async throws -> [String] {
        try await live { try await database.add(records, within: scope) }
    }

    public func update(_ updates: [RecordUpdate], within scope: AccessScope) async throws -> Int {
        try await live { try await database.update(updates, within: scope) }
    }

    public func delete(_ ids: [String], within scope: AccessScope) async throws -> Int {
        try await live { try await database.delete(ids, within: scope) }
    }

    public func addDistinct(_ records: [MemoryRecord], within scope: AccessScope) async throws -> [String] {
        try await live { try await database.addDistinct(records, within: scope) }
    }

    public func promote(_ records: [MemoryRecord], handedInAt: Timestamp) async throws -> [PromotionOutcome] {
        try await live { try await database.promote(records, handedInAt: handedInAt) }
    }

    public func search(_ query: SearchQuery) async throws -> Page<SearchHit> {
        try await live { try await database.search(query) }
    }

    public func list(_ query: ListQuery) async throws -> Page<MemoryRecord> {
        try await live { try await database.list(query) }
    }

    public func count(_ filter: MemoryFilter) async throws -> Int {
        try await live { try await database.count(filter) }
    }

    public func neighbors(of records: [MemoryRecord], reach: Int) async throws -> [SessionNeighbors] {
        try await live { try await database.neighbors(of: records, reach: reach) }
    }

    public func events(of id: String, within scope: AccessScope, page: PageRequest) async throws -> Page<MemoryEvent> {
        try await live { try await database.events(of: id, within: scope, page: page) }
    }

    public func events(after sequence: Int, limit: Int, within scope: AccessScope) async throws -> [MemoryEvent] {
        try await live { try await database.events(after: sequence, limit: limit, within: scope) }
    }

    public func events(
        ofOperation operation: String, after sequence: Int, limit: Int, within scope: AccessScope
    ) async throws -> [MemoryEvent] {
        try await live {
            try await database.events(ofOperation: operation, after: sequence, limit: limit, within: scope)
        }
    }

    public func latestEvents(of ids: [String]) async throws -> [ExactString: Int] {
        try await live { try await database.latestEvents(of: ids) }
    }

    public func rewrite(_ rewrites: [RecordRewrite], within scope: AccessScope) async throws -> [String] {
        try await live { try await database.rewrite(rewrites, within: scope) }
    }
}
