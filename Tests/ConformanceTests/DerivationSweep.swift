import AgentMemory
import Logging
import MemoryConformance
@testable import MemoryService
import Prompts
import Synchronization
import TestSupport
import Testing

/// What a language model derives, by a process that dies at any of its calls of a store or of the
/// model, before the call or after it took effect; another process takes over its jobs. Afterwards
/// every message is extracted exactly once in effect, each derived memory exists once, and nothing
/// is lost.
struct DerivationSweep {
    func run(on harness: some ConformanceHarness) async throws {
        let scope = try await harness.makeDatabase(embedder: SteeredEmbedder())
        try await withClosing {
            let checked = try #require(scope.database as? CheckedDatabase)
            let documents = try #require(scope.documents).first
            try await documents.prepare()
            let world = World(
                database: try #require(checked.database as? any AtomicMemoryDatabase & RecordHistory),
                sessions: try #require(scope.sessions).first, queue: try #require(scope.jobs).first,
                documents: documents)
            try await AccessScope.everything.limiting {
                for strategy in MemoryStrategy.Name.allCases {
                    try await sweep(world, fewestCalls: 11) { SessionExtraction(namespace: $0, strategy: strategy) }
                }
                try await sweep(world, fewestCalls: 14) { MemoryExtraction(namespace: $0) }
                try await sweep(world, fewestCalls: 6) { SessionSummarising(namespace: $0) }
                try await sweep(world, fewestCalls: 15) { ViewRun(namespace: $0) }
            }
        } close: {
            try await scope.remove()
        }
    }

    private func sweep<Case: DerivationCase>(
        _ world: World, fewestCalls: Int, _ make: (String) -> Case
    ) async throws {
        for losesAnswer in [false, true] {
            var calls = 0
            while true {
                let work = make("\(losesAnswer ? "lost" : "dead")-\(calls)-\(HarnessNames.next())")
                let process = DyingProcess(after: calls, losesAnswer: losesAnswer)
                let isDead: Bool
                do {
                    isDead = try await derive(work, world, process)
                } catch {
                    Issue.record("\(type(of: work)) \(work.namespace): \(error)")
                    return
                }
                guard isDead else { break }
                calls += 1
            }
            #expect(calls >= fewestCalls, "\(calls) calls")
        }
    }

    /// - Returns: whether the process died.
    private func derive(_ work: any DerivationCase, _ world: World, _ process: DyingProcess) async throws -> Bool {
        let model = CountingModel(work.answer)
        try await work.begin(world)
        try await drain(work, world, model, process)
        // Clients go on meanwhile.
        try await work.goOn(world)
        try await drain(work, world, model, nil)
        // What stored memories are queued for has handlers elsewhere.
        let kinds = Set(work.handlers(world, model).map { $0.kind })
        for state in JobState.allCases {
            let left = try await world.queue.list(state, page: PageRequest(limit: 1000)).items
            #expect(!left.contains { kinds.contains($0.kind) }, "\(work.namespace): \(state)")
        }
        try await work.check(world)
        // At most the one answer that was lost is paid for twice.
        #expect(
            (work.fewestModelCalls...work.modelCalls + 1).contains(model.calls),
            "\(work.namespace): \(model.calls) calls")
        return process.isDead
    }

    /// Runs the jobs that are there, as a worker does. When the process dies, their leases end.
    private func drain(
        _ work: any DerivationCase, _ world: World, _ model: any LanguageModel, _ process: DyingProcess?
    ) async throws {
        let worker = process.map(world.dying) ?? world
        let handlers = work.handlers(worker, process.map { DyingModel(model, in: $0) } ?? model)
        while true {
            let leased = try await world.queue.lease(
                kinds: handlers.map { $0.kind }, limit: 1, for: .seconds(60))
            guard let job = leased.first, let handler = handlers.first(where: { $0.kind == job.kind }) else { return }
            do {
                try await handler.run(job, isLastAttempt: false)
                _ = try await worker.queue.complete(job)
            } catch {
                guard process?.isDead == true else { throw error }
                _ = try await world.queue.retry(job, after: .zero, reason: "its lease has ended")
                return
            }
        }
    }
}

