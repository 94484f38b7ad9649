import AgentMemory
import Logging
import MemoryConformance
import Prompts
import ReferenceBackend
import TestSupport
import Testing

@testable import MemoryService

/// Texts of namespaces that no language model may be sent: nothing is queued for them, nothing of
/// them is sent, and nothing fails.
@Suite struct ModelReachTests {
    /// What servers with different settings share.
    private struct Stores: Sendable {
        let clock = MovedClock()
        let queue: ReferenceJobQueue
        let sessions: ReferenceWorkingMemoryStore
        let documents: ReferenceDocumentStore
        let database: ReferenceMemoryDatabase

        init() {
            let clock = clock
            queue = ReferenceJobQueue(now: { clock.now })
            sessions = ReferenceWorkingMemoryStore(jobs: queue, now: { clock.now })
            documents = ReferenceDocumentStore(now: { clock.now })
            database = ReferenceMemoryDatabase(embedder: SteeredEmbedder(), now: { clock.now })
        }
    }

    /// A server with all that a language model does.
    private struct Server: Sendable {
        let stores: Stores
        let model: ScriptedModel
        let memory: LongTermMemory
        let sessions: WorkingMemorySessions
        let views: SummaryViews
        private let summaries: SessionSummaries
        private let jobs: JobSubmitter
        private let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

        init(_ stores: Stores = Stores(), within reach: LanguageReach, summarizesInRequest: Bool = false) {
            let now: @Sendable () -> Timestamp = { stores.clock.now }
            self.stores = stores
            jobs = JobSubmitter(queue: stores.queue)
            model = ScriptedModel(within: reach) { request in
                let text =
                    switch request.task {
                    case .extraction: #"{"memories": [{"text": "A fact."}]}"#
                    case .tags: #"{"memories": [{"memory": "m1", "topics": ["t"], "entities": []}]}"#
                    case .deduplication: #"{"groups": []}"#
                    case .queryOptimization: "another query"
                    case .sessionSummary, .summaryView: "A summary."
                    }
                return ScriptedModel.answer(text)
            }
            memory = LongTermMemory(
                database: stores.database,
                accessRecorder: AccessRecorder(database: stores.database, logger: logger, now: now),
                optimization: QueryOptimization(by: model, logger: logger),
                indexing: Indexing(
                    jobs: jobs, steps: [.tagging, .extraction, .deduplication], within: reach, logger: logger),
                now: now)
            var configuration = SessionSummaries.Configuration()
            configuration.isInRequest = summarizesInRequest
            configuration.appendDelay = .zero
            summaries = SessionSummaries(
                by: model, prompts: .builtIn, documents: stores.documents, configuration: configuration,
                logger: logger)
            sessions = WorkingMemorySessions(
                store: stores.sessions, promotion: Promotion(jobs: jobs),
                extraction: Extraction(after: .seconds(30), within: reach), summaries: summaries, now: now)
            views = SummaryViews(
                by: model, prompts: .builtIn, memory: memory, documents: stores.documents, jobs: jobs,
                logger: logger, now: now)
        }

        private var handlers: [any JobHandler] {
            let (clock, model, documents) = (stores.clock, model, stores.documents)
            return [
                PromotionHandler(memory: memory, store: stores.sessions, jobs: jobs, now: { clock.now }),
                ExtractionHandler(
                    by: model, prompts: .builtIn, memory: memory, sessions: stores.sessions, documents: documents,
                    jobs: jobs, logger: logger, now: { clock.now }),
                SessionSummaryHandler(summaries, sessions: stores.sessions, jobs: jobs, logger: logger),
                SummaryViewHandler(views, jobs: jobs, logger: logger),
                IndexingHandler(
                    tagging: Tagging(by: model, prompts: .builtIn, memory: memory, logger: logger),
                    extraction: RecordExtraction(
                        by: model, prompts: .builtIn, memory: memory, documents: documents, logger: logger,
                        now: { clock.now }),
                    deduplication: Deduplication(
                        by: model, prompts: .builtIn, memory: memory, documents: documents, logger: logger,
                        now: { clock.now }),
                    jobs: jobs, logger: logger),
            ]
        }

        /// Runs all jobs, also those that they queue. A job that fails ends the test.
        ///
        /// - Returns: the namespaces of the jobs.
        @discardableResult
        func work() async throws -> Set<ExactString?> {
            var namespaces: Set<ExactString?> = []
            for _ in 0..<5 {
                stores.clock.move(bySeconds: 31)
                for handler in handlers {
                    for job in await stores.queue.lease(kinds: [handler.kind], limit: 1000, for: .seconds(60)) {
                        namespaces.insert(job.payload["namespace"]?.stringValue.map(ExactString.init))
                        try await handler.run(job, isLastAttempt: true)
                        #expect(await stores.queue.complete(job))
                    }
                }
            }
            #expect(await stores.queue.counts() == JobCounts(waiting: 0, leased: 0, dead: 0))
            return namespaces
        }

