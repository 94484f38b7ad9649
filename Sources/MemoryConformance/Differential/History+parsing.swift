import AgentMemory

extension History {
    /// Reads the text form of a history (``script``).
    ///
    /// - Throws: ``HistoryScriptError`` with the line, for invalid JSON, an unknown call or member,
    ///   or a value that the contract refuses.
    public init(script: String) throws(HistoryScriptError) {
        steps = []
        let lines = script.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, bytes) in lines.enumerated() {
            let content = bytes.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") || $0 == UInt8(ascii: "\r") }
            if content.isEmpty || content.first == UInt8(ascii: "#") { continue }
            let value: JSONValue
            do {
                value = try JSONValue(parsing: content)
            } catch {
                throw HistoryScriptError(line: index + 1, message: "not JSON: \(error.message)")
            }
            steps.append(try Self.step(value, line: index + 1))
        }
    }

    /// - Throws: as ``init(script:)``.
    init(lines: [JSONValue]) throws(HistoryScriptError) {
        steps = []
        for (index, line) in lines.enumerated() { steps.append(try Self.step(line, line: index + 1)) }
    }

    private static func step(_ value: JSONValue, line: Int) throws(HistoryScriptError) -> Step {
        var call = try ScriptReader(value, "the line", line: line)
        let step: Step
        if let records = try call.optional("add", "a list", \.arrayValue) {
            step = .add(
                try each(records) { value throws(HistoryScriptError) in try record(value, line: line) },
                try call.choice("embedder", SteeredEmbedder.Fault.self))
        } else if let updates = try call.optional("update", "a list", \.arrayValue) {
            step = .update(
                try each(updates) { value throws(HistoryScriptError) in try update(value, line: line) },
                try call.choice("embedder", SteeredEmbedder.Fault.self))
        } else if let ids = try call.strings("delete") {
            step = .delete(ids)
        } else if let filter = call.value("count") {
            step = .count(try self.filter(filter, line: line))
        } else if let query = call.value("list") {
            var reader = try ScriptReader(query, "list", line: line)
            let inPages = try reader.bool("in_pages") ?? false
            let query = ListQuery(filter: try filter(in: &reader, line: line), page: try page(in: &reader))
            try reader.end()
            step = inPages ? .listInPages(query) : .list(query)
        } else if let query = call.value("search") {
            var reader = try ScriptReader(query, "search", line: line)
            let inPages = try reader.bool("in_pages") ?? false
            let query = try search(in: &reader, line: line)
            try reader.end()
            step = inPages ? .searchInPages(query) : .search(query)
        } else {
            throw call.wrong("the line names none of add, update, delete, count, list, search")
        }
        try call.end()
        return step
    }

    private static func each<Value>(
        _ values: [JSONValue], _ read: (JSONValue) throws(HistoryScriptError) -> Value
    ) throws(HistoryScriptError) -> [Value] {
        var all: [Value] = []
        for value in values { all.append(try read(value)) }
        return all
    }

    private static func record(_ value: JSONValue, line: Int) throws(HistoryScriptError) -> MemoryRecord {
        var reader = try ScriptReader(value, "a record", line: line)
        let id = try reader.required("id", "a string", \.stringValue)
        let text = try reader.required("text", "a string", \.stringValue)
        let sessionID = try reader.string("session_id")
        let userID = try reader.string("user_id")
        let namespace = try reader.string("namespace")
        let memoryType = try reader.choice("memory_type", MemoryType.self) ?? .semantic
        let topics = try reader.strings("topics") ?? []
        let entities = try reader.strings("entities") ?? []
        let extractedFrom = try reader.strings("extracted_from") ?? []
        let extracted = try reader.letter("discrete_memory_extracted") ?? true
        let strategy = try reader.string("extraction_strategy")
        let configuration = try reader.object("extraction_strategy_config") ?? [:]
        let metadata = try reader.object("metadata") ?? [:]
        let hash = try reader.string("memory_hash")
        let pinned = try reader.bool("pinned") ?? false
        let accessCount = try reader.int("access_count") ?? 0
        let createdAt = try reader.date("created_at")
        let lastAccessed = try reader.date("last_accessed")
        let updatedAt = try reader.date("updated_at")
        let persistedAt = try reader.date("persisted_at")
        let eventDate = try reader.date("event_date")
        try reader.end()
        return try reader.checked { () throws(MemoryError) in
            try MemoryRecord(
                id: id, text: text, sessionID: sessionID, userID: userID, namespace: namespace, memoryType: memoryType,
                topics: topics, entities: entities, extractedFrom: extractedFrom, discreteMemoryExtracted: extracted,
                extractionStrategy: strategy, extractionStrategyConfig: configuration, metadata: metadata,
                memoryHash: hash, pinned: pinned, accessCount: accessCount, createdAt: createdAt,
                lastAccessed: lastAccessed, updatedAt: updatedAt, persistedAt: persistedAt, eventDate: eventDate,
                now: defaultDate)
        }
    }

    private static func update(_ value: JSONValue, line: Int) throws(HistoryScriptError) -> RecordUpdate {
        var update = try ScriptReader(value, "an update", line: line)
        let id = try update.required("id", "a string", \.stringValue)
        var set = try ScriptReader(update.value("set") ?? [:], "set", line: line)
        try update.end()
        let text = try set.string("text")
        let sessionID = try set.change("session_id", "a string", \.stringValue)
        let userID = try set.change("user_id", "a string", \.stringValue)
        let namespace = try set.change("namespace", "a string", \.stringValue)
        let memoryType = try set.choice("memory_type", MemoryType.self)
        let topics = try set.strings("topics")
        let entities = try set.strings("entities")
        let extractedFrom = try set.strings("extracted_from")
        let extracted = try set.letter("discrete_memory_extracted")
        let metadata = try set.object("metadata")
        let pinned = try set.bool("pinned")
        let eventDate = try set.change("event_date", "a date", ScriptReader.date)
        let updatedAt = try set.date("updated_at")
        var access: RecordChanges.Access?
        if let value = set.value("access") {
            var reader = try ScriptReader(value, "access", line: line)
            let at = try reader.required("at", "a date", ScriptReader.date)
            access = RecordChanges.Access(
                at: at, minimumIntervalSeconds: try reader.int("minimum_interval_seconds") ?? 900)
            try reader.end()
        }
        try set.end()
        let changes = try set.checked { () throws(MemoryError) in
            try RecordChanges(
                text: text, sessionID: sessionID, userID: userID, namespace: namespace, memoryType: memoryType,
                topics: topics, entities: entities, extractedFrom: extractedFrom, discreteMemoryExtracted: extracted,
                metadata: metadata, pinned: pinned, eventDate: eventDate, updatedAt: updatedAt, access: access)
        }
        return RecordUpdate(id: id, changes: changes)
    }

    private static func search(in reader: inout ScriptReader, line: Int) throws(HistoryScriptError) -> SearchQuery {
        let text = try reader.required("text", "a string", \.stringValue)
        let mode = try reader.required("mode", "a string", \.stringValue)
        let scorer = try reader.choice("text_scorer", TextScorer.self) ?? .bm25std
        let ranking: SearchQuery.Ranking
        switch mode {
        case "semantic": ranking = .semantic(distanceThreshold: try reader.double("distance_threshold"))
        case "recency":
            var weights: [Double] = []
            for (name, path) in recencyWeights {
                weights.append(try reader.double(name) ?? RecencyWeights.standard[keyPath: path])
            }
            let given = weights
            ranking = .semanticWithRecency(
                try reader.checked { () throws(MemoryError) in
                    try RecencyWeights(
                        semantic: given[0], recency: given[1], freshness: given[2], novelty: given[3],
                        halfLifeLastAccessDays: given[4], halfLifeCreatedDays: given[5])
                })
        case "keyword": ranking = .keyword(scorer)
        case "hybrid": ranking = .hybrid(alpha: try reader.double("hybrid_alpha") ?? 0.7, scorer)
        case "blended":
            // Without an alpha it is a semantic search.
            let alpha = try reader.double("hybrid_alpha")
            let late = try reader.double("late_interaction") ?? 0
            let context = try reader.double("context_weight") ?? 0
            let date = try reader.double("date_weight") ?? 0
            ranking = .blended(
                try reader.checked { () throws(MemoryError) in
                    try BlendedRanking(
                        alpha.map { .hybrid(alpha: $0, scorer) } ?? .semantic, lateInteraction: late,
                        contextWeight: context, dateWeight: date)
                })
        default: throw reader.wrong("mode is one of semantic, recency, keyword, hybrid, blended")
        }
        let filter = try filter(in: &reader, line: line)
        let page = try page(in: &reader)
        return try reader.checked { () throws(MemoryError) in
            try SearchQuery(text: text, ranking: ranking, filter: filter, page: page)
        }
    }

    private static func page(in reader: inout ScriptReader) throws(HistoryScriptError) -> PageRequest {
        let limit = try reader.int("limit") ?? 10
        let offset = try reader.int("offset") ?? 0
        return try reader.checked { () throws(MemoryError) in try PageRequest(limit: limit, offset: offset) }
    }

    private static func filter(in reader: inout ScriptReader, line: Int) throws(HistoryScriptError) -> MemoryFilter {
        guard let value = reader.value("filter") else { return .everything }
        return try filter(value, line: line)
    }

    private static func filter(_ value: JSONValue, line: Int) throws(HistoryScriptError) -> MemoryFilter {
        var fields = try ScriptReader(value, "the filter", line: line)
        var tags: [TagField: TagCondition] = [:]
        for field in TagField.allCases {
            guard let value = fields.value(field.rawValue) else { continue }
            tags[field] = try condition(field, value, line: line)
        }
        var dates: [DateField: DateCondition] = [:]
        for field in DateField.allCases {
            guard let bounds = try fields.optional(field.rawValue, "a list of [operator, date]", bounds) else {
                continue
            }
            dates[field] = try fields.checked { () throws(MemoryError) in try DateCondition(field: field, bounds) }
        }
        var metadata: [MetadataCondition] = []
        for (key, value) in try fields.object("metadata")?.members ?? [] {
            metadata.append(
                try fields.checked { () throws(MemoryError) in try MetadataCondition(key: key, json: value) })
        }
        try fields.end()
        return MemoryFilter(tags: tags, dates: dates, metadata: metadata)
    }

    private static func condition(
        _ field: TagField, _ value: JSONValue, line: Int
    ) throws(HistoryScriptError) -> TagCondition {
        var operators = try ScriptReader(value, "the filter on \(field.rawValue)", line: line)
        let eq = try operators.string("eq")
        let ne = try operators.string("ne")
        let any = try operators.optional("any", "a list of strings, or a list of such lists", groups) ?? []
        let all = try operators.strings("all")
        let none = try operators.strings("none")
        let startsWith = try operators.string("startswith")
        try operators.end()
        return try operators.checked { () throws(MemoryError) in
            try TagCondition(
                field: field, eq: eq, ne: ne, anyGroups: any, all: all, none: none, startsWith: startsWith)
        }
    }

    private static func groups(_ value: JSONValue) -> [[String]]? {
        if let one = ScriptReader.strings(value) { return [one] }
        guard let values = value.arrayValue else { return nil }
        let groups = values.compactMap(ScriptReader.strings)
        return groups.count == values.count ? groups : nil
    }

    private static func bounds(_ value: JSONValue) -> [DateCondition.Bound]? {
        guard let values = value.arrayValue else { return nil }
        let bounds = values.compactMap { value -> DateCondition.Bound? in
            guard let pair = value.arrayValue, pair.count == 2,
                let comparison = pair[0].stringValue.flatMap(DateCondition.Comparison.init),
                let date = ScriptReader.date(pair[1])
            else { return nil }
            return DateCondition.Bound(comparison, date)
        }
        return bounds.count == values.count ? bounds : nil
    }
}
