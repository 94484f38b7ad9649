public import AgentMemory
import Logging
import Prompts

extension SummaryViews {
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
                values.allSatisfy { partition.group[$0.key].map(ExactString.init) == ExactString($0.value) }
            }
            return Page(of: found, request: page)
        }
    }

    func allPartitions(of id: String, within scope: AccessScope) async throws -> [SummaryPartition] {
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
    ///   `unsupported` for texts that no language model may be sent; what the model failed with, if
    ///   there is no earlier summary.
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
        guard try modelReaches(view) else { throw Self.outOfReach() }
        guard modelReaches(values) else { throw Self.outOfReach([.key("group"), .key("namespace")]) }
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

    /// Whether texts of the group may be sent to a language model.
    func modelReaches(_ group: [SummaryView.GroupField: String]) -> Bool {
        group[.namespace].map { model.reach.contains($0) } ?? true
    }

    /// Calls `body` with every memory of the view that a language model may be sent, the newest
    /// first.
    func forEachRecord(
        of view: SummaryView, in group: [SummaryView.GroupField: String], for caller: Caller,
        _ body: (MemoryRecord) -> Void
    ) async throws {
        guard let filter = try filter(of: view, group) else { return }
        try await memory.memories.scoped(to: caller).forEachPage(of: filter) { records in
            // A filter cannot say everything.
            for record in records where model.reach.contains(record.namespace) { body(record) }
        }
    }

    /// - Returns: `nil` if no memory may be sent to a language model.
    private func filter(of view: SummaryView, _ group: [SummaryView.GroupField: String]) throws -> MemoryFilter? {
        let filter = try SummaryViewFilter.filter(view.definition.filters)
        var (tags, dates) = (filter.tags, filter.dates)
        // A group's value replaces the filter on its field.
        for (field, value) in group { tags[field.tag] = try TagCondition(field: field.tag, eq: value) }
        switch try model.reach.narrowed(tags[.namespace]) {
        case .nothing: return nil
        case .condition(let condition): tags[.namespace] = condition
        }
        if let days = view.definition.timeWindowDays {
            let start = now().advanced(bySeconds: -Int64(days) * 86_400)
            dates[.createdAt] = try DateCondition(field: .createdAt, [.init(.gte, start)])
        }
        return filter.with(tags: tags, dates: dates)
    }

    /// How often a run asks the model about the same memories that it has no answer to.
    private static let mostUnanswered = 3

    /// The partition with a summary of these memories.
    ///
    /// - Parameters:
    ///   - isForced: asks the model in any case.
    ///   - givesUp: does not ask about memories that it had no answer to several times.
    /// - Throws: ``ModelQuestions/Pause``; ``MemoryError`` of the store.
    func renewed(
        _ view: SummaryView, _ group: [SummaryView.GroupField: String], _ records: PartitionRecords, isForced: Bool,
        givingUp givesUp: Bool = false
    ) async throws -> SummaryPartition {
        let key = DocumentKey(.summaryPartition, SummaryPartition.id(view.id, group))
        let before = try await documents.document(key).map { try SummaryPartition($0.document) }
        let fingerprint = records.fingerprint(of: view)
        if !isForced, let before, before.failure == nil, before.fingerprint == fingerprint { return before }
        if !isForced, givesUp, let before, before.unanswered == fingerprint,
            before.unansweredCount >= Self.mostUnanswered
        {
            return before
        }
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
                    namespace: group[.namespace] ?? view.only(.namespace),
                    textsOf: records.newest.map(\.namespace))
                let text = answer.summary
                guard answer.isWhole, !text.isEmpty else {
                    throw MemoryError(.languageModelUnusable, "the language model's summary was cut off or empty")
                }
                partition.summary = text
            } catch let error as MemoryError where error.code == .languageModelRefused || error.concernsPrompt {
                return try await failed(
                    view, group, records, error.message, isUnanswered: error.concernsPrompt)
            }
        }
        try await store(partition, of: view)
        return partition
    }

    /// The partition as it was, with the reason why it is not renewed.
    ///
    /// - Parameter isUnanswered: whether it is these memories that the model has no answer to.
    private func failed(
        _ view: SummaryView, _ group: [SummaryView.GroupField: String], _ records: PartitionRecords, _ reason: String,
        isUnanswered: Bool = false
    ) async throws -> SummaryPartition {
        logger.warning("a summary view was not renewed", metadata: ["view": "\(view.id)", "reason": "\(reason)"])
        let key = DocumentKey(.summaryPartition, SummaryPartition.id(view.id, group))
        var partition =
            try await documents.document(key).map { try SummaryPartition($0.document) }
            ?? SummaryPartition(
                viewID: view.id, group: group, summary: "", memoryCount: records.count, computedAt: now(),
                fingerprint: "")
        partition.failure = reason
        if isUnanswered {
            let fingerprint = records.fingerprint(of: view)
            partition.unansweredCount = partition.unanswered == fingerprint ? partition.unansweredCount + 1 : 1
            partition.unanswered = fingerprint
        }
        try await store(partition, of: view)
        return partition
    }

    private func store(_ partition: SummaryPartition, of view: SummaryView) async throws {
        guard try await isCurrent(view) else { return }
        let document = partition.document(of: view)
        _ = try await documents.write(document, expecting: .anything, keptFor: nil)
        // What was deleted or replaced in between has removed the summaries before this one came.
        if try await !isCurrent(view) { _ = try await documents.delete(document.key, revision: nil) }
    }

    /// Whether the view still asks for these summaries: one that was deleted meanwhile leaves none.
    private func isCurrent(_ view: SummaryView) async throws -> Bool {
        guard let stored = try await documents.document(SummaryView.key(view.id)) else { return false }
        let definition = try SummaryView(stored.document).definition
        return definition.groupBy == view.definition.groupBy && definition.filters == view.definition.filters
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
}
