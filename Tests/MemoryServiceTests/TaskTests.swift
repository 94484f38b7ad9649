import AgentMemory
import Logging
import MemoryConformance
import Prompts
import ReferenceBackend
import TestSupport
import Testing

@testable import MemoryService

@Suite struct TaskTests {
    private let clock = MovedClock()
    private let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
    private let queue: ReferenceJobQueue
    private let documents: ReferenceDocumentStore
    private let memory: LongTermMemory
    private let model = ScriptedModel("fine")
    private let tasks: ServerTasks

    init() {
        let clock = clock
        queue = ReferenceJobQueue(now: { clock.now })
        documents = ReferenceDocumentStore(now: { clock.now })
        let database = ReferenceMemoryDatabase(embedder: SteeredEmbedder(), now: { clock.now })
        memory = LongTermMemory(
            database: database,
            accessRecorder: AccessRecorder(
                database: database, logger: Logger(label: "test"), now: { clock.now }), now: { clock.now })
        tasks = ServerTasks(
            documents: documents, timeLimit: .seconds(600), watchInterval: .milliseconds(2), now: { clock.now })
    }

    private func views(_ queue: (any JobQueue)? = nil) -> SummaryViews {
        SummaryViews(
            by: model, prompts: .builtIn, memory: memory, documents: documents, tasks: tasks,
            jobs: JobSubmitter(queue: queue ?? self.queue), logger: logger, now: { [clock] in clock.now })
    }

    /// A view over two users, the second of whom the model never answers about, and its run.
    private func hangingRun() async throws -> (view: SummaryView, task: ServerTask) {
        for user in ["ada", "bob"] {
            try await memory.create(
                [try MemoryRecord(id: user, text: "text of \(user)", userID: user)], deduplicate: false,
                for: .unrestricted)
        }
        let definition = SummaryView.Definition(
            name: nil, groupBy: [.userID], filters: [:], timeWindowDays: nil, isContinuous: false, prompt: nil,
            modelName: nil)
        let view = try await views().create(definition, for: .unrestricted)
        let asked = model
        model.replies { _ in
            if asked.prompts.count == 2 { try await Task.sleep(for: .seconds(3600)) }
            return ScriptedModel.answer("fine")
        }
        return (view, try await views().start(id: view.id, taskID: "t", isForced: false, for: .unrestricted))
    }

    /// Runs the job of a view until the model hangs.
    private func withRun(_ body: () async throws -> Void) async throws {
        let handler = SummaryViewHandler(views(), jobs: JobSubmitter(queue: queue), logger: logger)
        let job = try #require(await queue.lease(kinds: [handler.kind], limit: 1, for: .seconds(60)).first)
        async let running: Void = handler.run(job, isLastAttempt: false)
        try await eventually("the model is asked") { model.prompts.count == 2 }
        try await body()
        try await running
    }

    private func summaries(of view: SummaryView) async throws -> [String] {
        try await views().partitions(of: view.id, where: [:], page: PageRequest(limit: 10), for: .unrestricted)
            .items.map(\.summary)
    }

