import AgentMemory
import Logging
import MemoryConformance
import Prompts
import ReferenceBackend
import TestSupport
import Testing

@testable import MemoryService

@Suite struct SummaryViewTests {
    private let clock = MovedClock()
    private let queue: ReferenceJobQueue
    private let documents: ReferenceDocumentStore
    private let memory: LongTermMemory
    private let jobs: JobSubmitter
    private let model = ScriptedModel { request in
        ScriptedModel.answer("of \(request.prompt.split(separator: "\n").filter { $0.hasPrefix("{\"id\"") }.count)")
    }
    private let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    init() {
        let clock = clock
        queue = ReferenceJobQueue(now: { clock.now })
        documents = ReferenceDocumentStore(now: { clock.now })
        let database = ReferenceMemoryDatabase(embedder: SteeredEmbedder(), now: { clock.now })
        memory = LongTermMemory(
            database: database,
            accessRecorder: AccessRecorder(database: database, logger: Logger(label: "test"), now: { clock.now }),
            now: { clock.now })
        jobs = JobSubmitter(queue: queue)
    }

    private func views(changing change: (inout SummaryViews.Configuration) -> Void = { _ in }) -> SummaryViews {
        var configuration = SummaryViews.Configuration()
        change(&configuration)
        return SummaryViews(
            by: model, prompts: .builtIn, memory: memory, documents: documents, jobs: jobs,
            configuration: configuration, logger: logger, now: { [clock] in clock.now })
    }

    private var tasks: ServerTasks { ServerTasks(documents: documents, now: { [clock] in clock.now }) }

    private func definition(
        _ groupBy: [SummaryView.GroupField] = [.userID], filters: JSONObject = [:], days: Int? = nil,
        continuous: Bool = false, prompt: String? = nil, model: String? = nil
    ) -> SummaryView.Definition {
        SummaryView.Definition(
            name: "view", groupBy: groupBy, filters: filters, timeWindowDays: days, isContinuous: continuous,
            prompt: prompt, modelName: model)
    }

    private func store(_ id: String, user: String? = "ada", namespace: String? = "n", text: String? = nil) async throws
    {
        clock.move(bySeconds: 1)
        try await memory.create(
            [
                try MemoryRecord(
                    id: id, text: text ?? "text of \(id)", userID: user, namespace: namespace, createdAt: clock.now,
                    now: clock.now)
            ], deduplicate: false)
    }

    private func runJobs(_ views: SummaryViews, isLastAttempt: Bool = false) async throws {
        let handler = SummaryViewHandler(views, jobs: jobs, logger: logger)
        for job in await queue.lease(kinds: [handler.kind], limit: 100, for: .seconds(60)) {
            try await handler.run(job, isLastAttempt: isLastAttempt)
            #expect(await queue.complete(job))
        }
    }

    private func partitions(_ views: SummaryViews, _ view: SummaryView) async throws -> [String: String] {
        let page = try await views.partitions(
            of: view.id, where: [:], page: PageRequest(limit: 100), for: .unrestricted)
        return Dictionary(uniqueKeysWithValues: page.items.map { ($0.group[.userID] ?? "", $0.summary) })
    }

    @Test func `a partition is computed at once, and again only if its memories change`() async throws {
        let views = views()
        let view = try await views.create(definition(prompt: "In one word."), for: .unrestricted)
        try await store("a")
        try await store("b")
        try await store("c", user: "bob")
        let first = try await views.run(id: view.id, group: ["user_id": "ada"], isForced: false, for: .unrestricted)
        #expect(first.summary == "of 2" && first.memoryCount == 2)
        let prompt = try #require(model.prompts.first)
        #expect(prompt.hasPrefix("In one word.\n") && prompt.contains(#"{"user_id":"ada"}"#))
        // The oldest first.
        #expect(prompt.firstRange(of: "text of a")!.lowerBound < prompt.firstRange(of: "text of b")!.lowerBound)
        clock.move(bySeconds: 10)
        #expect(
            try await views.run(id: view.id, group: ["user_id": "ada"], isForced: false, for: .unrestricted) == first)
        #expect(model.prompts.count == 1)
        _ = try await views.run(id: view.id, group: ["user_id": "ada"], isForced: true, for: .unrestricted)
        #expect(model.prompts.count == 2)
        try await store("d")
        #expect(
            try await views.run(id: view.id, group: ["user_id": "ada"], isForced: false, for: .unrestricted).summary
                == "of 3")
        let empty = try await views.run(id: view.id, group: ["user_id": "eve"], isForced: false, for: .unrestricted)
        #expect(empty.summary.isEmpty && empty.memoryCount == 0 && empty.json["empty_reason"] == "no_matching_memories")
        #expect(model.prompts.count == 3)
    }

    @Test func `the newest memories are the ones that fit`() async throws {
        let views = views { $0.callTokens = 500 }
        let view = try await views.create(definition([]), for: .unrestricted)
        for number in 0..<30 { try await store("r\(number)") }
        let partition = try await views.run(id: view.id, group: [:], isForced: false, for: .unrestricted)
        #expect(partition.memoryCount == 30)
        let prompt = model.prompts[0]
        #expect(prompt.contains("text of r29") && !prompt.contains("text of r0\""))
        #expect(prompt.contains("older memories are left out"))
    }

    @Test func `a failure keeps the last good summary and says so`() async throws {
        let views = views()
        let view = try await views.create(definition(), for: .unrestricted)
        try await store("a")
        _ = try await views.run(id: view.id, group: ["user_id": "ada"], isForced: false, for: .unrestricted)
        try await store("b")
        for failure in [MemoryError(.languageModelFailed, "down"), MemoryError(.languageModelRefused, "key")] {
            model.replies { _ in throw failure }
            let kept = try await views.run(id: view.id, group: ["user_id": "ada"], isForced: false, for: .unrestricted)
            #expect(kept.summary == "of 1" && kept.failure == failure.message)
            #expect(kept.json["error_message"] == .string(failure.message))
        }
        model.replies { _ in ScriptedModel.answer("cut", isWhole: false) }
        let cut = try await views.run(id: view.id, group: ["user_id": "ada"], isForced: false, for: .unrestricted)
        #expect(cut.summary == "of 1" && cut.failure != nil)
        // Without an earlier summary it is an error.
        try await store("c", user: "bob")
        let error = await #expect(throws: MemoryError.self) {
            try await views.run(id: view.id, group: ["user_id": "bob"], isForced: false, for: .unrestricted)
        }
        #expect(error?.code == .languageModelFailed)
        model.replies("good")
        let good = try await views.run(id: view.id, group: ["user_id": "ada"], isForced: false, for: .unrestricted)
        #expect(good.summary == "good" && good.failure == nil)
    }

    @Test func `a run renews what has changed and empties what has no memories`() async throws {
        let views = views()
        let view = try await views.create(definition(filters: ["namespace": "n"]), for: .unrestricted)
        try await store("a")
        try await store("b", user: "bob")
        try await store("x", user: "eve", namespace: "other")
        try await store("y", user: nil)
        let task = try await views.start(id: view.id, taskID: "mine", isForced: false, for: .unrestricted)
        #expect(task.status == .pending && task.json["type"] == "summary_view_full_run")
        // The same id again is the same task.
        #expect(try await views.start(id: view.id, taskID: "mine", isForced: false, for: .unrestricted) == task)
        try await runJobs(views)
        let done = try await tasks.task(id: "mine", for: .unrestricted)
        #expect(done.status == .success && done.startedAt != nil && done.completedAt != nil && done.failure == nil)
        #expect(try await partitions(views, view) == ["ada": "of 1", "bob": "of 1"])
        #expect(model.prompts.count == 2)
        _ = try await memory.delete(ids: ["b"])
        try await store("c")
        _ = try await views.start(id: view.id, taskID: "mine", isForced: false, for: .unrestricted)
        try await runJobs(views)
        #expect(try await partitions(views, view) == ["ada": "of 2", "bob": ""])
        #expect(model.prompts.count == 3)
    }

    @Test func `a task waits for the model and says what failed`() async throws {
        let views = views()
        let view = try await views.create(definition(), for: .unrestricted)
        for user in ["ada", "bob", "eve"] { try await store(user, user: user) }
        let asked = model
        model.replies { request in
            if request.prompt.contains("text of bob"), asked.prompts.count < 4 {
                throw MemoryError(.languageModelFailed, "down")
            }
            return ScriptedModel.answer("fine")
        }
        let task = try await views.start(id: view.id, taskID: nil, isForced: true, for: .unrestricted)
        for _ in 0..<6 {
            try await runJobs(views)
            clock.move(bySeconds: 60)
        }
        #expect(try await tasks.task(id: task.id, for: .unrestricted).status == .success)
        // Those that were renewed before it waited were not renewed once more.
        for user in ["ada", "eve"] { #expect(model.prompts.filter { $0.contains("text of \(user)") }.count == 1) }
        model.replies { _ in throw MemoryError(.languageModelRefused, "the key is wrong") }
        let failing = try await views.start(id: view.id, taskID: nil, isForced: true, for: .unrestricted)
        try await runJobs(views)
        let failed = try await tasks.task(id: failing.id, for: .unrestricted)
        #expect(failed.status == .failed && failed.failure?.contains("the key is wrong") == true)
        #expect(try await partitions(views, view) == ["ada": "fine", "bob": "fine", "eve": "fine"])
    }

    @Test func `continuous views are started once in each interval`() async throws {
        let (first, second) = (views(), views())
        let view = try await first.create(definition(continuous: true), for: .unrestricted)
        _ = try await first.create(definition(), for: .unrestricted)
        // One that cannot be read does not stop the look at those after it.
        try await documents.writeUnreadable(.summaryView, "0")
        try await store("a")
        let turns = Turns(documents: documents)
        for views in [first, second, first] { try await views.startDue(every: 3600, turns: turns) }
        #expect(await queue.counts().waiting == 1)
        try await runJobs(second)
        #expect(try await partitions(first, view) == ["ada": "of 1"])
        clock.move(bySeconds: 3601)
        try await second.startDue(every: 3600, turns: turns)
        try await runJobs(first)
        // Nothing has changed, so nothing is paid for.
        #expect(model.prompts.count == 1)
    }

    @Test func `a view can be replaced and takes its partitions with it`() async throws {
        let views = views()
        let view = try await views.create(definition(), for: .unrestricted)
        try await store("a")
        _ = try await views.run(id: view.id, group: ["user_id": "ada"], isForced: false, for: .unrestricted)
        let renamed = try await views.replace(id: view.id, definition(prompt: "Short."), for: .unrestricted)
        #expect(renamed.id == view.id && renamed.definition.prompt == "Short.")
        #expect(try await partitions(views, view).count == 1)
        _ = try await views.replace(id: view.id, definition([.namespace]), for: .unrestricted)
        #expect(try await partitions(views, view).isEmpty)
        try await views.delete(id: view.id, for: .unrestricted)
        for code in [await failureCode { try await views.view(id: view.id, for: .unrestricted) }] {
            #expect(code == .notFound)
        }
        #expect(
            await documents.documents(.summaryPartition, of: view.id, within: .everything, page: try PageRequest())
                .total == 0)
        try await views.delete(id: view.id, for: .unrestricted)
    }

    @Test func `what cannot work is refused when a view is defined`() async throws {
        let views = views()
        for (filters, code) in [
            (["foo": "x"], .invalidCombination), (["memory_type": "nonsense"], .invalidInput),
            (["topics": ["bogus": "x"]], .invalidInput), (["event_date": "soon"], .invalidInput),
            (["user_id": 1], .invalidInput), (["topics": []], .invalidInput),
        ] as [(JSONObject, MemoryError.Code)] {
            #expect(
                await failureCode { try await views.create(definition(filters: filters), for: .unrestricted) } == code)
        }
        #expect(
            await failureCode { try await views.create(definition(model: "unknown"), for: .unrestricted) }
                == .invalidInput)
        let view = try await views.create(
            definition(
                filters: [
                    "topics": ["a", "b"], "user_id": ["ne": "x"],
                    "event_date": ["gte": "2024-01-01", "lt": "2025-01-01"],
                ], model: "scripted"), for: .unrestricted)
        #expect(
            await failureCode { try await views.run(id: view.id, group: [:], isForced: false, for: .unrestricted) }
                == .invalidCombination)
    }

    @Test func `tenants see and summarise only what is theirs`() async throws {
        let views = views()
        let callers = ["a", "b"].map { Caller(subject: $0, namespaces: [$0], rights: .all) }
        for namespace in ["a", "b"] { try await store(namespace, namespace: namespace) }
        let mine = try await views.create(definition(), for: callers[0])
        #expect(mine.definition.filters["namespace"] == "a")
        let all = try await views.create(definition(), for: .unrestricted)
        #expect(
            await failureCode { try await views.create(definition(filters: ["namespace": "b"]), for: callers[0]) }
                == .forbidden)
        let page = try PageRequest(limit: 10)
        #expect(try await views.views(page: page, for: callers[0]).items.map(\.id) == [mine.id])
        #expect(try await views.views(page: page, for: callers[1]).total == 0)
        #expect(try await views.views(page: page, for: .unrestricted).total == 2)
        for (view, caller) in [(mine, callers[1]), (all, callers[0])] {
            #expect(await failureCode { try await views.view(id: view.id, for: caller) } == .notFound)
            #expect(
                await failureCode { try await views.start(id: view.id, taskID: nil, isForced: false, for: caller) }
                    == .notFound)
        }
        let task = try await views.start(id: mine.id, taskID: "t", isForced: false, for: callers[0])
        #expect(await failureCode { try await tasks.task(id: task.id, for: callers[1]) } == .notFound)
        try await runJobs(views)
        #expect(model.prompts.count == 1 && !model.prompts[0].contains("text of b"))
        #expect(model.requests[0].namespace == "a")
        try await views.delete(id: mine.id, for: callers[1])
        #expect(try await views.view(id: mine.id, for: callers[0]).id == mine.id)
    }

    @Test func `a view that is deleted or replaced while it runs leaves no old summaries`() async throws {
        let (views, model) = (views(), model)
        try await store("a")
        try await store("b", user: "bob")
        func partitions(_ id: String) async throws -> Int {
            await documents.documents(.summaryPartition, of: id, within: .everything, page: try PageRequest()).total
        }
        let deleted = try await views.create(definition(), for: .unrestricted)
        model.replies { _ in
            if model.prompts.count == 2 { try await views.delete(id: deleted.id, for: .unrestricted) }
            return ScriptedModel.answer("fine")
        }
        let task = try await views.start(id: deleted.id, taskID: nil, isForced: false, for: .unrestricted)
        try await runJobs(views)
        #expect(try await partitions(deleted.id) == 0)
        #expect(try await tasks.task(id: task.id, for: .unrestricted).status.isOver)

        let replaced = try await views.create(definition(), for: .unrestricted)
        let other = definition([.namespace])
        model.replies { _ in
            _ = try await views.replace(id: replaced.id, other, for: .unrestricted)
            return ScriptedModel.answer("fine")
        }
        _ = try await views.run(id: replaced.id, group: ["user_id": "ada"], isForced: false, for: .unrestricted)
        #expect(try await partitions(replaced.id) == 0)
    }

    @Test func `a group that the model has no answer to is not asked about for ever`() async throws {
        let views = views()
        let view = try await views.create(definition(continuous: true), for: .unrestricted)
        try await store("a")
        try await store("b", user: "bob")
        model.replies { request in
            if request.prompt.contains("text of a") { throw MemoryError(.languageModelRefusedPrompt, "no") }
            return ScriptedModel.answer("fine")
        }
        func asked() -> Int { model.prompts.filter { $0.contains("text of a") }.count }
        let turns = Turns(documents: documents)
        for _ in 0..<10 {
            try await views.startDue(every: 3600, turns: turns)
            try await runJobs(views)
            clock.move(bySeconds: 3601)
        }
        #expect(asked() == 3)
        #expect(try await partitions(views, view) == ["ada": "", "bob": "fine"])
        // Who asks for it is answered, and so is who insists, and what has changed is asked about.
        #expect(
            await failureCode {
                try await views.run(id: view.id, group: ["user_id": "ada"], isForced: false, for: .unrestricted)
            } == .languageModelFailed)
        #expect(asked() == 4)
        model.replies("fine")
        let forced = try await views.start(id: view.id, taskID: nil, isForced: true, for: .unrestricted)
        try await runJobs(views)
        #expect(try await tasks.task(id: forced.id, for: .unrestricted).status == .success)
        #expect(try await partitions(views, view) == ["ada": "fine", "bob": "fine"])
    }

    @Test func `jobs of a continuous view do not pile up while the model is down`() async throws {
        let views = views()
        _ = try await views.create(definition(continuous: true), for: .unrestricted)
        try await store("a")
        model.replies { _ in throw MemoryError(.languageModelFailed, "down") }
        let turns = Turns(documents: documents)
        for _ in 0..<400 {
            try await views.startDue(every: 3600, turns: turns)
            try await runJobs(views)
            clock.move(bySeconds: 45)
        }
        #expect(await queue.counts().waiting <= 4)
        #expect(await queue.counts().dead == 0)
        model.replies("fine")
        try await runJobs(views)
        #expect(model.prompts.last?.contains("text of a") == true)
    }

    @Test func `the id of the server's own task is not for clients`() async throws {
        let views = views()
        let view = try await views.create(definition(), for: .unrestricted)
        #expect(
            await failureCode {
                try await views.start(
                    id: view.id, taskID: Compactions.periodicTask, isForced: false, for: .unrestricted)
            } == .conflict)
    }

    @Test func `a limited caller sees its own tasks in the list`() async throws {
        let views = views()
        let callers = ["a", "b"].map { Caller(subject: $0, namespaces: [$0], rights: .all) }
        for caller in callers {
            let view = try await views.create(definition(), for: caller)
            _ = try await views.start(id: view.id, taskID: "t-\(caller.subject)", isForced: false, for: caller)
        }
        for caller in callers {
            let listed = try await tasks.tasks(page: PageRequest(limit: 10), for: caller)
            #expect(listed.items.map(\.id) == ["t-\(caller.subject)"] && listed.total == 1)
        }
        #expect(try await tasks.tasks(page: PageRequest(limit: 10), for: .unrestricted).total == 2)
    }

    @Test func `users whose names differ only in their bytes have a summary each`() async throws {
        let users = ["caf\u{e9}", "cafe\u{301}"]
        try await memory.create(
            try users.enumerated().map { try MemoryRecord(id: "\($0)", text: "text \($0)", userID: $1) },
            deduplicate: false)
        let views = views()
        let view = try await views.create(
            SummaryView.Definition(
                name: nil, groupBy: [.userID], filters: [:], timeWindowDays: nil, isContinuous: false, prompt: nil,
                modelName: nil), for: .unrestricted)
        _ = try await views.renew(
            SummaryViewJob(viewID: view.id, taskID: nil, isForced: false, waits: 0, caller: .unrestricted))
        for user in users {
            let found = try await views.partitions(
                of: view.id, where: [.userID: user], page: PageRequest(), for: .unrestricted)
            #expect(found.items.map(\.memoryCount) == [1])
        }
    }
}
