public import AgentMemory
public import Logging
public import Prompts

/// Summary views: their definitions, the summaries of their groups, and the tasks that renew all of
/// them.
///
/// Every method takes the caller, sees only the views that belong to what that one may reach, and
/// throws ``MemoryError`` (or `CancellationError`). A view belongs to the namespace and the user
/// that its filters ask for.
public struct SummaryViews: Sendable {
    public struct Configuration: Sendable {
        /// Tokens of memories in one call. Default: 16,000.
        public var callTokens = 16_000
        /// Characters of one memory in a call; default: 4,000.
        public var longestText = 4000
        /// For one call with all its attempts. Default: 120 s.
        public var timeLimit: Duration = .seconds(120)

        public init() {}
    }

    private let memory: LongTermMemory
    private let documents: any DocumentStore
    private let jobs: JobSubmitter
    private let model: any LanguageModel
    private let otherModels: [any LanguageModel]
    private let prompts: PromptSet
    private let configuration: Configuration
    private let counter = TokenCounter()
    private let logger: Logger
    private let now: @Sendable () -> Timestamp

    private static let pageSize = 1000

    /// - Parameters:
    ///   - model: summarises views that name none.
    ///   - otherModels: those that views may name, in addition to `model`.
    ///   - prompts: what they are asked.
    ///   - memory: has the memories.
    ///   - documents: keeps views, partitions and tasks.
    ///   - jobs: gets the runs.
    ///   - configuration: bounds of a call.
    ///   - logger: gets the reasons of failures.
    ///   - now: the clock of dates.
    public init(
        by model: any LanguageModel, or otherModels: [any LanguageModel] = [], prompts: PromptSet,
        memory: LongTermMemory, documents: any DocumentStore, jobs: JobSubmitter,
        configuration: Configuration = Configuration(), logger: Logger,
        now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) {
        self.model = model
        self.otherModels = otherModels
        self.prompts = prompts
        self.memory = memory
        self.documents = documents
        self.jobs = jobs
        self.configuration = configuration
        self.logger = logger
        self.now = now
    }

    // MARK: Views

    /// Defines a view.
    ///
    /// - Throws: ``MemoryError``: `invalidCombination` or `invalidInput` for filters and models
    ///   that cannot be used; `forbidden` for a view beyond the caller's limits.
    public func create(_ definition: SummaryView.Definition, for caller: Caller) async throws -> SummaryView {
        let view = try checked(definition, id: ULID.make(at: now()), caller)
        try await caller.scope.limiting {
            _ = try await documents.write(view.document, expecting: .absent, keptFor: nil)
        }
        return view
    }

    /// Replaces the definition of a view. The summaries of another question are removed.
    ///
    /// - Throws: as ``create(_:for:)``; `notFound`.
    public func replace(
        id: String, _ definition: SummaryView.Definition, for caller: Caller
    ) async throws -> SummaryView {
        let view = try checked(definition, id: id, caller)
        try await caller.scope.limiting {
            let stored = try await existing(id, caller)
            let before = try SummaryView(stored.document).definition
            guard
                try await documents.write(view.document, expecting: .revision(stored.revision), keptFor: nil) != nil
            else { throw MemoryError(.conflict, "the summary view was changed at the same time; try again") }
            if before.groupBy != view.definition.groupBy || before.filters != view.definition.filters {
                try await documents.deleteAll(.summaryPartition, of: id)
            }
        }
        return view
    }

    /// - Throws: ``MemoryError`` with code `notFound`.
    public func view(id: String, for caller: Caller) async throws -> SummaryView {
        try caller.require(.read)
        return try await caller.scope.limiting { try SummaryView(try await existing(id, caller).document) }
    }

    /// The views, oldest first.
    public func views(page: PageRequest, for caller: Caller) async throws -> Page<SummaryView> {
        try caller.require(.read)
        return try await caller.scope.limiting {
            try await documents.documents(.summaryView, of: "", within: caller.scope, page: page).map {
                try SummaryView($0.document)
            }
        }
    }

