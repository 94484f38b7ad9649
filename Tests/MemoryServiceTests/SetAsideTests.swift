import AgentMemory
import Logging
import MemoryConformance
import Prompts
import ReferenceBackend
import TestSupport
import Testing

@testable import MemoryService

/// Messages that a language model has no answer to, and services that have no answer to any.
@Suite struct SetAsideTests {
    private let clock = MovedClock()
    private let queue: ReferenceJobQueue
    private let store: ReferenceWorkingMemoryStore
    private let documents: ReferenceDocumentStore
    private let memory: LongTermMemory
    private let jobs: JobSubmitter
    private let model = ScriptedModel(#"{"memories": []}"#)
    private let key = SessionKey(storedSessionID: "s", namespace: "n", userID: "u")

    init() {
        let clock = clock
        queue = ReferenceJobQueue(now: { clock.now })
        store = ReferenceWorkingMemoryStore(jobs: queue, now: { clock.now })
        documents = ReferenceDocumentStore(now: { clock.now })
        let database = ReferenceMemoryDatabase(embedder: SteeredEmbedder(), now: { clock.now })
        memory = LongTermMemory(
            database: database,
            accessRecorder: AccessRecorder(database: database, logger: Logger(label: "test"), now: { clock.now }),
            now: { clock.now })
        jobs = JobSubmitter(queue: queue)
    }

    private var sessions: WorkingMemorySessions {
        WorkingMemorySessions(
            store: store, promotion: Promotion(jobs: jobs), extraction: Extraction(after: .seconds(30)),
            now: { [clock] in clock.now })
    }

    private var handler: ExtractionHandler {
        ExtractionHandler(
            by: model, prompts: .builtIn, memory: memory, sessions: store, documents: documents, jobs: jobs,
            retries: RetryPolicy(attempts: 4),
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
            now: { [clock] in clock.now })
    }

    private func put(_ ids: [String], strategy: MemoryStrategy = MemoryStrategy()) async throws {
        _ = try await sessions.put(
            SessionPut(
                key: key,
                messages: try ids.map {
                    try SessionMessage(id: $0, role: "user", content: "says \($0).", createdAt: clock.now)
                }, strategy: strategy))
        clock.move(bySeconds: 31)
    }

    /// Runs the jobs that are due as a worker does, `rounds` times, with enough time in between for
    /// any wait.
    private func work(rounds: Int) async throws {
        for _ in 0..<rounds {
            for job in await queue.lease(kinds: [ExtractionJob.kind], limit: 100, for: .seconds(60)) {
                let isLast = job.attempt >= 4
                do {
                    try await handler.run(job, isLastAttempt: isLast)
                    #expect(await queue.complete(job))
                } catch let error as JobGivenUp {
                    #expect(await queue.bury(job, reason: error.reason))
                } catch {
                    let reason = "\(error)"
                    #expect(
                        isLast
                            ? await queue.bury(job, reason: reason)
                            : await queue.retry(job, after: .seconds(1), reason: reason))
                }
            }
            clock.move(bySeconds: 301)
        }
    }

    private func extracted() async throws -> [Bool] {
        try #require(await store.read(key, lastMessages: nil)).memory.messages.map(\.discreteMemoryExtracted)
    }

    private func records() async throws -> [MemoryRecord] {
        try await memory.list(ListQuery(filter: .everything, page: PageRequest(limit: 1000))).items
    }

    private var asideKey: DocumentKey { MessagesSetAside.key(of: key) }

    /// What a model answers about one message that it has no answer to.
    enum Fault: CaseIterable {
        case notJSON, refused, unusable, cut

        func answer() throws -> LanguageAnswer {
            switch self {
            case .notJSON: return ScriptedModel.answer("I would rather not.")
            case .refused: throw MemoryError(.languageModelRefusedPrompt, "responded with 400")
            case .unusable: throw MemoryError(.languageModelUnusable, "returned no choices")
            case .cut: return ScriptedModel.answer("", isWhole: false)
            }
        }
    }

    /// Answers about everything but what says one of these words.
    private func fail(_ fault: Fault, about words: [String], answer: String = #"{"memories": []}"#) {
        model.replies { request in
            if words.contains(where: request.prompt.contains) { return try fault.answer() }
            return ScriptedModel.answer(request.prompt.hasPrefix("Answer with the word OK") ? "OK" : answer)
        }
    }

