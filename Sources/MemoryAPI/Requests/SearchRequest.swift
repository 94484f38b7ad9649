public import AgentMemory
public import MemoryService

/// The body of POST /v1/long-term-memory/search.
public enum SearchRequest {
    private enum Mode: String, CaseIterable {
        case semantic, keyword, hybrid
    }

    /// The members of a search in addition to its filters. An unknown name might be a misspelt
    /// filter: it is refused, because ignoring a filter shows records that should not be shown
    /// (rule F9).
    private static let parameters = [
        "text", "search_mode", "hybrid_alpha", "text_scorer", "distance_threshold", "limit", "offset", "recency_boost",
        "recency_semantic_weight", "recency_recency_weight", "recency_freshness_weight", "recency_novelty_weight",
        "recency_half_life_last_access_days", "recency_half_life_created_days", "server_side_recency",
        "late_interaction", "context_weight", "date_weight", "explain",
        "rerank", "include_neighbors",
    ]

    /// The query string of searches and prompts. `optimize_query` asks a language model to make the
    /// text easier to find.
    public static let parametersOfQuery = ParameterNames(taken: ["optimize_query"])

    /// Whether the query string of a search or a prompt asks for a rewritten query.
    ///
    /// - Throws: ``ValidationFailure`` for a value that is not a boolean.
    public static func optimizesQuery(_ query: BodyReader) throws -> Bool {
        let optimizes = query.bool("optimize_query") ?? false
        try query.finish()
        return optimizes
    }

    /// Results per page over REST.
    static let limits = 1...100

    /// Reads a search.
    ///
    /// - Parameters:
    ///   - location: the search's place in the request.
    ///   - replacement: replaces the search's own text if a search is part of another request.
    /// - Throws: ``ValidationFailure``; ``MemoryError`` with code `invalidCombination` for
    ///   parameters of another mode.
    public static func read(
        _ body: JSONValue, at location: [MemoryError.PathComponent] = [.key("body")],
        replacingText replacement: String? = nil
    ) throws -> MemorySearch {
        let reader = BodyReader(body, at: location)
        refuseUnknown(reader, also: parameters)
        let ownText = reader.string("text")
        let text = replacement ?? ownText
        let mode = reader.choice("search_mode", Mode.self) ?? .semantic
        let alpha = reader.double("hybrid_alpha", in: 0...1) ?? BlendedRanking.defaultAlpha
        let scorer = reader.choice("text_scorer", TextScorer.self) ?? .bm25std
        let threshold = reader.double("distance_threshold", in: 0...Double.greatestFiniteMagnitude)
        let boost = reader.bool("recency_boost") ?? true
        let serverSide = reader.bool("server_side_recency") ?? false
        let explains = reader.bool("explain") ?? false
        let late = reader.double("late_interaction", in: BlendedRanking.lateInteractionRange)
        let context = reader.double("context_weight", in: BlendedRanking.contextWeightRange)
        let date = reader.double("date_weight", in: BlendedRanking.dateWeightRange)
        let reranks = reader.bool("rerank")
        let neighbors = reader.int("include_neighbors", in: SessionNeighbors.reaches) ?? 0
        let recency = try recencyWeights(reader)
        let position = try readPage(reader)
        let filter = try FilterReader.read(reader)
        let weights = try reader.finish(with: recency)
        let page = try reader.finish(with: position)

        if threshold != nil, mode != .semantic {
            throw MemoryError(.invalidCombination, "distance_threshold is only supported for semantic search mode")
        }
        if serverSide, mode != .semantic {
            throw MemoryError(.invalidCombination, "server_side_recency is only supported for semantic search mode")
        }
        if serverSide, threshold != nil {
            throw MemoryError(.invalidCombination, "distance_threshold cannot be combined with server_side_recency")
        }
        if serverSide, reranks == true {
            throw MemoryError(.invalidCombination, "rerank cannot be combined with server_side_recency")
        }
        let given = [("late_interaction", late), ("context_weight", context), ("date_weight", date)].filter {
            $0.1 ?? 0 > 0
        }
        if let (name, _) = given.first {
            if mode == .keyword {
                throw MemoryError(
                    .invalidCombination, "\(name) is only supported for semantic and hybrid search mode")
            }
            if serverSide {
                throw MemoryError(.invalidCombination, "\(name) cannot be combined with server_side_recency")
            }
            if threshold != nil {
                throw MemoryError(.invalidCombination, "\(name) cannot be combined with distance_threshold")
            }
        }
        let ranking: SearchQuery.Ranking
        switch mode {
        case .keyword: ranking = .keyword(scorer)
        case .semantic where serverSide: ranking = .semanticWithRecency(weights)
        case .semantic where given.isEmpty: ranking = .semantic(distanceThreshold: threshold)
        case .semantic:
            ranking = .blended(
                try BlendedRanking(
                    .semantic, lateInteraction: late ?? 0, contextWeight: context ?? 0, dateWeight: date ?? 0))
        case .hybrid:
            let blended = try BlendedRanking(
                .hybrid(alpha: alpha, scorer), lateInteraction: late ?? BlendedRanking.defaultLateInteraction,
                contextWeight: context ?? BlendedRanking.defaultContextWeight,
                dateWeight: date ?? BlendedRanking.defaultDateWeight)
            ranking = blended.isClassic ? blended.classic : .blended(blended)
        }
        // A page that the engine ranked by recency must not be re-ordered again.
        let reorder = boost && !serverSide
        let search = try reader.make(echoing: true) { () throws(MemoryError) in
            try MemorySearch(
                text: text, ranking: ranking, filter: filter, page: page, recencyBoost: reorder ? weights : nil,
                explains: explains, reranks: reranks, neighbors: neighbors)
        }
        return try reader.finish(with: search)
    }

