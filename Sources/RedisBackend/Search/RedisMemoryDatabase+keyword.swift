import AgentMemory
import RedisDriver

extension RedisMemoryDatabase {
    /// Rule S5.
    func keywordSearch(_ query: SearchQuery, _ scorer: TextScorer) async throws -> Page<SearchHit> {
        let words = analyzer.query(query.text)
        guard !words.isEmpty else { return Page(items: [], total: 0, request: query.page) }
        return try await readingPage { commands, ready in
            try ready.settings.check(query.filter)
            let scope = try await scope(commands, query.filter, words)
            let text = QueryText(words: words, in: scope.query, amongKeys: scope.keys != nil)
            let scoring = KeywordScoring(scorer)
            var window = SearchCommands.Window(query.page)
            if query.page.end > commands.speculativeEnd {
                // The engine gets no window far beyond the end.
                let total = try await total(commands, text, scope)
                guard query.page.offset < total else { return LoadedPage([], total: total, request: query.page) }
                window = .init(query.page, total: total)
            }
            var batch = [try commands.bestMatches(text, scorer: scoring.engineName, window, keys: scope.keys)]
            let isCounted = scope.keys != nil || commands.countsSorted
            if !isCounted { batch.append(commands.count(text)) }
            if query.page.offset > 0 {
                batch.append(
                    try commands.bestMatches(text, scorer: scoring.engineName, .init(limit: 1), keys: scope.keys))
            }
            let replies = try await client.pipeline(batch, isRead: true)
            let rows = try SearchRow.rows(replies[0])
            let total = if let keys = scope.keys { keys.count } else { try Self.total(replies[isCounted ? 0 : 1]) }
            let first = query.page.offset > 0 ? try SearchRow.rows(replies[replies.count - 1]).first : rows.first
            let best = scoring.rank(first)
            return try await hitPage(query, total, rows) { row, record in
                SearchHit(record, relativeScore: best > 0 ? min(1, scoring.rank(row) / best) : 0, .keyword)
            }
        }
    }

    private func total(_ commands: SearchCommands, _ text: QueryText, _ scope: Scope) async throws -> Int {
        if let keys = scope.keys { return keys.count }
        return try Self.total(try await client.send(commands.count(text), isRead: true))
    }

    /// The records among which words are searched.
    struct Scope {
        /// The filter and the phrases.
        let query: QueryText
        /// If the engine cannot decide the phrases: the keys of the records that have them.
        let keys: [String]?
    }

    /// The records that match the filter and have every phrase.
    func scope(_ commands: SearchCommands, _ filter: MemoryFilter, _ words: KeywordQuery) async throws -> Scope {
        var query = QueryText(filter)
        query.addPhrases(of: words)
        let phrases = QueryText.needsReading(words)
        guard !phrases.isEmpty else { return Scope(query: query, keys: nil) }
        let rows = try SearchRow.rows(try await client.send(commands.terms(query), isRead: true))
        guard rows.count < commands.maximumResults else {
            throw EngineSettings.refusal(beyond: commands.maximumResults)
        }
        let keys = rows.compactMap { row -> String? in
            let terms = (row.terms ?? "").split(separator: " ")
            return phrases.allSatisfy { Self.contains(terms, $0) } ? key(row.id) : nil
        }
        return Scope(query: query, keys: keys)
    }

    /// Whether the words are consecutive in the text.
    static func contains(_ terms: [Substring], _ phrase: [String]) -> Bool {
        guard terms.count >= phrase.count else { return false }
        return (0...(terms.count - phrase.count)).contains { start in
            phrase.indices.allSatisfy { terms[start + $0] == phrase[$0] }
        }
    }
}