    @Test(arguments: Fault.allCases)
    func `a message without an answer is set aside, and the later ones go on`(_ fault: Fault) async throws {
        fail(fault, about: ["says m3."])
        try await put(["m0", "m1", "m2", "m3", "m4"])
        try await work(rounds: 1)
        #expect(try await extracted() == [true, true, true, false, true])
        #expect(await documents.document(asideKey) != nil)
        // Those after it are not asked about together with it.
        try await put(["m0", "m1", "m2", "m3", "m4", "m5"])
        let asked = model.prompts.filter { $0.contains("says m3.") }.count
        _ = try await sessions.append(
            [try SessionMessage(id: "m6", role: "user", content: "says m6.", createdAt: clock.now)], to: key)
        clock.move(bySeconds: 31)
        let later = await queue.lease(kinds: [ExtractionJob.kind], limit: 100, for: .seconds(60))
        for job in later where job.payload["message"] == nil {
            try await handler.run(job, isLastAttempt: false)
            #expect(await queue.complete(job))
        }
        #expect(model.prompts.filter { $0.contains("says m3.") }.count == asked)
        for job in later where job.payload["message"] != nil {
            #expect(await queue.retry(job, after: .zero, reason: ""))
        }
        #expect(try await extracted() == [true, true, true, false, true, true, true])

        // It is asked about so often, and then given up.
        try await work(rounds: 10)
        #expect(await queue.counts() == JobCounts(waiting: 0, leased: 0, dead: 1))
        let dead = try await queue.list(.dead, page: PageRequest(limit: 10)).items
        #expect(dead.first?.kind == ExtractionJob.kind && dead.first?.reason?.isEmpty == false)
        #expect(model.prompts.filter { $0.contains("says m3.") }.count < 40)

        // Once the model answers, the same job does it.
        model.replies(#"{"memories": [{"text": "A fact.", "from": [1]}]}"#)
        #expect(await queue.requeue(nil) == 1)
        try await work(rounds: 1)
        #expect(try await extracted().allSatisfy(\.self))
        #expect(try await records().map(\.extractedFrom) == [["m3"]])
        #expect(await documents.document(asideKey) == nil)
        #expect(await queue.counts() == JobCounts(waiting: 0, leased: 0, dead: 0))
    }

    @Test(arguments: [
        MemoryError.Code.languageModelFailed, .timedOut, .languageModelRefused,
    ])
    func `a service that is down sets nothing aside, however long`(_ code: MemoryError.Code) async throws {
        model.replies { _ in throw MemoryError(code, "down") }
        try await put(["m0", "m1"])
        try await work(rounds: 50)
        #expect(await queue.counts() == JobCounts(waiting: 1, leased: 0, dead: 0))
        #expect(await documents.document(asideKey) == nil)
        model.replies(#"{"memories": [{"text": "A fact."}]}"#)
        try await work(rounds: 1)
        #expect(try await extracted() == [true, true])
        #expect(try await records().count == 1)
    }

    @Test func `a service that goes down while a message is set aside does not count against it`() async throws {
        fail(.notJSON, about: ["says m0."])
        try await put(["m0"])
        try await work(rounds: 1)
        model.replies { _ in throw MemoryError(.languageModelFailed, "down") }
        try await work(rounds: 30)
        #expect(await queue.counts() == JobCounts(waiting: 1, leased: 0, dead: 0))
        model.replies(#"{"memories": []}"#)
        try await work(rounds: 1)
        #expect(try await extracted() == [true])
        #expect(await documents.document(asideKey) == nil)
    }

    @Test func `a service that refuses every prompt keeps the messages due`() async throws {
        fail(.refused, about: [" "])
        try await put(["m0", "m1"])
        try await work(rounds: 30)
        #expect(await queue.counts() == JobCounts(waiting: 1, leased: 0, dead: 0))
        #expect(await documents.document(asideKey) == nil)
        model.replies(#"{"memories": []}"#)
        try await work(rounds: 1)
        #expect(try await extracted() == [true, true])
    }

    @Test(arguments: [Fault.notJSON, .unusable, .cut])
    func `a service without usable answers is not asked for ever`(_ fault: Fault) async throws {
        fail(fault, about: [" "])
        try await put(["m0", "m1"])
        try await work(rounds: 20)
        // It is not the messages' fault.
        #expect(await documents.document(asideKey) == nil)
        #expect(await queue.counts() == JobCounts(waiting: 0, leased: 0, dead: 1))
        #expect(try await extracted() == [false, false])
        let asked = model.prompts.count
        #expect(asked < 60)
        try await work(rounds: 5)
        #expect(model.prompts.count == asked)
        // The next write tries again, and so does the job.
        model.replies(#"{"memories": []}"#)
        try await put(["m0", "m1", "m2"])
        try await work(rounds: 1)
        #expect(try await extracted() == [true, true, true])
        #expect(await queue.requeue(nil) == 1)
        try await work(rounds: 1)
        #expect(await queue.counts() == JobCounts(waiting: 0, leased: 0, dead: 0))
    }

    @Test func `what an earlier message says does not keep the next one from its answer`() async throws {
        try await put(["m0"])
        try await work(rounds: 1)
        fail(.refused, about: ["says m0."])
        try await put(["m0", "m1"])
        try await work(rounds: 1)
        #expect(try await extracted() == [true, true])
        #expect(await documents.document(asideKey) == nil)
    }

    @Test func `a prompt of the session's own that has no answer is not asked for ever`() async throws {
        fail(.refused, about: ["Sing of"])
        try await put(["m0"], strategy: MemoryStrategy(.custom, config: ["custom_prompt": "Sing of {message}"]))
        try await work(rounds: 20)
        #expect(await queue.counts() == JobCounts(waiting: 0, leased: 0, dead: 1))
        #expect(try await extracted() == [false])
        #expect(model.prompts.count < 20)
    }

    @Test func `messages of a session that was made again are not set aside`() async throws {
        fail(.notJSON, about: ["says m0."])
        try await put(["m0"])
        try await work(rounds: 1)
        for job in await queue.lease(kinds: [ExtractionJob.kind], limit: 10, for: .seconds(60)) {
            #expect(await queue.bury(job, reason: "given up"))
        }
        try await sessions.delete(try SessionSelector(sessionID: "s"))
        model.replies(#"{"memories": []}"#)
        clock.move(bySeconds: 1)
        try await put(["m0"])
        try await work(rounds: 1)
        #expect(try await extracted() == [true])
    }

    @Test func `a crash at any point sets aside and extracts once`() async throws {
        for calls in 0..<20 {
            let test = SetAsideTests()
            let (model, key) = (test.model, test.key)
            model.replies { request in
                if request.prompt.contains("user: says m1.") { return ScriptedModel.answer("No.") }
                let names = ["m0", "m2"].filter { request.prompt.contains("user: says \($0).") }
                return ScriptedModel.answer(
                    #"{"memories": [{"text": "fact of \#(names.last ?? "none")", "from": [1]}]}"#)
            }
            try await test.put(["m0", "m1", "m2"])
            let process = DyingProcess(after: calls)
            let dying = DyingStores(test.store, test.documents, in: process)
            let handler = ExtractionHandler(
                by: model, prompts: .builtIn, memory: test.memory, sessions: dying, documents: dying,
                jobs: JobSubmitter(queue: DyingQueue(test.queue, in: process)), retries: RetryPolicy(attempts: 4),
                logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }), now: { test.clock.now })
            let job = try #require(
                await test.queue.lease(kinds: [ExtractionJob.kind], limit: 1, for: .seconds(1)).first)
            try? await handler.run(job, isLastAttempt: false)
            test.clock.move(bySeconds: 301)
            try await test.work(rounds: 12)
            let stored = try #require(await test.store.read(key, lastMessages: nil)).memory.messages
            #expect(stored.map(\.discreteMemoryExtracted) == [true, false, true], "after \(calls) calls")
            let texts = try await test.records().map(\.text).sorted()
            #expect(texts == ["fact of m0", "fact of m2"], "after \(calls) calls")
            #expect(await test.queue.counts().waiting == 0, "after \(calls) calls")
            #expect(await test.queue.counts().dead >= 1, "after \(calls) calls")
        }
    }
}
