import AgentMemory
import MemoryService

/// The body of POST /v1/long-term-memory/search.
enum SearchRequest {
    private enum Mode: String, CaseIterable {
        case semantic, keyword, hybrid
    }

    /// What a search takes beside its filters. A name that is none of these might be a filter misspelt: it is refused, because a
    /// filter that is ignored shows records that should not be shown (rule F9).
    private static let parameters = [
        "text", "search_mode", "hybrid_alpha", "text_scorer", "distance_threshold", "limit", "offset", "recency_boost",
        "recency_semantic_weight", "recency_recency_weight", "recency_freshness_weight", "recency_novelty_weight",
        "recency_half_life_last_access_days", "recency_half_life_created_days", "server_side_recency",
    ]

    /// The query string of searches and prompts. `optimize_query` asks for a model, which this version does not have, to make the
    /// text easier to find: clients of the reference send it, and it changes nothing yet.
    static let ofQuery = QueryParameters.Expected(names: ["optimize_query"])

    /// - Throws: ``ValidationFailure`` for what is no boolean.
    static func check(_ query: QueryParameters) throws {
        var issues = IssueList()
        _ = query.reader.bool("optimize_query", &issues)
        try issues.check()
    }

    /// Results per page over REST.
    static let limits = 1...100

    /// - Parameters:
    ///   - location: where in the request the search stands.
    ///   - replacement: takes the place of the search's own text, where a search is part of another request.
    /// - Throws: ``ValidationFailure``; ``MemoryError`` with code `invalidCombination` for parameters that only another mode takes.
    static func read(
        _ body: JSONValue, at location: [MemoryError.PathComponent] = [.key("body")],
        replacingText replacement: String? = nil
    ) throws -> MemorySearch {
        var issues = IssueList()
        guard let reader = ObjectReader(body, at: location, &issues) else {
            throw ValidationFailure(issues: issues.issues)
        }
        refuseUnknown(reader, also: parameters, &issues)
        let ownText = reader.string("text", &issues)
        let text = replacement ?? ownText
        let mode = reader.choice("search_mode", Mode.self, &issues) ?? .semantic
        let alpha = reader.double("hybrid_alpha", in: 0...1, &issues) ?? 0.7
        let scorer = reader.choice("text_scorer", TextScorer.self, &issues) ?? .bm25std
        let threshold = reader.double("distance_threshold", in: 0...Double.greatestFiniteMagnitude, &issues)
        let boost = reader.bool("recency_boost", &issues) ?? true
        let serverSide = reader.bool("server_side_recency", &issues) ?? false
        let weights = try recencyWeights(reader, &issues)
        let page = try readPage(reader, &issues)
        let filter = try FilterReader.read(reader, &issues)
        try issues.check()
        guard let page, let weights else { throw ValidationFailure(issues: issues.issues) }

        if threshold != nil, mode != .semantic {
            throw MemoryError(.invalidCombination, "distance_threshold is only supported for semantic search mode")
        }
        if serverSide, mode != .semantic {
            throw MemoryError(.invalidCombination, "server_side_recency is only supported for semantic search mode")
        }
        if serverSide, threshold != nil {
            throw MemoryError(.invalidCombination, "distance_threshold cannot be combined with server_side_recency")
        }
        let ranking: SearchQuery.Ranking =
            switch mode {
            case .semantic: serverSide ? .semanticWithRecency(weights) : .semantic(distanceThreshold: threshold)
            case .keyword: .keyword(scorer)
            case .hybrid: .hybrid(alpha: alpha, scorer)
            }
        // Ranked by recency in the engine already, the page must not be re-ordered once more.
        let reorder = boost && !serverSide
        let request = try issues.collect(at: location, input: body) { () throws(MemoryError) in
            try MemorySearch(
                text: text, ranking: ranking, filter: filter, page: page, recencyBoost: reorder ? weights : nil)
        }
        guard let request else { throw ValidationFailure(issues: issues.issues) }
        return request
    }

    /// The body of POST /v1/long-term-memory/list: filters, limit, offset. Anything else is refused, so that nobody takes a list for
    /// a search.
    static func readList(_ body: JSONValue) throws -> ListQuery {
        var issues = IssueList()
        guard let reader = ObjectReader(body, at: [.key("body")], &issues) else {
            throw ValidationFailure(issues: issues.issues)
        }
        refuseUnknown(reader, also: ["limit", "offset"], &issues)
        let page = try readPage(reader, &issues)
        let filter = try FilterReader.read(reader, &issues)
        try issues.check()
        guard let page else { throw ValidationFailure(issues: issues.issues) }
        return ListQuery(filter: filter, page: page)
    }

    /// The body of POST /v1/long-term-memory/count: filters only.
    static func readCount(_ body: JSONValue) throws -> MemoryFilter {
        var issues = IssueList()
        guard let reader = ObjectReader(body, at: [.key("body")], &issues) else {
            throw ValidationFailure(issues: issues.issues)
        }
        refuseUnknown(reader, also: [], &issues)
        let filter = try FilterReader.read(reader, &issues)
        try issues.check()
        return filter
    }

    private static func refuseUnknown(_ reader: ObjectReader, also: [String], _ issues: inout IssueList) {
        reader.refuseUnknown(
            TagField.allCases.map(\.rawValue) + DateField.allCases.map(\.rawValue) + also, "Unknown field", &issues)
    }

    private static func readPage(_ reader: ObjectReader, _ issues: inout IssueList) throws -> PageRequest? {
        let limit = reader.int("limit", in: limits, &issues) ?? 10
        let offset = reader.int("offset", in: 0...Int.max, &issues) ?? 0
        return try issues.collect(at: reader.location) { () throws(MemoryError) in
            try PageRequest(limit: limit, offset: offset)
        }
    }

    private static func recencyWeights(_ reader: ObjectReader, _ issues: inout IssueList) throws -> RecencyWeights? {
        let standard = RecencyWeights.standard
        let any = -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude
        func number(_ name: String, _ issues: inout IssueList) -> Double? { reader.double(name, in: any, &issues) }
        let semantic = number("recency_semantic_weight", &issues) ?? standard.semantic
        let recency = number("recency_recency_weight", &issues) ?? standard.recency
        let freshness = number("recency_freshness_weight", &issues) ?? standard.freshness
        let novelty = number("recency_novelty_weight", &issues) ?? standard.novelty
        let accessed = number("recency_half_life_last_access_days", &issues) ?? standard.halfLifeLastAccessDays
        let created = number("recency_half_life_created_days", &issues) ?? standard.halfLifeCreatedDays
        return try issues.collect(at: reader.location) { () throws(MemoryError) in
            try RecencyWeights(
                semantic: semantic, recency: recency, freshness: freshness, novelty: novelty,
                halfLifeLastAccessDays: accessed, halfLifeCreatedDays: created)
        }
    }
}
