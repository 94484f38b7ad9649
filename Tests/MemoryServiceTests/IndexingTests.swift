import AgentMemory
import Logging
import MemoryConformance
import Prompts
import ReferenceBackend
import TestSupport
import Testing

@testable import MemoryService

/// Topics and entities of stored memories, and memories from those that say that this is to be
/// done.
@Suite struct IndexingTests {
    private let clock = MovedClock()
    private let queue: ReferenceJobQueue
    private let documents: ReferenceDocumentStore
    private let memory: LongTermMemory
    private let jobs: JobSubmitter
    private let model = ScriptedModel(#"{"memories": []}"#)
    private let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    init() { self.init(keepsHistory: true) }

    private init(keepsHistory: Bool) {
        let clock = clock
        queue = ReferenceJobQueue(now: { clock.now })
        documents = ReferenceDocumentStore(now: { clock.now })
        let database = ReferenceMemoryDatabase(
            embedder: SteeredEmbedder(), keepsHistory: keepsHistory, now: { clock.now })
        jobs = JobSubmitter(queue: queue)
        memory = LongTermMemory(
            database: database,
            accessRecorder: AccessRecorder(database: database, logger: logger, now: { clock.now }),
            indexing: Indexing(jobs: jobs, steps: [.tagging, .extraction], logger: logger), now: { clock.now })
    }

    private func handler(
        documents: (any DocumentStore)? = nil, changing change: (inout Tagging.Configuration) -> Void = { _ in }
    ) -> IndexingHandler {
        var configuration = Tagging.Configuration()
        change(&configuration)
        return IndexingHandler(
            tagging: Tagging(
                by: model, prompts: .builtIn, memory: memory, configuration: configuration, logger: logger),
            extraction: RecordExtraction(
                by: model, prompts: .builtIn, memory: memory, documents: documents ?? self.documents, logger: logger,
                now: { [clock] in clock.now }),
            jobs: jobs, logger: logger)
    }

    @discardableResult
    private func runJobs(_ handler: IndexingHandler? = nil) async throws -> Int {
        try await queue.runDue(handler ?? self.handler())
    }

    private func record(_ id: String, _ text: String = "a text", user: String = "u", topics: [String] = []) throws
        -> MemoryRecord
    {
        try MemoryRecord(id: id, text: text, userID: user, topics: topics, now: clock.now)
    }

    private static let tags = #"""
        Here you are: {"memories": [{"memory": "m1", "topics": ["a, b", "c", "d", "e"], "entities": ["Bo"]},
            {"memory": "m9", "topics": ["x"], "entities": []}]}
        """#

    // MARK: Topics and entities

    @Test(arguments: [true, false])
    func `memories that have neither get topics and entities`(_ keepsHistory: Bool) async throws {
        let test = IndexingTests(keepsHistory: keepsHistory)
        let (memory, model) = (test.memory, test.model)
        model.replies(Self.tags)
        try await memory.create(
            [test.record("own", topics: ["mine"]), test.record("a"), test.record("b", user: "v")], deduplicate: false)
        // A job and a call for each owner.
        #expect(try await test.runJobs() == 2)
        #expect(model.prompts.count == 2)
        #expect(
            model.prompts.allSatisfy { $0.contains(#"{"memory":"m1","text":"a text"}"#) && !$0.contains(#""m2","#) })
        #expect(model.requests.allSatisfy { $0.task == .tags })
        for id in ["a", "b"] {
            let tagged = try await memory.record(id: id)
            #expect(tagged.topics == ["a b", "c", "d"] && tagged.entities == ["Bo"], "\(id)")
        }
        #expect(try await memory.record(id: "own").topics == ["mine"])
        // A second run has nothing to do.
        try await test.handler().run(
            try IndexingJob(["ids": ["own", "a", "b"], "steps": ["tagging"]], enqueuedAt: test.clock.now),
            isLastAttempt: false)
        #expect(model.prompts.count == 2)
    }

    @Test func `each of both can be switched off`() async throws {
        model.replies(Self.tags)
        try await memory.create([record("a")], deduplicate: false)
        try await runJobs(handler { $0.findsTopics = false })
        #expect(try await memory.record(id: "a").topics.isEmpty)
        #expect(try await memory.record(id: "a").entities == ["Bo"])
        try await memory.create([record("b")], deduplicate: false)
        try await runJobs(handler { $0.findsEntities = false })
        #expect(try await memory.record(id: "b").topics == ["a b", "c", "d"])
        #expect(try await memory.record(id: "b").entities.isEmpty)
    }

    @Test(arguments: ["", "no", #"{"memories": [{"memory": "m2", "topics": ["x"], "entities": []}]}"#])
    func `an answer that cannot be used leaves a memory as it is`(_ answer: String) async throws {
        model.replies(answer)
        try await memory.create([record("a")], deduplicate: false)
        try await runJobs()
        #expect(try await memory.record(id: "a").topics.isEmpty)
        #expect(await queue.counts() == JobCounts(waiting: 0, leased: 0, dead: 0))
    }

    @Test(arguments: [true, false])
    func `what a client writes meanwhile stays`(_ keepsHistory: Bool) async throws {
        let test = IndexingTests(keepsHistory: keepsHistory)
        let memory = test.memory
        test.model.replies { _ in
            _ = try await memory.edit(id: "a") { _ throws(MemoryError) in try RecordChanges(topics: ["mine"]) }
            _ = try await memory.delete(ids: ["b"])
            return ScriptedModel.answer(
                #"{"memories": [{"memory": "m1", "topics": ["x"], "entities": []}, {"memory": "m2", "topics": ["x"], "entities": []}]}"#
            )
        }
        try await memory.create([test.record("a"), test.record("b")], deduplicate: false)
        try await test.runJobs()
        #expect(try await memory.record(id: "a").topics == ["mine"])
        #expect(try await memory.count(.everything) == 1)
    }

    @Test func `a model that is down keeps the job waiting`() async throws {
        model.replies { _ in throw MemoryError(.languageModelFailed, "down") }
        try await memory.create([record("a")], deduplicate: false)
        for _ in 0..<5 {
            #expect(try await runJobs() == 1)
            clock.move(bySeconds: 60)
        }
        model.replies(Self.tags)
        #expect(try await runJobs() == 1)
        #expect(try await memory.record(id: "a").entities == ["Bo"])
    }

    // MARK: Memories from memories

    private func due(_ id: String, strategy: String? = nil, config: JSONObject = [:]) throws -> MemoryRecord {
        try MemoryRecord(
            id: id, text: "Yesterday I moved to Lisbon, and I like tea.", sessionID: "s", userID: "u", namespace: "n",
            topics: ["given"], discreteMemoryExtracted: false, extractionStrategy: strategy,
            extractionStrategyConfig: config, createdAt: Timestamp(parsing: "2024-05-04T10:00:00Z"), now: clock.now)
    }

    private static let extracted = #"""
        {"memories": [{"type": "episodic", "text": "User moved.", "topics": ["moving"], "entities": ["Lisbon"],
            "event_date": "2024-05-03T00:00:00Z"}, {"text": "User likes tea.", "topics": ["tea"], "entities": []}]}
        """#

    @Test func `a memory that says so is extracted from within its own scope`() async throws {
        model.replies(Self.extracted)
        try await memory.create([due("a")], deduplicate: true)
        #expect(try await runJobs() == 1)
        #expect(model.prompts.count == 1)
        #expect(model.prompts[0].contains("[1] Saturday 2024-05-04T10:00:00Z user: Yesterday I moved to Lisbon"))
        let all = try await memory.list(ListQuery(filter: .everything, page: PageRequest())).items
        #expect(all.count == 3)
        let found = all.filter { $0.id != "a" }
        #expect(found.allSatisfy { $0.namespace == "n" && $0.userID == "u" && $0.sessionID == "s" })
        #expect(found.allSatisfy { $0.extractedFrom == ["a"] && $0.discreteMemoryExtracted })
        #expect(found.compactMap(\.eventDate) == [Timestamp(parsing: "2024-05-03T00:00:00Z")])
        #expect(try await memory.record(id: "a").discreteMemoryExtracted)
        // Once in effect.
        try await handler().run(
            try IndexingJob(["ids": ["a"], "steps": ["extraction"]], enqueuedAt: clock.now), isLastAttempt: false)
        #expect(model.prompts.count == 1)
    }

    @Test func `messages, summaries and what cannot be asked are left alone`() async throws {
        let message = try MemoryRecord(
            id: "m", text: "user: hi", memoryType: .message, topics: ["x"], discreteMemoryExtracted: false,
            now: clock.now)
        try await memory.create(
            [message, due("summary", strategy: "summary"), due("custom", strategy: "custom")], deduplicate: false)
        try await runJobs()
        #expect(model.prompts.isEmpty)
        for id in ["m", "summary", "custom"] {
            #expect(try await !memory.record(id: id).discreteMemoryExtracted, "\(id)")
        }
    }

    @Test func `an answer that cannot be used leaves the memory due, and others are done`() async throws {
        model.replies { request in
            request.prompt.contains("second")
                ? ScriptedModel.answer(Self.extracted) : ScriptedModel.answer("I would rather not.")
        }
        let second = try MemoryRecord(
            id: "b", text: "second", sessionID: "s", userID: "u", namespace: "n", topics: ["x"],
            discreteMemoryExtracted: false, now: clock.now)
        try await memory.create([due("a"), second], deduplicate: false)
        try await runJobs()
        #expect(try await !memory.record(id: "a").discreteMemoryExtracted)
        #expect(try await memory.record(id: "b").discreteMemoryExtracted)
        let job = try #require(await queue.lease(kinds: [IndexingJob.kind], limit: 1, for: .seconds(60)).first)
        await #expect(throws: MemoryError.self) { try await handler().run(job, isLastAttempt: true) }
        model.replies(Self.extracted)
        try await handler().run(job, isLastAttempt: false)
        #expect(try await memory.record(id: "a").discreteMemoryExtracted)
    }

    @Test func `a memory that the service refuses has a job of its own for each step`() async throws {
        model.replies { request in
            if request.prompt.contains("poison") { throw MemoryError(.languageModelRefusedPrompt, "no") }
            if request.prompt.hasPrefix("Answer with") { return ScriptedModel.answer("OK") }
            return ScriptedModel.answer(request.task == .tags ? Self.tags : Self.extracted)
        }
        let records = try ["poison", "harmless"].map { text in
            try MemoryRecord(
                id: text, text: text, sessionID: "s", userID: "u", namespace: "n", discreteMemoryExtracted: false,
                now: clock.now)
        }
        try await memory.create(records, deduplicate: false)
        #expect(try await runJobs() == 1)
        // The other one is extracted from already, and gets its topics from its own job.
        #expect(try await memory.record(id: "harmless").discreteMemoryExtracted)
        var failed = 0
        for _ in 0..<3 {
            for job in await queue.lease(kinds: [IndexingJob.kind], limit: 10, for: .seconds(60)) {
                do {
                    try await handler().run(job, isLastAttempt: true)
                    #expect(await queue.complete(job))
                } catch {
                    failed += 1
                    #expect(await queue.bury(job, reason: "\(error)"))
                }
            }
        }
        #expect(failed == 2)
        #expect(try await memory.record(id: "harmless").entities == ["Bo"])
        #expect(await queue.counts() == JobCounts(waiting: 0, leased: 0, dead: 2))
        // They can be tried again.
        model.replies { ScriptedModel.answer($0.task == .tags ? Self.tags : Self.extracted) }
        #expect(await queue.requeue(nil) == 2)
        try await runJobs()
        let done = try await memory.record(id: "poison")
        #expect(done.discreteMemoryExtracted && done.entities == ["Bo"])
    }

    @Test func `records with topics and entities cost no calls of their own`() async throws {
        let both = try MemoryRecord(id: "both", text: "a", topics: ["t"], entities: ["e"], now: clock.now)
        let topics = try MemoryRecord(id: "topics", text: "b", topics: ["t"], now: clock.now)
        let entities = try MemoryRecord(id: "entities", text: "c", entities: ["e"], now: clock.now)
        try await memory.create([both, topics, entities], deduplicate: false)
        #expect(try await runJobs() == 0)
        #expect(model.prompts.isEmpty)
    }

    @Test func `a crash at any call of the documents extracts once`() async throws {
        for calls in 0..<6 {
            let test = IndexingTests()
            test.model.replies { [model = test.model] _ in
                ScriptedModel.answer(
                    #"{"memories": [{"text": "answer \#(model.prompts.count)", "topics": ["x"], "entities": []}]}"#)
            }
            try await test.memory.create([test.due("a")], deduplicate: true)
            let dying = DyingStores(ReferenceWorkingMemoryStore(jobs: test.queue), test.documents, after: calls)
            let job = try #require(await test.queue.lease(kinds: [IndexingJob.kind], limit: 1, for: .seconds(1)).first)
            try? await test.handler(documents: dying).run(job, isLastAttempt: false)
            test.clock.move(bySeconds: 2)
            try await test.runJobs()
            let texts = try await test.memory.list(ListQuery(filter: .everything, page: PageRequest())).items.map(
                \.text)
            #expect(texts.filter { $0.hasPrefix("answer") }.count == 1, "after \(calls) calls: \(texts)")
            #expect(try await test.memory.record(id: "a").discreteMemoryExtracted)
        }
    }
}
