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

    let memory: LongTermMemory
    let documents: any DocumentStore
    let tasks: ServerTasks
    let jobs: JobSubmitter
    let model: any LanguageModel
    private let otherModels: [any LanguageModel]
    let prompts: PromptSet
    let configuration: Configuration
    let counter = TokenCounter()
    let logger: Logger
    let now: @Sendable () -> Timestamp

    static let pageSize = 1000
    static let taskType = "summary_view_full_run"
    /// The member of a task that names its view.
    static let viewMember = "view_id"

    /// - Parameters:
    ///   - model: summarises views that name none.
    ///   - otherModels: those that views may name, in addition to `model`; of those with one name
    ///     the first.
    ///   - prompts: what they are asked.
    ///   - memory: has the memories.
    ///   - documents: keeps views and partitions.
    ///   - tasks: keeps the tasks of runs; default: those of `documents`.
    ///   - jobs: gets the runs.
    ///   - configuration: bounds of a call.
    ///   - logger: gets the reasons of failures.
    ///   - now: the clock of dates.
    public init(
        by model: any LanguageModel, or otherModels: [any LanguageModel] = [], prompts: PromptSet,
        memory: LongTermMemory, documents: any DocumentStore, tasks: ServerTasks? = nil, jobs: JobSubmitter,
        configuration: Configuration = Configuration(), logger: Logger,
        now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) {
        self.model = model
        self.otherModels = otherModels
        self.prompts = prompts
        self.memory = memory
        self.documents = documents
        self.tasks = tasks ?? ServerTasks(documents: documents, now: now)
        self.jobs = jobs
        self.configuration = configuration
        self.logger = logger
        self.now = now
    }

    // MARK: Views

    /// Defines a view.
    ///
    /// - Throws: ``MemoryError``: `invalidCombination` or `invalidInput` for filters and models
    ///   that cannot be used; `unsupported` for filters that leave no text that a language model
    ///   may be sent; `forbidden` for a view beyond the caller's limits.
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
            let known = ([model] + otherModels).map(\.model).exactlyDistinct().joined(separator: ", ")
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
        let view = SummaryView(id: id, definition, owner: caller)
        guard try modelReaches(view) else { throw Self.outOfReach([.key("filters"), .key("namespace")]) }
        return view
    }

    /// Whether any text of the view may be sent to a language model.
    func modelReaches(_ view: SummaryView) throws(MemoryError) -> Bool {
        let condition = try SummaryViewFilter.filter(view.definition.filters).tags[.namespace]
        return try model.reach.narrowed(condition) != .nothing
    }

    /// The error of a request for summaries of texts that no language model may be sent.
    static func outOfReach(_ path: [MemoryError.PathComponent] = []) -> MemoryError {
        MemoryError(
            .unsupported, "this server does not send texts of these namespaces to language models", path: path)
    }

    func model(named name: String?) -> (any LanguageModel)? {
        guard let name else { return model }
        return ([model] + otherModels).first { ExactString($0.model) == ExactString(name) }
    }

    func existing(_ id: String, _ caller: Caller) async throws -> RevisedDocument {
        let key = SummaryView.key(id)
        guard key.isPossible, let stored = try await documents.document(key), reaches(stored, caller) else {
            throw MemoryError(.notFound, "SummaryView \(id) not found")
        }
        return stored
    }

    func reaches(_ stored: RevisedDocument, _ caller: Caller) -> Bool {
        caller.reaches(namespace: stored.document.namespace, userID: stored.document.userID)
    }
}
