import AgentMemory
import Logging
import MemoryConformance
import ReferenceBackend
import TestSupport
import Testing

@testable import MemoryService

/// Calls of several batches whose server dies anywhere: another server finishes them.
@Suite struct OpenOperationTests {
    /// What a call does, and how the memories are afterwards.
    enum Call: CaseIterable, Sendable {
        case compaction, forgetting, undo
    }

    private static let now = Timestamp(parsing: "2026-06-01T00:00:00Z") ?? .earliest
    private let clock = MovedClock()
    private let database: ReferenceMemoryDatabase
    private let documents: ReferenceDocumentStore
    private let sessions: ReferenceWorkingMemoryStore
    private let logger = Logger(label: "test")

    init() {
        let clock = clock
        database = ReferenceMemoryDatabase(embedder: SteeredEmbedder(), now: { Self.now })
        documents = ReferenceDocumentStore(now: { clock.now })
        sessions = ReferenceWorkingMemoryStore(jobs: ReferenceJobQueue())
    }

    private func memory(_ database: any MemoryVectorDatabase) -> LongTermMemory {
        LongTermMemory(
            database: database, accessRecorder: AccessRecorder(database: database, logger: logger),
            now: { Self.now })
    }

    private func operations(_ memory: LongTermMemory, _ documents: any DocumentStore) -> OpenOperations {
        OpenOperations(memory: memory, documents: documents, leaseSeconds: 15, logger: logger)
    }

    private func ids() async throws -> Set<String> {
        Set(try await database.list(ListQuery(page: PageRequest(limit: 2000))).items.map(\.id))
    }

    /// 900 memories, each older than the one before; 300 of them equal another one.
    ///
    /// - Returns: the operation.
    private func store() async throws -> String {
        _ = try await database.delete(Array(ids()))
        let records = try (0..<600).map { number in
            try MemoryRecord(
                id: "m\(number)", text: "[\(number % 3 + 1)] m", namespace: "n\(number % 200)",
                createdAt: Self.now.advanced(bySeconds: Int64(-number) * 86_400),
                lastAccessed: Self.now.advanced(bySeconds: Int64(-number) * 86_400))
        }
        // The texts of the first half come again in the same namespaces.
        let equal = try records.prefix(300).map { record in
            try MemoryRecord(
                id: "equal-\(record.id)", text: record.text, namespace: record.namespace,
                createdAt: record.createdAt, lastAccessed: record.createdAt)
        }
        let origin = WriteOrigin(caller: "ada")
        _ = try await WriteOrigin.$current.withValue(origin) { try await database.add(records + equal) }
        return origin.operation
    }

    private func run(_ call: Call, of stored: String, _ operations: OpenOperations) async throws {
        switch call {
        case .compaction: _ = try await operations.compact(.everything, for: .unrestricted)
        case .forgetting:
            _ = try await operations.forget(
                ForgettingPolicy(maximumAgeDays: 500, budget: 100), in: .everything, batch: 100, isDryRun: false,
                for: .unrestricted)
        case .undo: _ = try await operations.undo(operation: stored, isForced: false, for: .unrestricted)
        }
    }

    @Test(arguments: Call.allCases, [false, true])
    func `what a process that dies has begun is finished by another one`(
        _ call: Call, losesAnswer: Bool
    ) async throws {
        try await run(call, of: try await store(), operations(memory(database), documents))
        let wanted = try await ids()
        #expect(wanted.count == [.compaction: 600, .forgetting: 100, .undo: 0][call])
        var finished = 0
        for calls in 0... {
            let stored = try await store()
            let before = try await ids()
            let process = DyingProcess(after: calls, losesAnswer: losesAnswer)
            let dying = DyingDatabase(database, in: process)
            let mortal = operations(memory(dying), DyingStores(sessions, documents, in: process))
            _ = try? await run(call, of: stored, mortal)
            let left = try await ids()

            let others = operations(memory(database), documents)
            try await others.finish()
            // Its server may still be alive.
            if process.isDead { #expect(try await ids() == left, "\(calls) calls") }
            clock.move(bySeconds: 16)
            try await others.finish()
            let now = try await ids()
            #expect(now == wanted || (now == before && left == before), "\(calls) calls")
            if now == wanted, left != wanted { finished += 1 }
            let kept = try await documents.documents(
                .operation, of: "", within: .everything, page: PageRequest(limit: 10))
            #expect(kept.items.isEmpty, "\(calls) calls")
            if !process.isDead { break }
        }
        #expect(finished > 0)
    }

    @Test func `the finished part belongs to the operation, and one undo takes all of it back`() async throws {
        let stored = try await store()
        let before = try await ids()
        let process = DyingProcess(after: 9)
        let mortal = operations(
            memory(DyingDatabase(database, in: process)), DyingStores(sessions, documents, in: process))
        _ = try? await run(.forgetting, of: stored, mortal)
        let left = try await ids()
        #expect(left.count < before.count && left.count > 100)
        let kept = try #require(
            try await documents.documents(.operation, of: "", within: .everything, page: PageRequest(limit: 10))
                .items.first)
        clock.move(bySeconds: 16)
        // One that cannot be read does not stop the look at those after it.
        try await documents.writeUnreadable(.operation, "0")
        let others = operations(memory(database), documents)
        try await others.finish()
        #expect(try await ids().count == 100)
        let outcome = try await others.undo(
            operation: kept.document.key.id, isForced: false, for: .unrestricted)
        #expect(outcome.undone == before.count - 100)
        #expect(try await ids() == before)
    }

    @Test func `an operation is read as it was kept`() throws {
        let policies = [
            ForgettingPolicy(),
            ForgettingPolicy(
                maximumAgeDays: 1.5, maximumInactiveDays: 0, hardAgeMultiplier: 3, budget: 0, types: ["semantic"],
                pinnedIDs: [ExactString("e\u{301}"), ExactString("é")]),
        ]
        let filter = MemoryFilter(tags: [
            .namespace: try TagCondition(field: .namespace, eq: "n"),
            .userID: try TagCondition(field: .userID, eq: "u"),
            .sessionID: try TagCondition(field: .sessionID, eq: "s"),
        ])
        let caller = Caller(subject: "ada", namespaces: ["n"], rights: [.read, .write])
        for caller in [caller, .unrestricted] {
            for filter in [filter, .everything] {
                var works: [OpenOperation.Work] = [
                    .compaction(filter), .undo(of: "o", isForced: true), .undo(of: "o", isForced: false),
                ]
                works += policies.map { .forgetting($0, filter, batch: 7) }
                for work in works {
                    let operation = OpenOperation(operation: "x", work: work, caller: caller)
                    #expect(try OpenOperation(operation.document) == operation)
                }
            }
        }
    }

    @Test func `an operation that fails each time is given up`() async throws {
        let process = DyingProcess(after: 9)
        _ = try? await run(
            .forgetting, of: try await store(),
            operations(memory(DyingDatabase(database, in: process)), DyingStores(sessions, documents, in: process)))
        for _ in 0..<11 {
            clock.move(bySeconds: 16)
            let broken = DyingDatabase(database, in: DyingProcess(after: 1))
            _ = try? await operations(memory(broken), documents).finish()
        }
        let kept = try await documents.documents(
            .operation, of: "", within: .everything, page: PageRequest(limit: 10))
        #expect(kept.items.isEmpty)
    }
}