        /// The namespaces of the texts that were sent for a task.
        func sent(for task: LanguageTask) -> Set<ExactString?> {
            model.requests.filter { $0.task == task }.reduce(into: []) { $0.formUnion($1.textNamespaces) }
        }
    }

    /// A setting, with what may be sent and what may not.
    struct Rule: Sendable, CustomTestStringConvertible {
        let reach: LanguageReach
        let sent: [String?]
        let kept: [String?]
        let testDescription: String

        static let all = [
            Rule(
                reach: .only(["n", "caf\u{e9}"]), sent: ["n", "caf\u{e9}"], kept: [nil, "x", "cafe\u{301}"],
                testDescription: "only"),
            Rule(
                reach: .everything(except: ["x", "cafe\u{301}"]), sent: [nil, "n", "caf\u{e9}"],
                kept: ["x", "cafe\u{301}"], testDescription: "except"),
        ]
    }

    /// What a client does that a language model works on.
    enum EntryPoint: CaseIterable {
        case put, append, promotion, recordExtraction, tags, deduplication, sessionSummary, summaryInRequest

        var task: LanguageTask {
            switch self {
            case .put, .append: .extraction
            case .recordExtraction: .extraction
            case .promotion, .tags: .tags
            case .deduplication: .deduplication
            case .sessionSummary, .summaryInRequest: .sessionSummary
            }
        }
    }

    private func key(_ namespace: String?) -> SessionKey {
        SessionKey(storedSessionID: "s", namespace: namespace, userID: "u")
    }

    private func messages(_ count: Int, isExtracted: Bool = false, _ server: Server) throws -> [SessionMessage] {
        try (0..<count).map { number in
            try SessionMessage(
                id: "m\(number)", role: "user",
                content: "number \(number): "
                    + Array(repeating: "word", count: count > 1 ? 50 : 1).joined(separator: " "),
                createdAt: server.stores.clock.now, discreteMemoryExtracted: isExtracted)
        }
    }

    private func record(
        _ id: String, _ text: String, in namespace: String?, topics: [String] = ["given"], isExtracted: Bool = true,
        _ server: Server
    ) throws -> MemoryRecord {
        try MemoryRecord(
            id: id, text: text, userID: "u", namespace: namespace, topics: topics, discreteMemoryExtracted: isExtracted,
            now: server.stores.clock.now)
    }

    private func act(_ entry: EntryPoint, in namespace: String?, _ server: Server) async throws {
        let id = "r-\(namespace.map { Fingerprint.of([$0], length: 8) } ?? "none")"
        switch entry {
        case .put:
            _ = try await server.sessions.put(SessionPut(key: key(namespace), messages: messages(1, server)))
        case .append:
            _ = try await server.sessions.append(messages(1, server), to: key(namespace))
        case .promotion:
            let memory = SessionMemory(
                try record(id, "[0, 1] said", in: nil, topics: [], server), givenLists: [], persistedAt: nil)
            _ = try await server.sessions.put(SessionPut(key: key(namespace), memories: [memory]))
        case .recordExtraction:
            try await server.memory.create(
                [record(id, "[0, 1] long", in: namespace, isExtracted: false, server)], deduplicate: false)
        case .tags:
            try await server.memory.create(
                [record(id, "[0, 1] plain", in: namespace, topics: [], server)], deduplicate: false)
        case .deduplication:
            try await server.memory.create(
                [
                    record(id, "[1, 0] a", in: namespace, server),
                    record("\(id)-2", "[1, 0] b", in: namespace, server),
                ], deduplicate: true)
        case .sessionSummary, .summaryInRequest:
            _ = try await server.sessions.put(
                SessionPut(key: key(namespace), messages: messages(12, isExtracted: true, server)),
                budget: ContextBudget(model: nil, maximum: 500))
        }
    }

    private func records(_ stores: Stores) async throws -> [MemoryRecord] {
        try await stores.database.list(ListQuery(filter: .everything, page: PageRequest(limit: 1000))).items
    }

    private func set(_ namespaces: [String?]) -> Set<ExactString?> { Set(namespaces.map { $0.map(ExactString.init) }) }

