import AgentMemory

/// The text form of a history: one JSON object per line, each with one member that names the call.
///
///     # a line that begins with # is a remark
///     {"add":[{"id":"a","text":"[1, 0.5] quick fox","user_id":"alice"}]}
///     {"update":[{"id":"a","set":{"topics":["t"],"event_date":null}}],"embedder":"down"}
///     {"delete":["a","b"]}
///     {"count":{"user_id":{"eq":"alice"}}}
///     {"list":{"filter":{"created_at":[["gte","2024-01-01T00:00:00Z"]]},"limit":10,"offset":0}}
///     {"search":{"text":"quick","mode":"keyword","filter":{"topics":{"any":["t"],"none":["u"]}},"limit":3,"in_pages":true}}
///
/// Records, changes and filters are spelled as in the REST API. A member that is absent has its
/// default: of a record the one of the API, except its dates (``History/defaultDate``); no filter;
/// limit 10; offset 0. A text `[1, 0.5] …` has the vector (1, 0.5, 0, …).
extension History {
    /// The history as text in ASCII, for ``init(script:)`` and for readers.
    public var script: String {
        lines.map { Self.ascii($0.jsonText) + "\n" }.joined()
    }

    /// The lines of the script, one per step.
    var lines: [JSONValue] { steps.map(Self.line) }

    private static func line(_ step: Step) -> JSONValue {
        var line = JSONObject()
        switch step {
        case .add(let records, let fault):
            line["add"] = .array(records.map { .object(members(of: $0)) })
            if let fault { line["embedder"] = .string(fault.rawValue) }
        case .update(let updates, let fault):
            line["update"] = .array(
                updates.map { ["id": .string($0.id), "set": .object(members(of: $0.changes))] })
            if let fault { line["embedder"] = .string(fault.rawValue) }
        case .delete(let ids): line["delete"] = strings(ids)
        case .count(let filter): line["count"] = .object(members(of: filter))
        case .list(let query): line["list"] = .object(members(of: query.filter, query.page))
        case .search(let query): line["search"] = .object(members(of: query))
        case .listInPages(let query):
            var members = members(of: query.filter, query.page)
            members["in_pages"] = true
            line["list"] = .object(members)
        case .searchInPages(let query):
            var members = members(of: query)
            members["in_pages"] = true
            line["search"] = .object(members)
        }
        return .object(line)
    }

    private static func members(of record: MemoryRecord) -> JSONObject {
        var members: JSONObject = ["id": .string(record.id), "text": .string(record.text)]
        members["session_id"] = record.sessionID.map(JSONValue.string)
        members["user_id"] = record.userID.map(JSONValue.string)
        members["namespace"] = record.namespace.map(JSONValue.string)
        if record.memoryType != .semantic { members["memory_type"] = .string(record.memoryType.rawValue) }
        if !record.topics.isEmpty { members["topics"] = strings(record.topics) }
        if !record.entities.isEmpty { members["entities"] = strings(record.entities) }
        if !record.extractedFrom.isEmpty { members["extracted_from"] = strings(record.extractedFrom) }
        if !record.discreteMemoryExtracted { members["discrete_memory_extracted"] = "f" }
        if record.extractionStrategy != MemoryRecord.defaultExtractionStrategy {
            members["extraction_strategy"] = .string(record.extractionStrategy)
        }
        if !record.extractionStrategyConfig.isEmpty {
            members["extraction_strategy_config"] = .object(record.extractionStrategyConfig)
        }
        if !record.metadata.isEmpty { members["metadata"] = .object(record.metadata) }
        if record.memoryHash != record.computedHash() { members["memory_hash"] = .string(record.memoryHash) }
        if record.pinned { members["pinned"] = true }
        if record.accessCount != 0 { members["access_count"] = .int(record.accessCount) }
        for (name, date) in [
            ("created_at", record.createdAt), ("last_accessed", record.lastAccessed), ("updated_at", record.updatedAt),
        ] where date != defaultDate {
            members[name] = .string(date.iso8601)
        }
        members["persisted_at"] = record.persistedAt.map { .string($0.iso8601) }
        members["event_date"] = record.eventDate.map { .string($0.iso8601) }
        return members
    }