    /// Removes a view with its partitions, if there is one.
    public func delete(id: String, for caller: Caller) async throws {
        try caller.require(.write)
        try await caller.scope.limiting {
            guard let stored = try await documents.document(SummaryView.key(id)), reaches(stored, caller) else {
                return
            }
            try await documents.delete(SummaryView.key(id), revision: nil)
            try await documents.deleteAll(.summaryPartition, of: id)
        }
    }

    private func checked(
        _ definition: SummaryView.Definition, id: String, _ caller: Caller
    ) throws(MemoryError) -> SummaryView {
        try caller.require(.write)
        var definition = definition
        _ = try SummaryViewFilter.filter(definition.filters)
        if let name = definition.modelName, model(named: name) == nil {
            let known = ([model] + otherModels).map(\.model).joined(separator: ", ")
            throw .invalid("model_name", "model_name must be one of the server's models: \(known)")
        }
        if !caller.reachesEverything {
            // What a limited caller defines is bound to one owner, so that no memories of others
            // can get into it.
            let draft = SummaryView(id: id, definition, owner: caller)
            let owner = try caller.completed(
                SessionKey(
                    storedSessionID: id, namespace: draft.only(.namespace), userID: draft.only(.userID)))
            for (name, value) in [("namespace", owner.namespace), ("user_id", owner.userID)] {
                if let value { definition.filters[name] = .string(value) }
            }
        }
        return SummaryView(id: id, definition, owner: caller)
    }

    private func model(named name: String?) -> (any LanguageModel)? {
        guard let name else { return model }
        return ([model] + otherModels).first { $0.model == name }
    }

    private func existing(_ id: String, _ caller: Caller) async throws -> RevisedDocument {
        let key = SummaryView.key(id)
        guard key.isPossible, let stored = try await documents.document(key), reaches(stored, caller) else {
            throw MemoryError(.notFound, "SummaryView \(id) not found")
        }
        return stored
    }

    private func reaches(_ stored: RevisedDocument, _ caller: Caller) -> Bool {
        caller.reaches(namespace: stored.document.namespace, userID: stored.document.userID)
    }

    // MARK: Partitions

    /// The stored partitions whose groups have these values, by their ids.
    ///
    /// - Throws: ``MemoryError`` with code `notFound`.
    public func partitions(
        of id: String, where values: [SummaryView.GroupField: String], page: PageRequest, for caller: Caller
    ) async throws -> Page<SummaryPartition> {
        let view = try await view(id: id, for: caller)
        guard values.keys.allSatisfy(view.definition.groupBy.contains) else {
            return Page(items: [], total: 0, request: page)
        }
        return try await caller.scope.limiting {
            if values.isEmpty {
                return try await documents.documents(.summaryPartition, of: id, within: caller.scope, page: page).map {
                    try SummaryPartition($0.document)
                }
            }
            let found = try await allPartitions(of: id, within: caller.scope).filter { partition in
                values.allSatisfy { partition.group[$0.key] == $0.value }
            }
            return Page(of: found, request: page)
        }
    }

    private func allPartitions(of id: String, within scope: AccessScope) async throws -> [SummaryPartition] {
        var found: [SummaryPartition] = []
        var offset: Int? = 0
        while let from = offset {
            let page = try await documents.documents(
                .summaryPartition, of: id, within: scope, page: try PageRequest(limit: Self.pageSize, offset: from))
            found += try page.items.map { try SummaryPartition($0.document) }
            offset = page.items.isEmpty ? nil : page.nextOffset
        }
        return found
    }