    @Test(arguments: EntryPoint.allCases, Rule.all)
    func `only what may be sent is queued and sent`(_ entry: EntryPoint, _ rule: Rule) async throws {
        let server = Server(within: rule.reach, summarizesInRequest: entry == .summaryInRequest)
        for namespace in rule.kept { try await act(entry, in: namespace, server) }
        let before = try await records(server.stores)
        // A promotion is not a language model's work.
        let queued = try await server.work()
        #expect(entry == .promotion || queued.isEmpty)
        #expect(server.model.requests.isEmpty)
        if entry != .promotion { #expect(try await records(server.stores) == before) }
        for namespace in rule.kept {
            guard let session = await server.stores.sessions.read(key(namespace), lastMessages: nil) else {
                continue
            }
            let due = entry == .put || entry == .append
            #expect(session.memory.messages.allSatisfy { $0.discreteMemoryExtracted != due })
            #expect(session.memory.context == nil)
        }
        for namespace in rule.sent { try await act(entry, in: namespace, server) }
        try await server.work()
        #expect(server.sent(for: entry.task) == set(rule.sent))
        let others = LanguageTask.allCases.reduce(into: Set<ExactString?>()) { $0.formUnion(server.sent(for: $1)) }
        #expect(others.isSubset(of: set(rule.sent)))
    }

    @Test(arguments: EntryPoint.allCases.filter { $0 != .summaryInRequest })
    func `jobs that were queued before the setting changed end without sending anything`(
        _ entry: EntryPoint
    ) async throws {
        let before = Server(within: .everything)
        for namespace in ["x", "n"] { try await act(entry, in: namespace, before) }
        let stored = try await records(before.stores)
        let after = Server(before.stores, within: .everything(except: ["x"]))
        #expect(try await after.work().contains(ExactString("x")))
        #expect(before.model.requests.isEmpty)
        #expect(after.sent(for: entry.task) == set(["n"]))
        let others = LanguageTask.allCases.reduce(into: Set<ExactString?>()) { $0.formUnion(after.sent(for: $1)) }
        #expect(others == set(["n"]))
        let left = try await records(before.stores).filter { $0.namespace == "x" }
        #expect(entry == .promotion || left == stored.filter { $0.namespace == "x" })
        guard entry == .put else { return }
        // The messages are still due: a later write of a server that may send them has them done.
        _ = try await before.sessions.append(
            [try SessionMessage(id: "later", role: "user", content: "later", createdAt: before.stores.clock.now)],
            to: key("x"))
        try await before.work()
        let session = await before.stores.sessions.read(key("x"), lastMessages: nil)
        #expect(session?.memory.messages.map(\.discreteMemoryExtracted) == [true, true])
    }

    @Test func `a memory that was moved after its job was queued is not sent`() async throws {
        for entry in [EntryPoint.recordExtraction, .tags, .deduplication] {
            let server = Server(within: .everything(except: ["x"]))
            try await act(entry, in: "n", server)
            for stored in try await records(server.stores) {
                _ = try await server.memory.edit(id: stored.id) { now throws(MemoryError) in
                    try RecordChanges(namespace: .set("x"), updatedAt: now)
                }
            }
            try await server.work()
            #expect(server.model.requests.isEmpty, "\(entry)")
        }
    }

    @Test func `a message that was set aside is due again once its namespace may be sent`() async throws {
        let before = Server(within: .everything)
        before.model.replies { request in
            if request.prompt.contains("number 0") { throw MemoryError(.languageModelRefusedPrompt, "no") }
            return ScriptedModel.answer(
                request.prompt.hasPrefix("Answer with") ? "OK" : #"{"memories": []}"#)
        }
        try await act(.put, in: "x", before)
        let stores = before.stores
        stores.clock.move(bySeconds: 31)
        let handler = ExtractionHandler(
            by: before.model, prompts: .builtIn, memory: before.memory, sessions: stores.sessions,
            documents: stores.documents, jobs: JobSubmitter(queue: stores.queue),
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }), now: { stores.clock.now })
        #expect(try await stores.queue.runDue(handler) == 1)
        let aside = MessagesSetAside.key(of: key("x"))
        #expect(await stores.documents.document(aside) != nil)
        let excluding = Server(stores, within: .everything(except: ["x"]))
        try await excluding.work()
        #expect(await stores.documents.document(aside) == nil)
        #expect(excluding.model.requests.isEmpty)
        before.model.replies(#"{"memories": []}"#)
        _ = try await before.sessions.append(
            [try SessionMessage(id: "later", role: "user", content: "later", createdAt: stores.clock.now)],
            to: key("x"))
        try await before.work()
        #expect(before.model.prompts.last?.contains("number 0") == true)
    }

    @Test func `equal texts are united, and near ones are not compared`() async throws {
        let server = Server(within: .everything(except: ["x"]))
        for namespace in ["x", "n"] {
            try await server.memory.create(
                ["a", "b", "c"].map { id in
                    try record("\(namespace)\(id)", id == "c" ? "[1, 0] c" : "[1, 0] a", in: namespace, server)
                }, deduplicate: false)
        }
        let outcome = try await server.memory.compact(.everything, for: .unrestricted)
        #expect(outcome.merged == 2 && outcome.remaining == 4)
        #expect(try await server.work() == set(["n"]))
        #expect(server.sent(for: .deduplication) == set(["n"]))
    }

    // MARK: Queries

    @Test func `a query is rewritten only where everything that it is about may be sent`() async throws {
        func condition(_ any: [String]? = nil, none: [String]? = nil) throws -> TagCondition {
            try TagCondition(field: .namespace, any: any, none: none)
        }
        let tenant = Caller(subject: "t", namespaces: ["n"], rights: .all)
        let admin = Caller.unrestricted
        let cases: [(TagCondition?, Caller, only: Bool, except: Bool)] = [
            (nil, admin, false, false), (nil, tenant, true, true), (try condition(["n"]), admin, true, true),
            (try condition(["x"]), admin, false, false), (try condition(["n", "x"]), admin, false, false),
            (try condition(["z"]), admin, false, true), (try condition(none: ["x"]), admin, false, true),
        ]
        for (condition, caller, isOnly, isExcept) in cases {
            for (reach, isSent) in [
                (LanguageReach.only(["n"]), isOnly), (.everything(except: ["x"]), isExcept), (.everything, true),
            ] {
                let server = Server(within: reach)
                var search = try MemorySearch(
                    text: "a query", ranking: .semantic(distanceThreshold: nil),
                    filter: MemoryFilter(tags: condition.map { [.namespace: $0] } ?? [:]), page: PageRequest(),
                    recencyBoost: nil, explains: true)
                search.optimizesQuery = true
                let found = try await server.memory.search(search, for: caller)
                let outcome: QueryOptimization.Outcome =
                    isSent
                    ? .rewritten("another query") : .left("queries in these namespaces are not sent to language models")
                #expect(found.optimization == outcome, "\(String(describing: condition))")
                #expect(server.model.requests.count == (isSent ? 1 : 0))
                #expect(server.model.requests.allSatisfy(reach.contains))
            }
        }
    }

    // MARK: Summary views

    private func definition(
        _ groupBy: [SummaryView.GroupField], filters: JSONObject = [:], continuous: Bool = false
    ) -> SummaryView.Definition {
        SummaryView.Definition(
            name: nil, groupBy: groupBy, filters: filters, timeWindowDays: nil, isContinuous: continuous, prompt: nil,
            modelName: nil)
    }

    private func fill(_ server: Server, _ namespaces: [String?]) async throws {
        for namespace in namespaces {
            try await server.memory.create(
                [
                    record(
                        "v-\(namespace.map { Fingerprint.of([$0], length: 8) } ?? "none")",
                        "text of \(namespace ?? "none")", in: namespace, server)
                ], deduplicate: false)
        }
    }

    private func partitions(_ server: Server, _ view: SummaryView) async throws -> [SummaryPartition] {
        try await server.views.partitions(of: view.id, where: [:], page: PageRequest(limit: 100), for: .unrestricted)
            .items
    }

    @Test(arguments: Rule.all)
    func `a view holds only memories that may be sent`(_ rule: Rule) async throws {
        let server = Server(within: rule.reach)
        try await fill(server, rule.sent + rule.kept + ["y"])
        let others: [String?] = rule.reach.contains("y") ? ["y"] : []
        for filters in [
            [:], ["namespace": ["ne": "nothing"]], ["namespace": ["startswith": "caf"]],
            ["namespace": ["n", "x", "caf\u{e9}", "cafe\u{301}"]],
        ] as [JSONObject] {
            let condition = try SummaryViewFilter.filter(filters).tags[.namespace]
            let expected = (rule.sent + others).filter { condition?.matches($0.map { [$0] } ?? []) ?? true }
            // In one group, and by namespace.
            let whole = try await server.views.create(definition([], filters: filters), for: .unrestricted)
            let partition = try await server.views.run(
                id: whole.id, group: [:], isForced: false, for: .unrestricted)
            #expect(partition.memoryCount == expected.count, "\(filters)")
            let request = try #require(server.model.requests.last)
            #expect(request.task == .summaryView && request.textNamespaces == set(expected), "\(filters)")
            for namespace in rule.kept {
                #expect(!request.quotes.map(ExactString.init).contains(ExactString("text of \(namespace ?? "none")")))
            }
            let grouped = try await server.views.create(
                definition([.namespace], filters: filters), for: .unrestricted)
            _ = try await server.views.start(id: grouped.id, taskID: nil, isForced: false, for: .unrestricted)
            try await server.work()
            let groups = try await partitions(server, grouped).map { $0.group[.namespace].map(ExactString.init) }
            #expect(Set(groups) == set(expected).subtracting([nil]), "\(filters)")
        }
        #expect(server.model.requests.allSatisfy(rule.reach.contains))
    }

    @Test(arguments: Rule.all)
    func `a view of nothing that may be sent is refused`(_ rule: Rule) async throws {
        let server = Server(within: rule.reach)
        for namespace in rule.kept.compactMap(\.self) {
            for filters in [
                ["namespace": .string(namespace)], ["namespace": [.string(namespace), "x"]],
                ["namespace": ["eq": .string(namespace)]],
            ] as [JSONObject] {
                let error = await #expect(throws: MemoryError.self) {
                    try await server.views.create(definition([], filters: filters), for: .unrestricted)
                }
                #expect(error?.code == .unsupported && error?.path == [.key("filters"), .key("namespace")])
            }
            // A caller that reaches nothing else.
            let caller = Caller(subject: "t", namespaces: [namespace], rights: .all)
            #expect(await failureCode { try await server.views.create(definition([]), for: caller) } == .unsupported)
            // A group.
            let view = try await server.views.create(definition([.namespace]), for: .unrestricted)
            let error = await #expect(throws: MemoryError.self) {
                try await server.views.run(
                    id: view.id, group: ["namespace": namespace], isForced: true, for: .unrestricted)
            }
            #expect(error?.code == .unsupported && error?.path == [.key("group"), .key("namespace")])
            #expect(
                await failureCode {
                    try await server.views.replace(
                        id: view.id, definition([], filters: ["namespace": .string(namespace)]), for: .unrestricted)
                } == .unsupported)
        }
        #expect(server.model.requests.isEmpty)
    }

    @Test func `views from before the setting changed end quietly and keep their summaries`() async throws {
        let before = Server(within: .everything)
        try await fill(before, ["x", "n"])
        let own = try await before.views.create(
            definition([], filters: ["namespace": "x"], continuous: true), for: .unrestricted)
        let grouped = try await before.views.create(definition([.namespace]), for: .unrestricted)
        for view in [own, grouped] {
            _ = try await before.views.start(id: view.id, taskID: nil, isForced: false, for: .unrestricted)
        }
        try await before.work()
        let kept = try await partitions(before, own) + partitions(before, grouped)
        #expect(kept.count == 3 && kept.allSatisfy { $0.summary == "A summary." })
        try await before.memory.create(
            [record("new", "new text", in: "x", before), record("newer", "newer text", in: "n", before)],
            deduplicate: false)
        var tasks: [String] = []
        for view in [own, grouped] {
            tasks.append(
                try await before.views.start(id: view.id, taskID: nil, isForced: true, for: .unrestricted).id)
        }
        let after = Server(before.stores, within: .everything(except: ["x"]))
        try await after.work()
        #expect(after.sent(for: .summaryView) == set(["n"]))
        for task in tasks {
            let task = try await after.views.tasks.task(id: task, for: .unrestricted)
            #expect(task.status == .success && task.failure == nil)
        }
        let left = try await partitions(after, own) + partitions(after, grouped)
        #expect(left.count == 3 && left.allSatisfy { $0.summary == "A summary." && $0.failure == nil })
        #expect(left.first { $0.group[.namespace] == "x" } == kept.first { $0.group[.namespace] == "x" })
        #expect(try await partitions(after, own) == partitions(before, own))
        #expect(left.first { $0.group[.namespace] == "n" }?.memoryCount == 2)
        // Nothing is queued for it any more, and who asks for it gets an error.
        try await after.views.startDue(every: 60, turns: Turns(documents: before.stores.documents))
        #expect(await before.stores.queue.counts().waiting == 0)
        #expect(
            await failureCode {
                try await after.views.start(id: own.id, taskID: nil, isForced: false, for: .unrestricted)
            } == .unsupported)
        #expect(
            await failureCode {
                try await after.views.run(id: own.id, group: [:], isForced: false, for: .unrestricted)
            } == .unsupported)
    }
}