/// Names that no other case of the test process has.
private enum HarnessNames {
    private static let last = Atomic(0)

    static func next() -> Int { last.add(1, ordering: .relaxed).newValue }
}

/// The stores, as one process uses them.
private struct World: Sendable {
    let database: any AtomicMemoryDatabase & RecordHistory
    let sessions: any WorkingMemoryStore
    let queue: any JobQueue
    let documents: any DocumentStore
    let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    func dying(in process: DyingProcess) -> World {
        let stores = DyingStores(sessions, documents, in: process)
        return World(
            database: DyingDatabase(database, in: process), sessions: stores, queue: DyingQueue(queue, in: process),
            documents: stores)
    }

    var jobs: JobSubmitter { JobSubmitter(queue: queue) }

    /// - Parameter steps: what is queued for stored memories.
    func memory(_ steps: Indexing.Steps = []) -> LongTermMemory {
        LongTermMemory(
            database: database, accessRecorder: AccessRecorder(database: database, logger: logger),
            indexing: steps.isEmpty ? nil : Indexing(jobs: jobs, steps: steps, logger: logger))
    }

    func records(_ namespace: String) async throws -> [MemoryRecord] {
        let filter = MemoryFilter(tags: [.namespace: try TagCondition(field: .namespace, eq: namespace)])
        return try await memory().list(
            ListQuery(filter: filter, page: PageRequest(limit: 100)), for: .unrestricted
        ).items
    }

    /// What has happened to a memory, the first first.
    func events(_ id: String) async throws -> [MemoryEvent.Kind] {
        try await memory().history(of: id, page: PageRequest(limit: 100), for: .unrestricted).items
            .sorted { $0.sequence < $1.sequence }.map(\.kind)
    }

    /// The documents of a namespace.
    func count(_ kind: DocumentKey.Kind, _ namespace: String) async throws -> Int {
        var (count, position) = (0, String?.none)
        repeat {
            let (documents, next) = try await documents.scan(kind, from: position)
            count += documents.count { $0.document.namespace == namespace }
            position = next
        } while position != nil
        return count
    }
}

/// One kind of derivation.
private protocol DerivationCase: Sendable {
    var namespace: String { get }
    /// Calls of the model if nothing fails.
    var modelCalls: Int { get }
    /// Calls that are enough after a death.
    var fewestModelCalls: Int { get }

    /// What the model answers to a prompt, the number of the call counted from 1.
    func answer(_ prompt: String, _ call: Int) -> String
    /// Writes what there is to derive from, as a request does.
    func begin(_ world: World) async throws
    func handlers(_ world: World, _ model: any LanguageModel) -> [any JobHandler]
    /// Writes more.
    func goOn(_ world: World) async throws
    func check(_ world: World) async throws
}

extension DerivationCase {
    var fewestModelCalls: Int { modelCalls }
}

/// A language model whose answers differ from call to call, so that two answers to one question are
/// seen.
private final class CountingModel: LanguageModel {
    let model = "counting"
    private let reply: @Sendable (String, Int) -> String
    private let count = Atomic(0)

    init(_ reply: @escaping @Sendable (String, Int) -> String) {
        self.reply = reply
    }

    var calls: Int { count.load(ordering: .relaxed) }
    var usage: [LanguageUsage] { [] }

    func answer(_ request: LanguageRequest) async throws -> LanguageAnswer {
        let call = count.add(1, ordering: .relaxed).newValue
        return LanguageAnswer(reply(request.prompt, call), isWhole: true, tokens: TokenCount(input: 1, output: 1))
    }

    func unavailability() async -> String? { nil }
}

extension String {
    /// What stands in the lines of this text between `start` and `end`.
    fileprivate func all(between start: String, and end: String) -> [String] {
        split(separator: "\n").compactMap { line in
            guard let from = line.firstRange(of: start)?.upperBound else { return nil }
            return line[from...].firstRange(of: end).map { String(line[from..<$0.lowerBound]) }
        }
    }