    /// The body of POST /v1/long-term-memory/list: filters, limit, offset. Other members are
    /// refused, because they may be meant for a search.
    ///
    /// - Throws: ``ValidationFailure``.
    public static func readList(_ body: JSONValue) throws -> ListQuery {
        let reader = BodyReader(body)
        refuseUnknown(reader, also: ["limit", "offset"])
        let page = try readPage(reader)
        let filter = try FilterReader.read(reader)
        return ListQuery(filter: filter, page: try reader.finish(with: page))
    }

    /// The body of POST /v1/long-term-memory/count: filters only.
    ///
    /// - Throws: ``ValidationFailure``.
    public static func readCount(_ body: JSONValue) throws -> MemoryFilter {
        let reader = BodyReader(body)
        refuseUnknown(reader, also: [])
        let filter = try FilterReader.read(reader)
        try reader.finish()
        return filter
    }

    private static func refuseUnknown(_ reader: BodyReader, also: [String]) {
        reader.refuseUnknown(
            TagField.allCases.map(\.rawValue) + DateField.allCases.map(\.rawValue) + [FilterReader.metadata] + also,
            "Unknown field")
    }

    private static func readPage(_ reader: BodyReader) throws -> PageRequest? {
        let limit = reader.int("limit", in: limits) ?? 10
        let offset = reader.int("offset", in: 0...Int.max) ?? 0
        return try reader.make { () throws(MemoryError) in
            try PageRequest(limit: limit, offset: offset)
        }
    }

    private static func recencyWeights(_ reader: BodyReader) throws -> RecencyWeights? {
        let standard = RecencyWeights.standard
        let any = -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude
        func number(_ name: String) -> Double? { reader.double(name, in: any) }
        let semantic = number("recency_semantic_weight") ?? standard.semantic
        let recency = number("recency_recency_weight") ?? standard.recency
        let freshness = number("recency_freshness_weight") ?? standard.freshness
        let novelty = number("recency_novelty_weight") ?? standard.novelty
        let accessed = number("recency_half_life_last_access_days") ?? standard.halfLifeLastAccessDays
        let created = number("recency_half_life_created_days") ?? standard.halfLifeCreatedDays
        return try reader.make { () throws(MemoryError) in
            try RecencyWeights(
                semantic: semantic, recency: recency, freshness: freshness, novelty: novelty,
                halfLifeLastAccessDays: accessed, halfLifeCreatedDays: created)
        }
    }
}