    @Test func `a task whose time is over has failed, and keeps what was done`() async throws {
        let (view, _) = try await hangingRun()
        try await withRun {
            let running = try await tasks.task(id: "t", for: .unrestricted)
            #expect(running.status == .running)
            clock.move(bySeconds: 601)
        }
        let late = try await tasks.task(id: "t", for: .unrestricted)
        #expect(late.status == .failed && late.completedAt == clock.now)
        #expect(late.failure == "the task was not done within 600 seconds; what was done stays")
        #expect(
            late.json.members.map(\.name) == [
                "id", "type", "status", "view_id", "created_at", "started_at", "completed_at", "error_message",
            ])
        #expect(try await summaries(of: view) == ["fine"])
        #expect(try await tasks.tasks(page: PageRequest(limit: 10), for: .unrestricted).items == [late])
        // The next run does the rest.
        model.replies("fine")
        _ = try await views().start(id: view.id, taskID: "t", isForced: false, for: .unrestricted)
        let handler = SummaryViewHandler(views(), jobs: JobSubmitter(queue: queue), logger: logger)
        _ = try await queue.runDue(handler)
        #expect(try await summaries(of: view) == ["fine", "fine"])
        #expect(model.prompts.count == 3)
        #expect(try await tasks.task(id: "t", for: .unrestricted).status == .success)
    }

    @Test func `a task is cancelled while the model works`() async throws {
        let (view, _) = try await hangingRun()
        var cancelled: ServerTask?
        try await withRun { cancelled = try await tasks.cancel(id: "t", for: .unrestricted) }
        let task = try await tasks.task(id: "t", for: .unrestricted)
        #expect(task == cancelled && task.status == .failed && task.failure == "cancelled")
        #expect(try await summaries(of: view) == ["fine"])
        #expect(await failureCode { try await tasks.cancel(id: "t", for: .unrestricted) } == .conflict)
    }

    @Test func `time that a task waits for the model counts`() async throws {
        let (view, _) = try await hangingRun()
        model.replies { _ in throw MemoryError(.languageModelFailed, "down") }
        let handler = SummaryViewHandler(views(), jobs: JobSubmitter(queue: queue), logger: logger)
        for _ in 0..<12 {
            _ = try await queue.runDue(handler)
            clock.move(bySeconds: 60)
        }
        #expect(try await tasks.task(id: "t", for: .unrestricted).failure?.contains("600 seconds") == true)
        #expect(await queue.counts() == JobCounts(waiting: 0, leased: 0, dead: 0))
        #expect(try await summaries(of: view).isEmpty)
    }

    @Test func `a task whose work was lost ends, and an erasure goes on`() async throws {
        _ = try await hangingRun()
        let erasure = ServerTask(
            id: "e", type: Erasures.taskType, createdAt: clock.now, starter: .unrestricted, details: [:], work: [:])
        try await tasks.add(erasure, namespace: nil, userID: nil)
        // One that cannot be read does not stop the look at those after it.
        try await documents.writeUnreadable(.task, "0")
        clock.move(bySeconds: 650)
        try await tasks.endLateTasks(logger: logger)
        #expect(try await tasks.task(id: "t", for: .unrestricted).status == .pending)
        clock.move(bySeconds: 100)
        try await tasks.endLateTasks(logger: logger)
        #expect(try await tasks.task(id: "t", for: .unrestricted).status == .failed)
        #expect(try await tasks.task(id: "e", for: .unrestricted).status == .pending)
    }

    @Test func `a task whose work cannot be queued has failed`() async throws {
        let (view, _) = try await hangingRun()
        let dead = DyingQueue(queue, in: DyingProcess(after: 0))
        let code = await failureCode {
            try await views(dead).start(id: view.id, taskID: "lost", isForced: false, for: .unrestricted)
        }
        #expect(code == .storeUnavailable)
        #expect(try await tasks.task(id: "lost", for: .unrestricted).failure == "its work could not be queued")
    }

    @Test func `work that fails leaves its task to the next attempt`() async throws {
        let task = ServerTask(id: "x", type: "test", createdAt: clock.now, starter: .unrestricted, details: [:])
        try await tasks.add(task, namespace: nil, userID: nil)
        let code = await failureCode {
            try await tasks.perform("x") { throw MemoryError(.storeUnavailable, "down") }
        }
        #expect(code == .storeUnavailable)
        #expect(try await tasks.task(id: "x", for: .unrestricted).status == .running)
        let succeed: ServerTask.Change = { $0.status = .success }
        let fail: ServerTask.Change = { $0.fail("again") }
        try await tasks.perform("x") { succeed }
        let done = try await tasks.task(id: "x", for: .unrestricted)
        #expect(done.status == .success && done.startedAt == clock.now && done.completedAt == clock.now)
        // What is over stays, and its work is not done again.
        try await tasks.perform("x") { fail }
        #expect(try await tasks.task(id: "x", for: .unrestricted) == done)
    }

    @Test func `only groups of the same bytes are one group`() async throws {
        model.replies { ScriptedModel.answer(String($0.prompt.filter { $0 == "}" }.count)) }
        let names = ["caf\u{E9}", "cafe\u{301}"]
        for (number, name) in names.enumerated() {
            try await memory.create(
                [try MemoryRecord(id: "\(number)", text: "text \(number)", userID: name)], deduplicate: false,
                for: .unrestricted)
        }
        let definition = SummaryView.Definition(
            name: nil, groupBy: [.userID], filters: [:], timeWindowDays: nil, isContinuous: false, prompt: nil,
            modelName: nil)
        let view = try await views().create(definition, for: .unrestricted)
        _ = try await views().start(id: view.id, taskID: nil, isForced: false, for: .unrestricted)
        _ = try await queue.runDue(SummaryViewHandler(views(), jobs: JobSubmitter(queue: queue), logger: logger))
        #expect(try await summaries(of: view).count == 2)
        for name in names {
            let found = try await views().partitions(
                of: view.id, where: [.userID: name], page: PageRequest(limit: 10), for: .unrestricted
            ).items
            #expect(found.count == 1 && found.first?.memoryCount == 1)
            #expect(found.first?.group[.userID].map { ExactString($0) } == ExactString(name))
        }
    }
}
