import AgentMemory
import Logging
import MemoryConformance
import MemoryService
import Prompts
import ReferenceBackend
import TestSupport
import Testing

/// De-duplication by meaning in a process that dies at any of its calls of a store: nothing is
/// lost, and everything is done once.
struct MergeSweep {
    private let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    func run(on harness: some ConformanceHarness) async throws {
        let scope = try await harness.makeDatabase(embedder: SteeredEmbedder())
        try await withClosing {
            let checked = try #require(scope.database as? CheckedDatabase)
            let database = try #require(checked.database as? any AtomicMemoryDatabase & RecordHistory)
            try await AccessScope.everything.limiting {
                for losesAnswer in [false, true] {
                    var calls = 0
                    while try await unites(database, dyingAfter: calls, losesAnswer: losesAnswer) { calls += 1 }
                    #expect(calls >= 9, "\(calls) calls")
                }
            }
        } close: {
            try await scope.remove()
        }
    }

    /// - Returns: whether the process died.
    private func unites(
        _ database: any AtomicMemoryDatabase & RecordHistory, dyingAfter calls: Int, losesAnswer: Bool
    ) async throws -> Bool {
        let namespace = "\(losesAnswer ? "lost" : "dead")-\(calls)"
        let owner = MemoryFilter(tags: [.namespace: try TagCondition(field: .namespace, eq: namespace)])
        func memory(_ database: any MemoryVectorDatabase) -> LongTermMemory {
            LongTermMemory(database: database, accessRecorder: AccessRecorder(database: database, logger: logger))
        }
        let model = ScriptedModel(
            #"""
            {"groups": [{"relation": "same", "memories": [1, 2], "text": "[1, 0] both", "current": null},
                {"relation": "update", "memories": [3, 4], "text": null, "current": 4}]}
            """#)
        func handler(_ memory: LongTermMemory) -> IndexingHandler {
            let queue = ReferenceJobQueue()
            let deduplication = Deduplication(
                by: model, prompts: .builtIn, memory: memory, documents: ReferenceDocumentStore(), logger: logger)
            return IndexingHandler(deduplication: deduplication, jobs: JobSubmitter(queue: queue), logger: logger)
        }
        let live = memory(database)
        let ids = (1...4).map { "\(namespace)-\($0)" }
        let start = try #require(Timestamp(parsing: "2026-01-01T00:00:00Z"))
        try await live.create(
            ids.enumerated().map { number, id in
                try MemoryRecord(
                    id: id, text: "[1, 0.\(number)] fact \(number)", namespace: namespace,
                    createdAt: start.advanced(bySeconds: Int64(number)))
            }, deduplicate: true, for: .unrestricted)
        let job = try IndexingJob(
            ["ids": .array([.string(ids[1])]), "steps": ["deduplication"]], enqueuedAt: start)
        let process = DyingProcess(after: calls, losesAnswer: losesAnswer)
        try? await handler(memory(DyingDatabase(database, in: process))).run(job, isLastAttempt: false)
        // Each decision is done whole or not at all.
        let between = try await live.count(owner, for: .unrestricted)
        #expect((2...4).contains(between), "\(namespace): \(between)")
        let texts = try await live.list(ListQuery(filter: owner, page: PageRequest(limit: 10)), for: .unrestricted)
            .items.map(\.text)
        #expect(texts.contains("[1, 0] both") != texts.contains("[1, 0.1] fact 1"), "\(namespace): \(texts)")
        // Other processes do the job again, at the same time.
        try await withThrowingTaskGroup { group in
            for _ in 0..<2 {
                group.addTask { try await handler(memory(database)).run(job, isLastAttempt: false) }
            }
            try await group.waitForAll()
        }
        let left = try await live.list(ListQuery(filter: owner, page: PageRequest(limit: 10)), for: .unrestricted)
        if left.total == 2 {
            #expect(left.items.map(\.text).sorted() == ["[1, 0.3] fact 3", "[1, 0] both"], "\(namespace)")
        } else {
            // It died between the two decisions, and what is left is another group.
            #expect(left.total <= 3, "\(namespace): \(left.total)")
        }
        // What went says what took its place.
        let present = Set(left.items.map(\.id))
        for id in ids where !present.contains(id) {
            do {
                _ = try await live.record(id: id, for: .unrestricted)
            } catch let error as MemoryError {
                #expect(error.successor.map(present.contains) == true, "\(id)")
            }
        }
        // Nothing is lost, and everything can be taken back.
        var operations: [String: Int] = [:]
        for id in ids {
            for event in try await live.history(of: id, page: PageRequest(limit: 10), for: .unrestricted).items
            where event.kind == .merged { operations[event.operation, default: 0] = event.sequence }
        }
        #expect(operations.count <= 2, "\(namespace)")
        for operation in operations.sorted(by: { $0.value > $1.value }).map(\.key) {
            _ = try await live.undo(operation: operation, isForced: false, for: .unrestricted)
        }
        let restored = try await live.list(ListQuery(filter: owner, page: PageRequest(limit: 10)), for: .unrestricted)
        #expect(restored.items.map(\.id).sorted() == ids, "\(namespace)")
        #expect(restored.items.map(\.text).sorted() == (0..<4).map { "[1, 0.\($0)] fact \($0)" }, "\(namespace)")
        return process.isDead
    }
}
