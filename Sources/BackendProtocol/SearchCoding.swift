import AgentMemory

extension SearchQuery {
    /// Writes the members of `search_request` of the schema.
    func writeMembers(to writer: inout JSONWriter) {
        writer.name("text")
        writer.string(text)
        writer.name("ranking")
        writer.object { writer in
            func number(_ name: String, _ value: Double) {
                writer.name(name)
                writer.double(value)
            }
            func words(_ scorer: TextScorer) {
                let keywords = TextAnalyzer().query(text)
                writer.name("scorer")
                writer.string(scorer.rawValue)
                writer.name("words")
                writer.strings(keywords.words)
                writer.name("phrases")
                writer.array { writer in
                    for phrase in keywords.phrases { writer.strings(phrase) }
                }
            }
            writer.name("mode")
            // What is blended, the core ranks: a backend gets the searches that find candidates.
            let ranking = if case .blended(let blended) = ranking { blended.classic } else { ranking }
            switch ranking {
            case .semantic(let threshold):
                writer.string("semantic")
                writer.name("distance_threshold")
                if let threshold { writer.double(threshold) } else { writer.null() }
            case .semanticWithRecency(let weights):
                writer.string("semantic_with_recency")
                number("semantic_weight", weights.semantic)
                number("recency_weight", weights.recency)
                number("freshness_weight", weights.freshness)
                number("novelty_weight", weights.novelty)
                number("half_life_last_access_days", weights.halfLifeLastAccessDays)
                number("half_life_created_days", weights.halfLifeCreatedDays)
            case .keyword(let scorer):
                writer.string("keyword")
                words(scorer)
            case .hybrid(let alpha, let scorer):
                writer.string("hybrid")
                number("alpha", alpha)
                words(scorer)
            case .blended: preconditionFailure("a classic ranking is not blended")
            }
        }
        writer.name("filter")
        filter.write(to: &writer)
        page.writeMembers(to: &writer)
    }

    /// - Throws: ``MemoryError`` that names the member at fault.
    init(json: JSONValue) throws(MemoryError) {
        let reader = MemberReader(json, of: "the search", failing: .invalidInput)
        try self.init(
            text: try reader.required("text", \.stringValue),
            ranking: try Ranking(json: try reader.required("ranking") { $0 }),
            filter: try MemoryFilter(json: try reader.required("filter") { $0 }), page: try PageRequest(reader))
    }
}

extension SearchQuery.Ranking {
    fileprivate init(json: JSONValue) throws(MemoryError) {
        let reader = MemberReader(json, of: "the ranking", failing: .invalidInput)
        func number(_ name: String) throws(MemoryError) -> Double { try reader.required(name, \.doubleValue) }
        func scorer() throws(MemoryError) -> TextScorer {
            try reader.required("scorer") { $0.stringValue.flatMap(TextScorer.init) }
        }
        switch try reader.required("mode", \.stringValue) {
        case "semantic": self = .semantic(distanceThreshold: try reader.optional("distance_threshold", \.doubleValue))
        case "semantic_with_recency":
            self = .semanticWithRecency(
                try RecencyWeights(
                    semantic: try number("semantic_weight"), recency: try number("recency_weight"),
                    freshness: try number("freshness_weight"), novelty: try number("novelty_weight"),
                    halfLifeLastAccessDays: try number("half_life_last_access_days"),
                    halfLifeCreatedDays: try number("half_life_created_days")))
        case "keyword": self = .keyword(try scorer())
        case "hybrid": self = .hybrid(alpha: try number("alpha"), try scorer())
        default: throw reader.unreadable("mode")
        }
    }
}

extension PageRequest {
    func writeMembers(to writer: inout JSONWriter) {
        writer.name("limit")
        writer.int(limit)
        writer.name("offset")
        writer.int(offset)
    }

    init(_ reader: MemberReader) throws(MemoryError) {
        try self.init(
            limit: try reader.required("limit", \.intValue), offset: try reader.required("offset", \.intValue))
    }
}