    /// The block of lines after a line.
    fileprivate func block(after heading: String) -> String {
        guard let start = firstRange(of: "\(heading)\n=====\n")?.upperBound else { return "" }
        let rest = self[start...]
        return String(rest[..<(rest.firstRange(of: "\n=====")?.lowerBound ?? rest.endIndex)])
    }
}

private func message(_ id: String, padding: Int = 0) -> SessionMessage {
    SessionMessage(
        storedID: id, role: "user", content: "says <\(id)>" + String(repeating: " word", count: padding),
        createdAt: Timestamp(parsing: "2026-01-01T00:00:00Z") ?? .earliest, persistedAt: nil,
        discreteMemoryExtracted: false)
}

/// Memories from the messages of a session, in two calls, and in a third for what is added.
private struct SessionExtraction: DerivationCase {
    let namespace: String
    let strategy: MemoryStrategy.Name
    let modelCalls = 3

    private static let ids = ["m0", "m1", "m2", "m3", "m4"]
    private var key: SessionKey { SessionKey(storedSessionID: "s", namespace: namespace, userID: "u") }

    func answer(_ prompt: String, _ call: Int) -> String {
        let lines = strategy != .custom ? prompt.block(after: "New messages:") : prompt
        let ids = lines.all(between: "says <", and: ">")
        if strategy == .summary {
            let earlier = prompt.block(after: "Summary so far:")
            return #"{"memories": [{"text": "\#(earlier == "(none)" ? "" : earlier) \#(ids.joined(separator: " "))"}]}"#
        }
        let items = ids.enumerated().map {
            #"{"type": "semantic", "text": "[1, 0.\#(call)] fact of \#($1) in call \#(call)", "topics": ["t"], "from": [\#($0 + 1)]}"#
        }
        return #"{"memories": [\#(items.joined(separator: ", "))]}"#
    }

    private func put(_ ids: [String], _ world: World) async throws {
        let sessions = WorkingMemorySessions(
            store: world.sessions, promotion: Promotion(jobs: world.jobs), extraction: Extraction(after: .zero))
        let config: JSONObject = strategy == .custom ? ["custom_prompt": "Find facts in\n{message}"] : [:]
        _ = try await sessions.put(
            SessionPut(
                key: key, messages: ids.map { message($0) }, strategy: MemoryStrategy(strategy, config: config)),
            for: .unrestricted)
    }

    func begin(_ world: World) async throws { try await put(Array(Self.ids.dropLast()), world) }
    func goOn(_ world: World) async throws { try await put(Self.ids, world) }

    func handlers(_ world: World, _ model: any LanguageModel) -> [any JobHandler] {
        var configuration = ExtractionHandler.Configuration()
        // Of two messages.
        configuration.batchTokens = 2 * TokenCounter().count(message("m0"))
        return [
            ExtractionHandler(
                by: model, prompts: .builtIn, memory: world.memory([.deduplication]), sessions: world.sessions,
                documents: world.documents, jobs: world.jobs, configuration: configuration, logger: world.logger)
        ]
    }

    func check(_ world: World) async throws {
        let records = try await world.records(namespace)
        let session = try #require(try await world.sessions.read(key, lastMessages: nil)).memory
        #expect(session.messages.map(\.id) == Self.ids, "\(namespace)")
        #expect(session.messages.allSatisfy { $0.discreteMemoryExtracted }, "\(namespace)")
        #expect(try await world.count(.extraction, namespace) == 0, "\(namespace)")
        #expect(records.allSatisfy { $0.sessionID == "s" && $0.userID == "u" })
        if strategy == .summary {
            #expect(records.count == 1, "\(namespace)")
            #expect(records.first?.extractedFrom == Self.ids, "\(namespace)")
            #expect(
                records.first?.text.split(separator: " ").map(String.init) == Self.ids,
                "\(namespace): \(records.first?.text ?? "")")
            #expect(try await world.events(records.first?.id ?? "").count == 3, "\(namespace)")
            return
        }
        #expect(records.map { $0.extractedFrom.joined() }.sorted() == Self.ids, "\(namespace)")
        for record in records { #expect(try await world.events(record.id) == [.added], "\(namespace)") }
        // Each memory is compared with others.
        var compared: Set<String> = []
        for job in try await world.queue.lease(kinds: [IndexingJob.kind], limit: 100, for: .seconds(60)) {
            compared.formUnion(try IndexingJob(job.payload, enqueuedAt: job.enqueuedAt).ids)
            _ = try await world.queue.complete(job)
        }
        #expect(compared == Set(records.map(\.id)), "\(namespace)")
    }
}

