import AgentMemory
import Logging
import MemoryConformance
import MemoryService
import ReferenceBackend
import TestSupport
import Testing

@Suite struct ForgettingTests {
    private static let now = Timestamp(parsing: "2026-06-01T00:00:00Z") ?? .earliest
    private let database: ReferenceMemoryDatabase
    private let memory: LongTermMemory

    init() {
        database = ReferenceMemoryDatabase(embedder: SteeredEmbedder(), now: { Self.now })
        memory = LongTermMemory(
            database: database, accessRecorder: AccessRecorder(database: database, logger: Logger(label: "test")),
            now: { Self.now })
    }

    private func record(
        _ id: String, aged days: Int64, idle: Int64, pinned: Bool = false, _ type: MemoryType = .semantic,
        user: String = "ada"
    ) throws -> MemoryRecord {
        try MemoryRecord(
            id: id, text: "[1] \(id)", userID: user, memoryType: type, pinned: pinned,
            createdAt: Self.now.advanced(bySeconds: -days * 86_400),
            lastAccessed: Self.now.advanced(bySeconds: -idle * 86_400))
    }

    private func forget(
        _ policy: ForgettingPolicy, _ filter: MemoryFilter = .everything, isDryRun: Bool = true
    ) async throws -> ForgettingOutcome {
        try await memory.forget(policy, in: filter, batch: 2, isDryRun: isDryRun, for: .unrestricted)
    }

    private func ids(_ policy: ForgettingPolicy) async throws -> Set<String> {
        Set(try await forget(policy).forgotten.map(\.id))
    }

    private func store() async throws {
        try await memory.create(
            [
                record("new", aged: 1, idle: 0), record("old", aged: 40, idle: 1), record("idle", aged: 40, idle: 35),
                record("ancient", aged: 400, idle: 1), record("pinned", aged: 900, idle: 900, pinned: true),
                record("event", aged: 50, idle: 50, .episodic), record("other", aged: 60, idle: 60, user: "bob"),
            ], deduplicate: false)
    }

    @Test func `limits, types and pins decide as the reference's do`() async throws {
        try await store()
        #expect(try await ids(ForgettingPolicy()).isEmpty)
        #expect(
            try await ids(ForgettingPolicy(maximumAgeDays: 30)) == ["old", "idle", "ancient", "event", "other"])
        #expect(try await ids(ForgettingPolicy(maximumInactiveDays: 30)) == ["idle", "event", "other"])
        let both = ForgettingPolicy(maximumAgeDays: 30, maximumInactiveDays: 30)
        let outcome = try await forget(both)
        #expect(outcome.scanned == 7 && outcome.operation == nil)
        #expect(
            Dictionary(uniqueKeysWithValues: outcome.forgotten.map { ($0.id, $0.reason) }) == [
                "idle": .ageAndInactivity, "event": .ageAndInactivity, "other": .ageAndInactivity, "ancient": .hardAge,
            ])
        #expect(try await ids(ForgettingPolicy(maximumAgeDays: 30, types: ["episodic"])) == ["event"])
        #expect(try await ids(ForgettingPolicy(maximumAgeDays: 30, types: [])).isEmpty)
        let kept = ForgettingPolicy(maximumAgeDays: 30, pinnedIDs: [ExactString("old")])
        #expect(try await ids(kept) == ["idle", "ancient", "event", "other"])
        // An age of exactly the limit does not exceed it.
        #expect(try await ids(ForgettingPolicy(maximumAgeDays: 400)).isEmpty)
    }

    @Test func `a budget keeps the most recent of what the limits leave`() async throws {
        try await store()
        #expect(try await ids(ForgettingPolicy(budget: 0)).count == 6)
        #expect(try await ids(ForgettingPolicy(budget: 2)) == ["ancient", "idle", "event", "other"])
        let outcome = try await forget(ForgettingPolicy(maximumAgeDays: 45, budget: 1))
        #expect(
            Dictionary(uniqueKeysWithValues: outcome.forgotten.map { ($0.id, $0.reason) }) == [
                "ancient": .age, "event": .age, "other": .age, "idle": .budget, "old": .budget,
            ])
    }

    @Test func `a pass over thousands of memories with equal dates is exact, and is taken back`() async throws {
        let records = try (0..<2500).map { try record("r\($0)", aged: Int64($0 % 2), idle: Int64($0 % 5)) }
        try await memory.create(records, deduplicate: false)
        let user = MemoryFilter(tags: [.userID: try TagCondition(field: .userID, eq: "ada")])
        let outcome = try await memory.forget(
            ForgettingPolicy(budget: 50), in: user, batch: 500, isDryRun: false, for: .unrestricted)
        #expect(outcome.scanned == 2500 && outcome.forgotten.count == 2450)
        let left = try await database.list(ListQuery(page: PageRequest(limit: 100))).items
        #expect(left.count == 50)
        #expect(left.allSatisfy { $0.lastAccessed == Self.now && $0.createdAt == Self.now })
        let events = try await memory.history(of: "r1", page: PageRequest(limit: 10), for: .unrestricted).items
        #expect(events.first?.kind == .forgotten && events.first?.reason == "budget")
        let operation = try #require(outcome.operation)
        #expect(try await memory.undo(operation: operation, isForced: false, for: .unrestricted).undone == 2450)
        #expect(try await memory.count(.everything) == 2500)
    }

    @Test func `only the caller's memories are forgotten`() async throws {
        try await store()
        let bob = Caller(subject: "bob", users: ["bob"], rights: .all)
        let policy = ForgettingPolicy(maximumAgeDays: 0)
        let outcome = try await memory.forget(policy, in: .everything, batch: 500, isDryRun: false, for: bob)
        #expect(outcome.scanned == 1 && outcome.forgotten.map(\.id) == ["other"])
        let reader = Caller(subject: "reader", rights: .read)
        #expect(
            try await memory.forget(policy, in: .everything, batch: 500, isDryRun: true, for: reader).forgotten.count
                == 5)
        #expect(
            await failureCode {
                _ = try await memory.forget(policy, in: .everything, batch: 500, isDryRun: false, for: reader)
            } == .forbidden)
        #expect(try await memory.count(.everything) == 6)
    }
}