    /// Renews the summary of one group, unless nothing has changed since it was made.
    ///
    /// - Parameter isForced: renews it in any case.
    /// - Throws: ``MemoryError``: `notFound`; `invalidCombination` for a group of other fields;
    ///   what the model failed with, if there is no earlier summary.
    public func run(
        id: String, group: [String: String], isForced: Bool, for caller: Caller
    ) async throws -> SummaryPartition {
        let view = try await view(id: id, for: caller)
        let names = Set(view.definition.groupBy.map(\.rawValue))
        guard Set(group.keys) == names else {
            func list(_ names: some Collection<String>) -> String {
                "[\(names.sorted().map { "'\($0)'" }.joined(separator: ", "))]"
            }
            throw MemoryError(
                .invalidCombination, "group keys \(list(group.keys)) must exactly match view.group_by \(list(names))")
        }
        let values = Dictionary(
            uniqueKeysWithValues: group.compactMap { name, value in
                SummaryView.GroupField(rawValue: name).map { ($0, value) }
            })
        var collected = PartitionRecords()
        try await forEachRecord(of: view, in: values, for: caller) { record in
            collected.add(record, within: configuration, counter)
        }
        return try await caller.scope.limiting {
            do {
                let partition = try await renewed(view, values, collected, isForced: isForced)
                if let failure = partition.failure, partition.summary.isEmpty {
                    throw MemoryError(.languageModelFailed, failure)
                }
                return partition
            } catch let pause as ModelQuestions.Pause {
                let kept = try await failed(view, values, collected, pause.reason)
                guard !kept.summary.isEmpty else { throw MemoryError(.languageModelFailed, pause.reason) }
                return kept
            }
        }
    }

    /// Calls `body` with every memory of the view, the newest first.
    private func forEachRecord(
        of view: SummaryView, in group: [SummaryView.GroupField: String], for caller: Caller,
        _ body: (MemoryRecord) -> Void
    ) async throws {
        let filter = try filter(of: view, group)
        var offset: Int? = 0
        while let from = offset {
            let page = try await memory.list(
                ListQuery(filter: filter, page: try PageRequest(limit: Self.pageSize, offset: from)), for: caller)
            for record in page.items { body(record) }
            offset = page.items.isEmpty ? nil : page.nextOffset
        }
    }

    private func filter(of view: SummaryView, _ group: [SummaryView.GroupField: String]) throws -> MemoryFilter {
        let filter = try SummaryViewFilter.filter(view.definition.filters)
        var (tags, dates) = (filter.tags, filter.dates)
        // A group's value replaces the filter on its field.
        for (field, value) in group { tags[field.tag] = try TagCondition(field: field.tag, eq: value) }
        if let days = view.definition.timeWindowDays {
            let start = now().advanced(bySeconds: -Int64(days) * 86_400)
            dates[.createdAt] = try DateCondition(field: .createdAt, [.init(.gte, start)])
        }
        return filter.with(tags: tags, dates: dates)
    }

    /// The partition with a summary of these memories.
    ///
    /// - Throws: ``ModelQuestions/Pause``; ``MemoryError`` of the store.
    private func renewed(
        _ view: SummaryView, _ group: [SummaryView.GroupField: String], _ records: PartitionRecords, isForced: Bool
    ) async throws -> SummaryPartition {
        let key = DocumentKey(.summaryPartition, SummaryPartition.id(view.id, group))
        let before = try await documents.document(key).map { try SummaryPartition($0.document) }
        let fingerprint = records.fingerprint(of: view)
        if !isForced, let before, before.failure == nil, before.fingerprint == fingerprint { return before }
        var partition = SummaryPartition(
            viewID: view.id, group: group, summary: "", memoryCount: records.count, computedAt: now(),
            fingerprint: fingerprint)
        if records.count > 0 {
            let questions = ModelQuestions(
                model: model(named: view.definition.modelName) ?? model, prompts: prompts,
                timeLimit: configuration.timeLimit)
            do {
                let answer = try await questions.text(
                    prompt(view, partition, records), for: .summaryView, quoting: records.newest.map(\.text),
                    namespace: group[.namespace] ?? view.only(.namespace))
                let text = answer.text.trimmed
                guard answer.isWhole, !text.isEmpty else {
                    return try await failed(view, group, records, "the language model's summary was cut off or empty")
                }
                partition.summary = text
            } catch let error as MemoryError where error.code == .languageModelRefused {
                return try await failed(view, group, records, error.message)
            }
        }
        try await store(partition, of: view)
        return partition
    }

    /// The partition as it was, with the reason why it is not renewed.
    private func failed(
        _ view: SummaryView, _ group: [SummaryView.GroupField: String], _ records: PartitionRecords, _ reason: String
    ) async throws -> SummaryPartition {
        logger.warning("a summary view was not renewed", metadata: ["view": "\(view.id)", "reason": "\(reason)"])
        let key = DocumentKey(.summaryPartition, SummaryPartition.id(view.id, group))
        var partition =
            try await documents.document(key).map { try SummaryPartition($0.document) }
            ?? SummaryPartition(
                viewID: view.id, group: group, summary: "", memoryCount: records.count, computedAt: now(),
                fingerprint: "")
        partition.failure = reason
        try await store(partition, of: view)
        return partition
    }