/// Topics of memories, and memories from single memories.
private struct MemoryExtraction: DerivationCase {
    let namespace: String
    let modelCalls = 4

    func answer(_ prompt: String, _ call: Int) -> String {
        if prompt.hasPrefix("Say for each memory") {
            let items = prompt.all(between: #""memory":"m"#, and: #"""#).map {
                #"{"memory": "m\#($0)", "topics": ["topic \#(call)"], "entities": []}"#
            }
            return #"{"memories": [\#(items.joined(separator: ", "))]}"#
        }
        return #"{"memories": [{"text": "[0, 1, \#(call)] derived in call \#(call)", "topics": ["t"], "from": [1]}]}"#
    }

    private func id(_ name: String) -> String { "\(namespace)-\(name)" }

    private func create(_ name: String, _ world: World) async throws {
        try await world.memory([.tagging, .extraction]).create(
            [
                try MemoryRecord(
                    id: id(name), text: "[1, 0] source \(name)", namespace: namespace,
                    discreteMemoryExtracted: false)
            ], deduplicate: false, for: .unrestricted)
    }

    func begin(_ world: World) async throws { try await create("a", world) }

    func goOn(_ world: World) async throws { try await create("b", world) }

    func handlers(_ world: World, _ model: any LanguageModel) -> [any JobHandler] {
        let memory = world.memory([.tagging, .extraction])
        return [
            IndexingHandler(
                tagging: Tagging(by: model, prompts: .builtIn, memory: memory, logger: world.logger),
                extraction: RecordExtraction(
                    by: model, prompts: .builtIn, memory: memory, documents: world.documents, logger: world.logger),
                jobs: world.jobs, logger: world.logger)
        ]
    }

    func check(_ world: World) async throws {
        let records = try await world.records(namespace)
        #expect(records.count == 4, "\(namespace): \(records.map(\.text))")
        for name in ["a", "b"] {
            let source = try #require(records.first { $0.id == id(name) })
            #expect(source.discreteMemoryExtracted && source.topics.count == 1, "\(namespace) \(name)")
            // Its topics and its mark, each once.
            #expect(try await world.events(source.id) == [.added, .changed, .changed], "\(namespace) \(name)")
            let derived = records.filter { $0.extractedFrom == [id(name)] }
            #expect(derived.count == 1, "\(namespace) \(name)")
            for record in derived { #expect(try await world.events(record.id) == [.added], "\(namespace)") }
        }
    }
}

/// The summary of a session, in several calls.
private struct SessionSummarising: DerivationCase {
    let namespace: String
    let modelCalls = 2
    /// What the first one leaves is too short to be summarised by itself.
    let fewestModelCalls = 1

    private static let ids = (0..<10).map { "m\($0)" }
    private var key: SessionKey { SessionKey(storedSessionID: "s", namespace: namespace, userID: "u") }

    func answer(_ prompt: String, _ call: Int) -> String {
        let ids = prompt.block(after: "Messages, the oldest first:").all(between: "says <", and: ">")
        let earlier = prompt.block(after: "Summary so far:")
        return "\(earlier == "(none)" ? "" : "\(earlier) ")\(ids.joined(separator: " "))"
    }

    private func summaries(_ world: World, _ model: any LanguageModel) -> SessionSummaries {
        var configuration = SessionSummaries.Configuration()
        configuration.callTokens = 250
        return SessionSummaries(
            by: model, prompts: .builtIn, documents: world.documents, configuration: configuration,
            logger: world.logger)
    }

    private func sessions(_ world: World) -> WorkingMemorySessions {
        WorkingMemorySessions(
            store: world.sessions, promotion: Promotion(jobs: world.jobs),
            summaries: summaries(world, ScriptedModel("not asked")))
    }

