import AgentMemory
import Logging
import MemoryConformance
import MemoryService
import ReferenceBackend
import TestSupport
import Testing

/// What becomes of writes to a loaded backend that do not come to a proper end.
@Suite(.tags(.store)) struct HistoryKeepingFailureTests {
    private let events = ReferenceEventStore()
    private let jobs = ReferenceJobQueue()
    private let backend = KeepingDatabase(embedder: SteeredEmbedder())

    private func open(
        _ backend: any MemoryVectorDatabase, _ events: (any EventStore)? = nil, lease: Duration = .milliseconds(200)
    ) -> HistoryKeepingDatabase {
        HistoryKeepingDatabase(
            backend, events: events ?? self.events, deletions: jobs, leaseDuration: lease,
            logger: HistoryKeepingHarness.logger)
    }

    private func kinds(_ id: String, _ database: HistoryKeepingDatabase) async throws -> [String] {
        try await database.events(of: id, within: .everything, page: PageRequest(limit: 100)).items
            .map(\.kind.rawValue)
    }

    /// A backend that does something at the end of each write.
    private final class Hooked: MemoryVectorDatabase {
        let database: KeepingDatabase
        private let writes: Bool
        private let hook: @Sendable () async throws -> Void

        /// - Parameter writes: whether it writes at all.
        init(_ database: KeepingDatabase, writes: Bool = true, _ hook: @escaping @Sendable () async throws -> Void) {
            self.database = database
            self.writes = writes
            self.hook = hook
        }

        var name: String { database.name }
        let capabilities = BackendCapabilities()

        func prepare() async throws {}
        func close() async {}
        func health() async -> [ComponentHealth] { [] }
        func list(_ query: ListQuery) async throws -> Page<MemoryRecord> { try await database.list(query) }
        func search(_ query: SearchQuery) async throws -> Page<SearchHit> { try await database.search(query) }
        func count(_ filter: MemoryFilter) async throws -> Int { try await database.count(filter) }

        func add(_ records: [MemoryRecord]) async throws -> [String] {
            let ids = writes ? try await database.add(records) : records.map(\.id)
            try await hook()
            return ids
        }

        func delete(_ ids: [String]) async throws -> Int { try await database.delete(ids) }
        func update(_ updates: [RecordUpdate]) async throws -> Int { try await database.update(updates) }
    }

    @Test(arguments: [MemoryError.Code.timedOut, .storeUnavailable, .invalidInput], [true, false])
    func `a failed write has an event if it was done`(_ code: MemoryError.Code, _ isDone: Bool) async throws {
        let failing = open(Hooked(backend, writes: isDone) { throw MemoryError(code, "the backend failed") })
        await #expect(throws: MemoryError.self) { _ = try await failing.add([MemoryRecord(id: "a", text: "[1] a")]) }
        #expect(try await kinds("a", failing) == (isDone ? ["added"] : []))
        // The record is free for the next write.
        let live = open(backend)
        _ = try await live.add([MemoryRecord(id: "a", text: "[2] a")])
        #expect(try await kinds("a", live) == (isDone ? ["replaced", "added"] : ["added"]))
    }

    @Test func `a cancelled write has an event if it was done`() async throws {
        let (calls, call) = AsyncStream<Void>.makeStream()
        let (ends, end) = AsyncStream<Void>.makeStream()
        let slow = open(
            Hooked(backend) {
                call.yield()
                for await _ in ends { break }
            })
        let task = Task { _ = try await slow.add([MemoryRecord(id: "a", text: "[1] a")]) }
        for await _ in calls { break }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        end.yield()
        #expect(try await kinds("a", slow) == ["added"])
    }

    @Test func `a write that is done after it was settled has an event all the same`() async throws {
        let other = open(backend)
        let events = events
        let taking = Hooked(backend) {
            // This process stood still, and another one has settled what it was about to do.
            let left = await events.openWrites(.noted)
            let lease = WriteLease(id: left[0].id)
            try await eventually { await events.takeOver(lease, for: .seconds(1)) != nil }
            #expect(await events.end(lease, events: []))
        }
        let late = HistoryKeepingDatabase(
            taking, events: DyingEventStore(events, Death(.before, after: .max), extendsLeases: false), deletions: jobs,
            leaseDuration: .milliseconds(50),
            logger: HistoryKeepingHarness.logger)
        _ = try await late.add([MemoryRecord(id: "a", text: "[1] a")])
        #expect(try await kinds("a", other) == ["added"])
        #expect(await events.openWrites(.noted).isEmpty)
    }

    @Test func `without a history writes make no events, and take turns all the same`() async throws {
        let events = ReferenceEventStore(makesEvents: false)
        let database = open(backend, events, lease: .seconds(30))
        #expect(!database.makesEvents)
        await withTaskGroup { group in
            for number in 0..<8 {
                group.addTask {
                    let record = try? MemoryRecord(id: "a\(number)", text: "[1] same")
                    _ = try? await database.addDistinct([record].compactMap(\.self), within: .everything)
                }
            }
        }
        #expect(try await database.count(.everything) == 1)
        #expect(try await database.events(after: 0, limit: 10, within: .everything).isEmpty)
    }

    @Test func `an access makes no event and waits for nothing`() async throws {
        let database = open(backend)
        let record = try MemoryRecord(id: "a", text: "[1] a")
        _ = try await database.add([record])
        let lease = WriteLease()
        #expect(await events.open(lease, keys: ["ia"], for: .seconds(60)) == nil)
        let access = RecordChanges.Access(at: record.lastAccessed.advanced(bySeconds: 10_000))
        let updated = try await database.update([RecordUpdate(id: "a", changes: try RecordChanges(access: access))])
        #expect(updated == 1)
        #expect(try await kinds("a", database) == ["added"])
    }
}