    private func store(_ partition: SummaryPartition, of view: SummaryView) async throws {
        // A view that was deleted meanwhile leaves no summaries.
        guard try await documents.document(SummaryView.key(view.id)) != nil else { return }
        _ = try await documents.write(partition.document(of: view), expecting: .anything, keptFor: nil)
    }

    private func prompt(_ view: SummaryView, _ partition: SummaryPartition, _ records: PartitionRecords) -> String {
        let lines = records.newest.reversed().map { line($0) }
        let omitted = records.count - records.newest.count
        let note = omitted > 0 ? "\n(\(omitted) older memories are left out)" : ""
        return prompts[.summaryView].filled(with: [
            "instructions": view.definition.prompt ?? prompts[.summaryViewDefault].filled(with: [:]).trimmed,
            "group": (partition.json["group"] ?? .null).jsonText,
            "memories": lines.joined(separator: "\n") + note,
        ])
    }

    /// One line of JSON.
    private func line(_ record: MemoryRecord) -> String {
        let text =
            record.text.count > configuration.longestText
            ? "\(record.text.prefix(configuration.longestText)) […]" : record.text
        return JSONValue.object([
            "id": .string(record.id), "text": .string(text), "created_at": .string(record.createdAt.iso8601),
            "event_date": record.eventDate.map { .string($0.iso8601) } ?? .null,
            "session_id": record.sessionID.map { .string($0) } ?? .null,
            "namespace": record.namespace.map { .string($0) } ?? .null,
            "user_id": record.userID.map { .string($0) } ?? .null,
            "topics": .array(record.topics.map { .string($0) }),
        ]).jsonText
    }

    // MARK: Tasks

    /// Queues a run of the whole view.
    ///
    /// - Parameters:
    ///   - taskID: `nil` or empty for one of the server's. A task of this id that is not over is
    ///     returned as it is.
    ///   - isForced: also renews summaries whose memories have not changed.
    /// - Throws: ``MemoryError``: `notFound`; `conflict` if the id belongs to another view's task.
    public func start(
        id: String, taskID: String?, isForced: Bool, for caller: Caller
    ) async throws -> SummaryTask {
        try caller.require(.write)
        return try await caller.scope.limiting {
            let view = try await existing(id, caller).document
            let taskID = taskID.flatMap { $0.isEmpty ? nil : $0 } ?? ULID.make(at: now())
            // Ids have the rules of sessions' ids.
            _ = try SessionKey(sessionID: taskID)
            let stored = try await documents.document(ServerTask.key(taskID))
            if let stored {
                let task = try SummaryTask(stored.document)
                guard reaches(stored, caller), task.viewID == id else {
                    throw MemoryError(.conflict, "there is another task with the id \(taskID)")
                }
                if !task.status.isOver { return task }
            }
            let task = SummaryTask(id: taskID, viewID: id, createdAt: now())
            let revision = try await documents.write(
                task.document(view), expecting: stored.map { .revision($0.revision) } ?? .absent,
                keptFor: ServerTask.keptSeconds)
            guard revision != nil else { throw MemoryError(.conflict, "the task was started at the same time") }
            try await jobs.enqueue([
                SummaryViewJob(viewID: id, taskID: taskID, isForced: isForced, waits: 0, caller: caller).newJob
            ])
            return task
        }
    }

    /// Changes a task that is there and not over.
    func note(_ taskID: String?, _ change: (inout SummaryTask) -> Void) async throws {
        guard let taskID, let stored = try await documents.document(ServerTask.key(taskID)) else { return }
        var task = try SummaryTask(stored.document)
        guard !task.status.isOver else { return }
        change(&task)
        _ = try await documents.write(
            task.document(stored.document), expecting: .revision(stored.revision), keptFor: ServerTask.keptSeconds)
    }