    private func put(_ world: World) async throws {
        let messages = Self.ids.map { message($0, padding: 50) }
        _ = try await sessions(world).put(
            SessionPut(key: key, messages: messages), budget: ContextBudget(model: nil, maximum: 500),
            for: .unrestricted)
    }

    func begin(_ world: World) async throws { try await put(world) }
    func goOn(_ world: World) async throws { try await put(world) }

    func handlers(_ world: World, _ model: any LanguageModel) -> [any JobHandler] {
        [
            SessionSummaryHandler(
                summaries(world, model), sessions: world.sessions, jobs: world.jobs, logger: world.logger)
        ]
    }

    func check(_ world: World) async throws {
        let shown = try await sessions(world).session(
            try SessionSelector(sessionID: "s", namespace: .value(namespace)), for: .unrestricted
        ).session.memory
        #expect(shown.messages.map(\.id) == Self.ids, "\(namespace)")
        let covered = shown.context?.split(separator: " ").map(String.init) ?? []
        #expect(covered.count >= 4 && covered == Array(Self.ids.prefix(covered.count)), "\(namespace): \(covered)")
        #expect(try await world.count(.sessionSummary, namespace) == 1, "\(namespace)")
    }
}

/// The partitions of a view.
private final class ViewRun: DerivationCase {
    let namespace: String
    let modelCalls = 3
    private let viewID = Mutex("")

    init(namespace: String) {
        self.namespace = namespace
    }

    func answer(_ prompt: String, _ call: Int) -> String {
        prompt.all(between: #""text":"[1, 0] "#, and: "\"").joined(separator: " ")
    }

    private func views(_ world: World, _ model: any LanguageModel) -> SummaryViews {
        SummaryViews(
            by: model, prompts: .builtIn, memory: world.memory(), documents: world.documents, jobs: world.jobs,
            logger: world.logger)
    }

    func begin(_ world: World) async throws {
        let records = try ["a0", "a1", "b0", "c0"].map { name in
            try MemoryRecord(
                id: "\(namespace)-\(name)", text: "[1, 0] \(name)", userID: String(name.prefix(1)),
                namespace: namespace)
        }
        try await world.memory().create(records, deduplicate: false, for: .unrestricted)
        let definition = SummaryView.Definition(
            name: nil, groupBy: [.userID], filters: ["namespace": .string(namespace)], timeWindowDays: nil,
            isContinuous: false, prompt: nil, modelName: nil)
        let view = try await views(world, ScriptedModel("")).create(definition, for: .unrestricted)
        viewID.withLock { $0 = view.id }
        try await goOn(world)
    }

    /// Asks for the same run again.
    func goOn(_ world: World) async throws {
        _ = try await views(world, ScriptedModel("")).start(
            id: viewID.withLock(\.self), taskID: "\(namespace)-task", isForced: false, for: .unrestricted)
    }

    func handlers(_ world: World, _ model: any LanguageModel) -> [any JobHandler] {
        [SummaryViewHandler(views(world, model), jobs: world.jobs, logger: world.logger)]
    }

    func check(_ world: World) async throws {
        let views = views(world, ScriptedModel(""))
        let partitions = try await views.partitions(
            of: viewID.withLock(\.self), where: [:], page: PageRequest(limit: 100), for: .unrestricted
        ).items
        #expect(
            partitions.map(\.summary).map { $0.split(separator: " ").sorted() }.sorted { $0[0] < $1[0] }
                == [["a0", "a1"], ["b0"], ["c0"]], "\(namespace)")
        #expect(partitions.map(\.memoryCount).sorted() == [1, 1, 2], "\(namespace)")
        #expect(partitions.allSatisfy { $0.failure == nil }, "\(namespace)")
        let task = try await ServerTasks(documents: world.documents).task(
            id: "\(namespace)-task", for: .unrestricted)
        #expect(task.status == .success && task.completedAt != nil && task.failure == nil, "\(namespace)")
        for record in try await world.records(namespace) {
            #expect(try await world.events(record.id) == [.added], "\(namespace)")
        }
    }
}