    private static func members(of changes: RecordChanges) -> JSONObject {
        var members = JSONObject()
        func set<Value>(_ name: String, _ change: FieldChange<Value?>, _ json: (Value) -> JSONValue) {
            if case .set(let value) = change { members[name] = value.map(json) ?? .null }
        }
        members["text"] = changes.text.map(JSONValue.string)
        set("session_id", changes.sessionID) { .string($0) }
        set("user_id", changes.userID) { .string($0) }
        set("namespace", changes.namespace) { .string($0) }
        members["memory_type"] = changes.memoryType.map { .string($0.rawValue) }
        members["topics"] = changes.topics.map(strings)
        members["entities"] = changes.entities.map(strings)
        members["extracted_from"] = changes.extractedFrom.map(strings)
        members["discrete_memory_extracted"] = changes.discreteMemoryExtracted.map { $0 ? "t" : "f" }
        members["metadata"] = changes.metadata.map(JSONValue.object)
        members["pinned"] = changes.pinned.map(JSONValue.bool)
        set("event_date", changes.eventDate) { .string($0.iso8601) }
        members["updated_at"] = changes.updatedAt.map { .string($0.iso8601) }
        members["access"] = changes.access.map {
            ["at": .string($0.at.iso8601), "minimum_interval_seconds": .int($0.minimumIntervalSeconds)]
        }
        return members
    }

    private static func members(of query: SearchQuery) -> JSONObject {
        var members: JSONObject = ["text": .string(query.text)]
        func scorer(_ scorer: TextScorer) {
            if scorer != .bm25std { members["text_scorer"] = .string(scorer.rawValue) }
        }
        switch query.ranking {
        case .semantic(let threshold):
            members["mode"] = "semantic"
            members["distance_threshold"] = threshold.map(JSONValue.double)
        case .semanticWithRecency(let weights):
            members["mode"] = "recency"
            for (name, path) in recencyWeights where weights[keyPath: path] != RecencyWeights.standard[keyPath: path] {
                members[name] = .double(weights[keyPath: path])
            }
        case .keyword(let name):
            members["mode"] = "keyword"
            scorer(name)
        case .hybrid(let alpha, let name):
            members["mode"] = "hybrid"
            members["hybrid_alpha"] = .double(alpha)
            scorer(name)
        case .blended(let ranking):
            members["mode"] = "blended"
            if case .hybrid(let alpha, let name) = ranking.base {
                members["hybrid_alpha"] = .double(alpha)
                scorer(name)
            }
            members["late_interaction"] = .double(ranking.lateInteraction)
            members["context_weight"] = .double(ranking.contextWeight)
            members["date_weight"] = .double(ranking.dateWeight)
        }
        for member in self.members(of: query.filter, query.page).members { members[member.name] = member.value }
        return members
    }

    private static func members(of filter: MemoryFilter, _ page: PageRequest) -> JSONObject {
        var members = JSONObject()
        if !filter.isEmpty { members["filter"] = .object(self.members(of: filter)) }
        members["limit"] = .int(page.limit)
        if page.offset != 0 { members["offset"] = .int(page.offset) }
        return members
    }

    private static func members(of filter: MemoryFilter) -> JSONObject {
        var members = JSONObject()
        for (field, condition) in filter.orderedTags {
            var operators = JSONObject()
            if condition.all.count == 1 {
                operators["eq"] = .string(condition.all[0])
            } else if !condition.all.isEmpty {
                operators["all"] = strings(condition.all)
            }
            if condition.any.count == 1 {
                operators["any"] = strings(condition.any[0])
            } else if !condition.any.isEmpty {
                operators["any"] = .array(condition.any.map(strings))
            }
            if !condition.none.isEmpty { operators["none"] = strings(condition.none) }
            operators["startswith"] = condition.startsWith.map(JSONValue.string)
            members[field.rawValue] = .object(operators)
        }
        for (field, condition) in filter.orderedDates {
            members[field.rawValue] = .array(
                condition.bounds.map { [.string($0.comparison.rawValue), .string($0.value.iso8601)] })
        }
        if !filter.metadata.isEmpty {
            var metadata = JSONObject()
            for condition in filter.metadata { metadata[condition.key] = .object(condition.json) }
            members["metadata"] = .object(metadata)
        }
        return members
    }

    private static func strings(_ values: [String]) -> JSONValue { .array(values.map(JSONValue.string)) }

    /// The parameters of recency under their names in the REST API.
    static var recencyWeights: [(name: String, path: KeyPath<RecencyWeights, Double>)] {
        [
            ("recency_semantic_weight", \.semantic), ("recency_recency_weight", \.recency),
            ("recency_freshness_weight", \.freshness), ("recency_novelty_weight", \.novelty),
            ("recency_half_life_last_access_days", \.halfLifeLastAccessDays),
            ("recency_half_life_created_days", \.halfLifeCreatedDays),
        ]
    }

    /// The same JSON with everything beyond ASCII as `\uXXXX`: copying a script through a terminal
    /// or a mail must not compose, reorder or drop characters that the failure may depend on.
    private static func ascii(_ json: String) -> String {
        var ascii = ""
        for unit in json.utf16 {
            if let scalar = Unicode.Scalar(unit), (0x20..<0x7F).contains(scalar.value) {
                ascii.unicodeScalars.append(scalar)
            } else {
                let digits = String(unit, radix: 16)
                ascii += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            }
        }
        return ascii
    }
}