    /// Renews all summaries of a view whose memories have changed, one after the other, and empties
    /// those that have no memories any more.
    ///
    /// - Returns: why some of them could not be renewed; empty if all were. `nil` if there is no
    ///   such view.
    /// - Throws: ``ModelQuestions/Pause``; ``MemoryError`` of the store.
    func renew(_ job: SummaryViewJob) async throws -> [String]? {
        guard let stored = try await documents.document(SummaryView.key(job.viewID)), reaches(stored, job.caller) else {
            return nil
        }
        let view = try SummaryView(stored.document)
        var groups: [[SummaryView.GroupField: String]: PartitionRecords] = [:]
        try await forEachRecord(of: view, in: [:], for: job.caller.deriving) { record in
            var group: [SummaryView.GroupField: String] = [:]
            for field in view.definition.groupBy {
                // A memory without the field belongs to no group.
                guard let value = field.value(of: record) else { return }
                group[field] = value
            }
            groups[group, default: PartitionRecords()].add(record, within: configuration, counter)
        }
        for partition in try await allPartitions(of: view.id, within: job.caller.scope)
        where groups[partition.group] == nil {
            groups[partition.group] = PartitionRecords()
        }
        if view.definition.groupBy.isEmpty, groups.isEmpty { groups[[:]] = PartitionRecords() }
        var failures: [String] = []
        let ordered = groups.sorted { SummaryPartition.id(view.id, $0.key) < SummaryPartition.id(view.id, $1.key) }
        for (group, records) in ordered {
            if let taskID = job.taskID, try await ServerTasks(documents: documents).isOver(taskID) { break }
            let partition = try await renewed(view, group, records, isForced: job.isForced)
            if let failure = partition.failure { failures.append(failure) }
        }
        return failures
    }

    // MARK: Continuous views

    /// Queues runs of the continuous views that are due: one for each, of all servers on the store.
    ///
    /// - Parameter interval: seconds between two runs of a view.
    func startDue(every interval: Int) async throws {
        try await AccessScope.everything.limiting {
            var offset: Int? = 0
            while let from = offset {
                let page = try await documents.documents(
                    .summaryView, of: "", within: .everything,
                    page: try PageRequest(limit: Self.pageSize, offset: from))
                for stored in page.items {
                    let view = try SummaryView(stored.document)
                    guard view.definition.isContinuous else { continue }
                    // The server that writes the mark has the turn; it expires when the next one
                    // is due.
                    let mark = Document(
                        DocumentKey(.schedule, view.id), namespace: stored.document.namespace,
                        userID: stored.document.userID, body: [:])
                    guard try await documents.write(mark, expecting: .absent, keptFor: interval) != nil else {
                        continue
                    }
                    try await jobs.enqueue([
                        SummaryViewJob(viewID: view.id, taskID: nil, isForced: false, waits: 0, caller: view.owner)
                            .newJob
                    ])
                }
                offset = page.items.isEmpty ? nil : page.nextOffset
            }
        }
    }
}

/// The memories of one group: all of them counted, the newest kept for the model.
struct PartitionRecords: Sendable {
    private(set) var count = 0
    /// The newest first.
    private(set) var newest: [MemoryRecord] = []
    private var tokens = 0
    private var isFull = false
    private var sum: UInt64 = 0

    /// Adds a memory that is older than those before.
    mutating func add(_ record: MemoryRecord, within bounds: SummaryViews.Configuration, _ counter: TokenCounter) {
        count += 1
        sum &+= Self.hash("\(record.id)\u{1F}\(record.updatedAt.microseconds)")
        guard !isFull else { return }
        // The line has other members in addition to the text.
        tokens += counter.count(String(record.text.prefix(bounds.longestText))) + 60
        isFull = tokens > bounds.callTokens && !newest.isEmpty
        if !isFull { newest.append(record) }
    }

    /// Another one if the memories or the question have changed.
    func fingerprint(of view: SummaryView) -> String {
        Fingerprint.of(
            [String(count), String(sum), view.definition.prompt ?? "", view.definition.modelName ?? ""], length: 40)
    }

    /// FNV-1a.
    private static func hash(_ text: String) -> UInt64 {
        text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}
