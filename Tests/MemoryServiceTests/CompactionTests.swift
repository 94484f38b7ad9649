import AgentMemory
import Logging
import MemoryConformance
import MemoryService
import ReferenceBackend
import TestSupport
import Testing

@Suite struct CompactionTests {
    private static let now = Timestamp(parsing: "2026-06-01T00:00:00Z") ?? .earliest
    private let database: ReferenceMemoryDatabase
    private let memory: LongTermMemory

    init() {
        database = ReferenceMemoryDatabase(embedder: SteeredEmbedder(), now: { Self.now })
        memory = LongTermMemory(
            database: database, accessRecorder: AccessRecorder(database: database, logger: Logger(label: "test")),
            now: { Self.now })
    }

    private func day(_ day: Int64) -> Timestamp { Self.now.advanced(bySeconds: day * 86_400) }

    @Test func `equal texts of one scope become the one that was accessed last`() async throws {
        try await memory.create(
            [
                MemoryRecord(
                    id: "a", text: "[1] tea", userID: "u", topics: ["t1", "t2"], extractedFrom: ["m1"],
                    metadata: ["k": 1, "x": true], accessCount: 2, createdAt: day(-9), lastAccessed: day(-5)),
                MemoryRecord(
                    id: "b", text: "[1] tea", userID: "u", topics: ["t2"], entities: ["e"], metadata: ["k": 2],
                    accessCount: 3, createdAt: day(-7), lastAccessed: day(-1)),
                MemoryRecord(
                    id: "c", text: "[1] tea", userID: "u", topics: ["t3"], extractedFrom: ["m2"], pinned: true,
                    createdAt: day(-8), lastAccessed: day(-3), eventDate: day(-30)),
                MemoryRecord(id: "other", text: "[1] tea", userID: "v"),
                MemoryRecord(id: "type", text: "[1] tea", userID: "u", memoryType: .episodic),
                MemoryRecord(id: "session", text: "[1] tea", sessionID: "s", userID: "u"),
            ], deduplicate: false)
        let outcome = try await memory.compact(.everything, for: .unrestricted)
        #expect(outcome.merged == 2 && outcome.remaining == 4)
        let left = try await memory.record(id: "b", for: .unrestricted)
        #expect(left.topics == ["t2", "t3", "t1"])
        #expect(left.entities == ["e"])
        #expect(left.extractedFrom == ["m2", "m1"])
        #expect(left.pinned && left.accessCount == 5)
        #expect(left.createdAt == day(-9) && left.lastAccessed == day(-1) && left.updatedAt == Self.now)
        #expect(left.eventDate == day(-30))
        #expect(left.metadata.members.map(\.name) == ["k", "x"] && left.metadata["k"]?.intValue == 2)
        #expect(await failureCode { _ = try await memory.record(id: "a", for: .unrestricted) } == .notFound)
        let event = try await memory.history(of: "a", page: PageRequest(limit: 1), for: .unrestricted).items.first
        #expect(event?.kind == .merged && event?.isRemoval == true)

        let again = try await memory.compact(.everything, for: .unrestricted)
        #expect(again.merged == 0 && again.remaining == 4 && again.operation == nil)
        let operation = try #require(outcome.operation)
        #expect(try await memory.undo(operation: operation, isForced: false, for: .unrestricted).undone == 3)
        #expect(try await memory.record(id: "b", for: .unrestricted).accessCount == 3)
        #expect(try await memory.count(.everything) == 6)
    }

    @Test(arguments: [2, 7, 8, 12]) func `any number of copies become one in one run`(_ count: Int) async throws {
        try await memory.create(
            (0..<count).map { try MemoryRecord(id: "\($0)", text: "[1] same", namespace: "x.y z") },
            deduplicate: false)
        #expect(try await memory.compact(.everything, for: .unrestricted).merged == count - 1)
        #expect(try await memory.count(.everything) == 1)
    }

    @Test func `many groups are united, only in the caller's scope`() async throws {
        let records = try (0..<900).map { index in
            try MemoryRecord(id: "\(index)", text: "[1] \(index % 300)", namespace: index < 600 ? "n" : "m")
        }
        try await memory.create(records, deduplicate: false)
        let caller = Caller(subject: "n", namespaces: ["n"], rights: .all)
        #expect(try await memory.compact(.everything, for: caller).merged == 300)
        #expect(try await memory.count(.everything) == 600)
    }
}
